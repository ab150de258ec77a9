"""The state file beside a pool file: what is held of each candidate, where the pool is no cluster's.

It is replaced as a whole, so that a reader, and a crash at any point, finds the old one or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from lightrouter.pool.status import CandidateStatus, parse, to_json

VERSION: Final = 1
"""The version of the format that is written; others are refused."""
MAX_BYTES: Final = 16 * 2**20
"""The most bytes that a state file may have."""


class StateFileError(Exception):
    """A state file that cannot be used; its text is one sentence that names it."""


class LockedError(Exception):
    """Another process holds the lock; its text is one sentence that says which."""


def state_path(pool: Path) -> Path:
    """Returns the state file of a pool file: pool.yaml has pool.state.json beside it."""
    return pool.with_name(f"{pool.stem}.state.json")


def read(path: Path) -> bytes:
    """Returns the file's bytes, at most one more than `MAX_BYTES`; none where there is no file.

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


def loads(data: bytes, path: Path) -> dict[str, CandidateStatus]:
    """Returns the statuses by candidate that `data`, the content of the file `path`, says; no bytes say none.

    Raises:
        StateFileError: It is no state file.
    """
    return {name: parse(said) for name, said in _said(data, path).items()}


def _said(data: bytes, path: Path) -> dict[str, dict[str, Any]]:
    """Returns what a state file says of each candidate, as it stands there."""
    if not data:
        return {}
    try:
        found = json.loads(data) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("candidates"), dict):
        raise StateFileError(f"{path} is no state file; remove it, and the candidates are evaluated anew")
    if found.get("version") != VERSION:
        raise StateFileError(f"{path} has a version that is not {VERSION}: another release wrote it")
    return {str(name): said for name, said in found["candidates"].items() if isinstance(said, dict)}


def load(path: Path) -> dict[str, CandidateStatus]:
    """Returns the statuses by candidate; none where there is no file.

    Raises:
        StateFileError: It cannot be used.
    """
    return loads(read(path), path)


def save(path: Path, statuses: Mapping[str, CandidateStatus]) -> None:
    """Replaces the file by one that says these statuses alone.

    Raises:
        StateFileError: It cannot be written.
    """
    _write(path, _statuses(statuses))


def amend(path: Path, statuses: Mapping[str, CandidateStatus]) -> None:
    """Says these statuses in the file; what it says of others, in the pool or not, stays to the letter.

    Raises:
        StateFileError: It cannot be read or written.
    """
    _write(path, _said(read(path), path) | _statuses(statuses))


def _statuses(statuses: Mapping[str, CandidateStatus]) -> dict[str, dict[str, Any]]:
    return {name: to_json(status) for name, status in statuses.items() if status.state is not None}


def _write(path: Path, said: Mapping[str, object]) -> None:
    text = json.dumps({"version": VERSION, "candidates": dict(sorted(said.items()))}, indent=2, ensure_ascii=False)
    try:
        replace(path, f"{text}\n".encode())
    except OSError as error:
        raise StateFileError(f"{path} cannot be written: {error.strerror or error}") from None


def replace(path: Path, data: bytes) -> None:
    """Puts `data` in the place of a file, on the disk before it returns.

    Raises:
        OSError: It cannot be written; the file is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            # Readable to whom the old one was, or to whom any new file would be.
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o644)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds the lock beside a state file, for whoever changes it; the end of the process, however it ends, frees it.

    Args:
        path: The state file.
        what: What holds the lock, for whom it keeps out.

    Raises:
        LockedError: Another process holds it.
        StateFileError: There can be no lock.
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
            raise LockedError(f"{holder} is at work on {path}; wait until it has ended") from None
        file.truncate(0)
        file.write(f"{what} (process {os.getpid()})")
        file.flush()
        yield
