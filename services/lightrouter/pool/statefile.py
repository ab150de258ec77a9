"""The state file beside a pool file: the statuses of the candidates of a pool that is not in a cluster.

It is replaced as a whole, so that a reader always finds the old or the new file, also after a crash.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lightrouter.pool.status import CandidateStatus
from lightrouter.pool.store import StoreError
from lightrouter.runtime import files

VERSION: Final = 1
"""The format's version; others are refused."""
MAX_BYTES: Final = 16 * 2**20
"""The most bytes that a state file may have. A choice: 256 candidates with 256 categories each take 8 MB."""


class LockedError(StoreError):
    """Another process holds the lock. The text is one sentence that names that process."""


def state_path(pool: Path) -> Path:
    """Returns the state file of a pool file: pool.yaml has pool.state.json beside it."""
    return pool.with_name(f"{pool.stem}.state.json")


def read(path: Path) -> bytes:
    """Returns the file's bytes, at most one more than `MAX_BYTES`; empty if there is no file.

    Raises:
        StoreError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None


def loads(data: bytes, path: Path) -> dict[str, CandidateStatus]:
    """Returns the statuses by candidate from `data`, the content of the file `path`; no bytes hold no status.

    Raises:
        StoreError: The content is invalid.
    """
    return {name: CandidateStatus.model_validate(status) for name, status in _content(data, path).items()}


def _content(data: bytes, path: Path) -> dict[str, dict[str, Any]]:
    """Returns the statuses by candidate as the file has them."""
    if not data:
        return {}
    try:
        found = json.loads(data) if len(data) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("candidates"), dict):
        raise StoreError(f"{path} is not a state file; remove it, and evaluate the candidates again")
    if found.get("version") != VERSION:
        raise StoreError(f"{path} has a version that is not {VERSION}: another release wrote it")
    return {str(name): status for name, status in found["candidates"].items() if isinstance(status, dict)}


def load(path: Path) -> dict[str, CandidateStatus]:
    """Returns the statuses by candidate; none if there is no file.

    Raises:
        StoreError: The file cannot be used.
    """
    return loads(read(path), path)


def amend(path: Path, statuses: Mapping[str, CandidateStatus]) -> None:
    """Replaces these statuses in the file; those of all other candidates, in the pool or not, stay unchanged.

    Raises:
        StoreError: The file cannot be read or written.
    """
    said = {name: status.to_json() for name, status in statuses.items()}
    content = dict(sorted((_content(read(path), path) | said).items()))
    text = json.dumps({"version": VERSION, "candidates": content}, indent=2, ensure_ascii=False)
    try:
        files.replace(path, f"{text}\n".encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds the lock beside a file that is being changed. The lock ends with the process, also after a crash.

    Args:
        path: The file, such as a state file.
        what: The holder, for the error of other processes, like "an evaluation".

    Raises:
        LockedError: Another process holds the lock.
        StoreError: The lock cannot be created.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{lock} cannot be written: {error.strerror or error}") from None
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
