"""The state file beside a pool file: each candidate's standing, for pools outside a cluster.

It is replaced as a whole, so that after a crash at any point a reader finds the old file or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lightrouter.pool.standing import Standing, parse, status_of
from lightrouter.runtime import files

VERSION: Final = 1
"""The format's version; others are refused."""
MAX_BYTES: Final = 16 * 2**20
"""Maximum bytes of a state file."""


class StateFileError(Exception):
    """A state file that cannot be used; its text is one sentence that names it."""


class LockedError(Exception):
    """Another process has the lock; the text is one sentence that names it."""


def state_path(pool: Path) -> Path:
    """Returns the state file of a pool file: pool.yaml has pool.state.json beside it."""
    return pool.with_name(f"{pool.stem}.state.json")


def read(path: Path) -> bytes:
    """Returns the file's bytes, at most one more than `MAX_BYTES`; empty if there is no file.

    Raises:
        StateFileError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StateFileError(f"{path} cannot be read: {error.strerror or error}") from None


def loads(data: bytes, path: Path) -> dict[str, Standing]:
    """Returns the standings by candidate from `data`, the content of the file `path`; none if it is empty.

    Raises:
        StateFileError: It is not a state file.
    """
    return {name: parse(said) for name, said in _said(data, path).items()}


def _said(data: bytes, path: Path) -> dict[str, dict[str, Any]]:
    """Returns a state file's JSON by candidate, unparsed."""
    if not data:
        return {}
    try:
        found = json.loads(data) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("candidates"), dict):
        raise StateFileError(f"{path} is not a state file; remove it, and evaluate the candidates again")
    if found.get("version") != VERSION:
        raise StateFileError(f"{path} has a version that is not {VERSION}: another release wrote it")
    return {str(name): said for name, said in found["candidates"].items() if isinstance(said, dict)}


def load(path: Path) -> dict[str, Standing]:
    """Returns the standings by candidate; empty if there is no file.

    Raises:
        StateFileError: It cannot be used.
    """
    return loads(read(path), path)


def save(path: Path, standings: Mapping[str, Standing]) -> None:
    """Replaces the file by one with only these standings.

    Raises:
        StateFileError: It cannot be written.
    """
    _write(path, _statuses(standings))


def amend(path: Path, standings: Mapping[str, Standing]) -> None:
    """Writes these standings into the file; all others in it stay unchanged.

    Raises:
        StateFileError: It cannot be read or written.
    """
    _write(path, _said(read(path), path) | _statuses(standings))


def _statuses(standings: Mapping[str, Standing]) -> dict[str, dict[str, Any]]:
    return {name: status_of(standing) for name, standing in standings.items() if standing.state is not None}


def _write(path: Path, said: Mapping[str, object]) -> None:
    text = json.dumps({"version": VERSION, "candidates": dict(sorted(said.items()))}, indent=2, ensure_ascii=False)
    try:
        files.replace(path, f"{text}\n".encode())
    except OSError as error:
        raise StateFileError(f"{path} cannot be written: {error.strerror or error}") from None


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds the lock beside a state file while it is changed; the end of the process always releases it.

    Args:
        path: The state file.
        what: Name of the lock's holder, for the error of others.

    Raises:
        LockedError: Another process has it.
        StateFileError: The lock cannot be created.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise StateFileError(f"{lock} cannot be written: {error.strerror or error}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            raise LockedError(f"{holder} is using {path}; wait until it has ended") from None
        file.truncate(0)
        file.write(f"{what} (process {os.getpid()})")
        file.flush()
        yield
