"""API keys, by environment variable or file. A key leaves this module only as a request's header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from lightrouter.adapter.faults import unauthenticated
from lightrouter.runtime import files

_MAX_KEY_BYTES = 16 * 1024


class Credentials(Protocol):
    """Where a candidate's API key comes from."""

    def key(self) -> SecretStr:
        """Returns the key as it is now; empty where the candidate needs none.

        Raises:
            UpstreamError: There should be a key and there is none (UPSTREAM_UNAUTHENTICATED).
        """
        ...


class NoKey:
    """A provider that asks for no key."""

    def key(self) -> SecretStr:
        """Returns the empty key."""
        return SecretStr("")


class EnvironmentKey:
    """A key in an environment variable."""

    def __init__(self, variable: str, environment: Mapping[str, str] = os.environ) -> None:
        self._variable = variable
        self._environment = environment

    def key(self) -> SecretStr:
        """Returns the variable's value. See `Credentials.key`."""
        return _checked(self._environment.get(self._variable, ""), f"environment variable {self._variable}")


class FileKey:
    """A key in a file, which is read again when it changes, so that a key can be rotated without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: files.Version | None = None
        self._key = SecretStr("")

    def key(self) -> SecretStr:
        """Returns what the file holds now. See `Credentials.key`."""
        where = f"key file {self._path}"
        try:
            version = files.version(self._path)
            if version != self._version:
                with self._path.open("rb") as file:
                    text = file.read(_MAX_KEY_BYTES).decode("ascii", "replace")
                self._key = _checked(text, where)
                self._version = version
        except OSError as error:
            raise unauthenticated(f"the candidate has no API key: {where} cannot be read ({error.strerror})") from None
        return self._key


def credentials(variable: str | None, path: Path | None) -> Credentials:
    """Returns the credentials that a pool entry names by environment variable or by file; with neither, none."""
    if variable is not None:
        return EnvironmentKey(variable)
    return NoKey() if path is None else FileKey(path)


def _checked(text: str, where: str) -> SecretStr:
    key = text.strip()
    if not key:
        raise unauthenticated(f"the candidate has no API key: {where} is empty or not set")
    if not (key.isascii() and key.isprintable()):
        raise unauthenticated(f"the candidate has no API key: {where} holds characters that no key has")
    return SecretStr(key)
