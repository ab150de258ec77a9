"""The pool file with its state file: read, watched and updated.

A valid change of the pool file is passed on; with an invalid one the last valid pool stays.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from lightrouter.pool import file, statefile
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import Pool
from lightrouter.pool.statefile import LockedError
from lightrouter.pool.status import PoolStatus, StateChange, overlaid
from lightrouter.pool.store import StoreError, Update
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.files import is_endless
from lightrouter.runtime.watch import folder_changes

_logger = logging.getLogger(__name__)
# A choice: another writer of the state file holds its lock for milliseconds.
_LOCK_PAUSE_S: Final = 0.2
T = TypeVar("T")


class FileStore:
    """A pool file and the last valid pool that it held, with the statuses from its state file. See `store.Store`."""

    def __init__(
        self,
        path: Path,
        on_change: Callable[[Pool], None] = lambda _: None,
        on_refused: Callable[[PoolFileError], None] | None = None,
        patience_seconds: float = 10.0,
    ) -> None:
        """Reads the files. The default patience is a choice.

        Args:
            path: The pool file; it and the folders above it may be symbolic links.
            on_change: Called by `watch` with each new pool that differs from the last one. Must not raise.
            on_refused: Called by `watch` with the faults of an invalid file. Must not raise. Default: they are logged.
            patience_seconds: Seconds that `update` waits for another writer of the state file.

        Raises:
            PoolFileError: The pool file is invalid or cannot be read.
        """
        self._path = path
        self._on_change = on_change
        self._on_refused = on_refused or _log
        self._patience = patience_seconds
        self._states_path = statefile.state_path(path)
        self._written = _Content(self._read, lambda data: file.parse(data, path))
        self._statuses = _Content(
            lambda: statefile.read(self._states_path), lambda data: statefile.loads(data, self._states_path)
        )
        self._written.reread()
        if isinstance(self._written.fault, PoolFileError):
            raise self._written.fault
        self._statuses.reread()
        self.pool = self._overlaid()
        """The last valid pool."""

    async def read(self) -> PoolStatus:
        """Returns the current pool and statuses. See `store.Store`."""
        # In a thread: parsing a large file takes longer than the 20 ms that an event loop may be blocked.
        return await asyncio.to_thread(self._held)

    async def update(self, change: Update) -> list[StateChange]:
        """Replaces the state file. See `store.Store`."""
        deadline = Deadline.after(self._patience)
        while True:
            try:
                # All of it in one thread, as in `read`: the lock is held until the file is written, even if the caller
                # is cancelled meanwhile.
                return await asyncio.to_thread(self._update, change)
            except LockedError:
                if deadline.expired:
                    raise
            await asyncio.sleep(_LOCK_PAUSE_S)

    def _held(self) -> PoolStatus:
        return PoolStatus.of(file.load(self._path), statefile.load(self._states_path))

    def _update(self, change: Update) -> list[StateChange]:
        with statefile.locked(self._states_path, "a change of the states"):
            before = self._held()
            wanted = change(before)
            if wanted:
                statefile.amend(self._states_path, wanted)
        return [found for name, after in wanted.items() if (found := StateChange.between(before, name, after))]

    def drifted(self, candidate: str, drift: str) -> None:
        """Does nothing: each router that reads the file keeps the drift that it sees to itself. See `store.Store`."""

    async def watch(self) -> None:
        """Passes on changes of the files until the task is cancelled. See `store.Store`."""
        self._log_fault()
        while True:
            folders = self._folders()
            async with aclosing(folder_changes(folders)) as changes:
                async for _ in changes:
                    await self.refresh()
                    if self._folders() != folders:
                        break

    async def refresh(self) -> None:
        """Reads the files now and passes on what changed."""
        # In a thread, as in `read`.
        written, statuses, pool = await asyncio.to_thread(self._reread)
        if written and isinstance(self._written.fault, PoolFileError):
            self._on_refused(self._written.fault)
        if statuses:
            # A broken state file must not stop candidates from answering: the last valid statuses stay.
            self._log_fault()
        if pool != self.pool or list(pool.entries) != list(self.pool.entries):
            self.pool = pool
            self._on_change(pool)

    def _reread(self) -> tuple[bool, bool, Pool]:
        """Returns whether the pool file and the state file have changed, and the pool that they make."""
        written, statuses = self._written.reread(), self._statuses.reread()
        return written, statuses, self._overlaid() if written or statuses else self.pool

    def _read(self) -> bytes:
        # The start may read a pipe, which has an end then.
        if self._written.valid is not None and is_endless(self._path):
            raise PoolFileError(f"{self._path}: is a pipe or a device, not a file")
        return file.read(self._path)

    def _overlaid(self) -> Pool:
        if self._written.valid is None:
            raise AssertionError("the constructor has read the pool file")
        return overlaid(self._written.valid, self._statuses.valid or {})

    def _log_fault(self) -> None:
        if self._statuses.fault:
            _logger.error("the state file is not used: %s", self._statuses.fault)

    def _folders(self) -> frozenset[Path]:
        # realpath, unlike Path.resolve, accepts a link that leads to itself.
        found = (self._path.absolute(), Path(os.path.realpath(self._path)))
        return frozenset(path.parent for path in found if path.parent.is_dir())


@dataclass(slots=True)
class _Content(Generic[T]):
    """A file's last valid content, and the fault of its present one.

    Attributes:
        read: Returns the file's bytes.
        parse: Returns the content of these bytes.
        valid: The last valid content; None: there was none.
        fault: Why the present one is invalid; None: it is valid.
    """

    read: Callable[[], bytes]
    parse: Callable[[bytes], T]
    valid: T | None = None
    fault: PoolFileError | StoreError | None = None
    _data: bytes | None = None

    def reread(self) -> bool:
        """Reads the file again; returns whether its content has changed, or what is wrong with it."""
        # A file that could not be read is read anew even if it comes back as it was.
        known, self._data = self._data, None
        try:
            self._data = self.read()
            if self._data == known:
                return False
            self.valid = self.parse(self._data)
        except (PoolFileError, StoreError) as error:
            told, self.fault = str(self.fault), error
            return str(error) != told
        self.fault = None
        return True


def _log(error: PoolFileError) -> None:
    _logger.error("the changed pool file is refused, the last valid pool stays: %s", error)
