"""Files that change while a service runs: they are read again when they change, and replaced as a whole."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

_log = logging.getLogger(__name__)
Content = TypeVar("Content")
Version: TypeAlias = tuple[int, int, int]
"""Modification time in nanoseconds, inode and size of a file; a write or a replacement changes at least one."""


def version(path: Path) -> Version:
    """Returns the version of the file at `path`.

    Raises:
        OSError: The file cannot be looked at.
    """
    status = path.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size


def is_endless(path: Path) -> bool:
    """Tells whether a pipe or a device stands in the place of a file, so that reading it may never end."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class FileContentError(Exception):
    """A file whose content cannot be used; the text is one sentence that names the file."""


class WatchedFiles(Generic[Content]):
    """The content of files that belong together, read again when one of them changes.

    A change that cannot be used is logged once and the last good content stays. It is read again each time until it is
    good: half of a rotation looks broken too.
    """

    def __init__(
        self, what: str, paths: Sequence[Path], read: Callable[[], Content], recheck_seconds: float = 0.0
    ) -> None:
        """Reads the files.

        Args:
            what: The plural that log lines call the content, for example "tokens".
            paths: The files.
            read: Returns their content, or raises FileContentError.
            recheck_seconds: Seconds between two looks at the files; 0: each `current` looks.

        Raises:
            FileContentError: The content cannot be used now.
        """
        self._what = what
        self._paths = tuple(paths)
        self._read = read
        self._recheck_seconds = recheck_seconds
        self._checked = time.monotonic()
        self._refused = ""
        # The version first: a file that changes in between is read once more.
        self._versions = self._look()
        self._content = read()

    def current(self) -> Content:
        """Returns the last good content; the same object until the files change."""
        now = time.monotonic()
        if now - self._checked >= self._recheck_seconds:
            self._checked = now
            self._reload_if_changed()
        return self._content

    def _look(self) -> list[Version | None]:
        return [_version_or_none(path) for path in self._paths]

    def _reload_if_changed(self) -> None:
        versions = self._look()
        if versions == self._versions:
            self._refused = ""
            return
        try:
            _refuse_endless(self._paths)
            content = self._read()
        except FileContentError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                _log.error("the changed %s are refused, the last good ones stay: %s", self._what, error)
            return
        self._versions, self._content, self._refused = versions, content, ""
        _log.info("the %s have changed: %s", self._what, ", ".join(map(str, self._paths)))


def replace(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; the data is on the disk when the call returns.

    The file keeps its mode; a new file is readable by all. A symbolic link stays one: the file that it leads to is
    written.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    path = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        # A person knows the file, not the temporary one beside it.
        raise type(error)(error.errno, error.strerror, str(path)) from None
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


def _refuse_endless(paths: Sequence[Path]) -> None:
    for path in paths:
        if is_endless(path):
            raise FileContentError(f"{path}: is a pipe or a device, not a file")


def _version_or_none(path: Path) -> Version | None:
    try:
        return version(path)
    except OSError:
        return None
