"""Files that change while a service runs: which version of a file is there, and how to replace a file as a whole."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

Version: TypeAlias = tuple[int, int, int]
"""Modification time in nanoseconds, inode and size of a file: a file that was replaced or written differs in one."""


def version(path: Path) -> Version:
    """Returns the version of the file at `path`.

    Raises:
        OSError: The file cannot be looked at.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size


def replace(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; the data is on the disk when the call returns.

    The file keeps its mode; a new file is readable by all.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
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
