"""API keys from an environment variable or a file. A key leaves the adapter only in a request's header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from lightrouter.adapter.faults import unauthenticated
from lightrouter.runtime import files

# A choice: larger than any key, a JWT included.
_MAX_KEY_BYTES = 16 * 1024


class Credentials(Protocol):
    """The source of a candidate's API key."""

    def key(self) -> SecretStr:
        """Returns the current key; empty if the candidate needs none.

        Raises:
            UpstreamError: The key is missing or unusable (UPSTREAM_UNAUTHENTICATED).
        """
        ...


class NoKey:
    """The credentials of a provider that needs no key."""

    def key(self) -> SecretStr:
        """Returns the empty key."""
        return SecretStr("")


class EnvironmentKey:
    """A key from an environment variable."""

    def __init__(self, variable: str, environment: Mapping[str, str] = os.environ) -> None:
        self._variable = variable
        self._environment = environment

    def key(self) -> SecretStr:
        """Returns the variable's value. See `Credentials.key`."""
        return _checked(self._environment.get(self._variable, ""), f"environment variable {self._variable}")


class FileKey:
    """A key from a file, read again when the file changes, so that a key is rotated without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: files.Version | None = None
        self._key = SecretStr("")

    def key(self) -> SecretStr:
        """Returns the content of the file. See `Credentials.key`."""
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
    """Returns the credentials of a pool entry, which names a variable, a file, or neither."""
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
