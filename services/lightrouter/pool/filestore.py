"""The pool file with its state file: read, watched and updated.

A valid change of the pool file is passed on; with an invalid one the last valid pool stays.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.pool import file, statefile
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import PROVIDERS, Pool
from lightrouter.pool.statefile import LockedError, StateFileError
from lightrouter.pool.status import CandidateStatus, PoolStatus, StateChange, overlaid
from lightrouter.pool.store import StoreError, Update
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.watch import folder_changes

_logger = logging.getLogger(__name__)
# A choice: another writer of the state file holds its lock for milliseconds.
_LOCK_PAUSE_S: Final = 0.2


class FileStore:
    """A pool file and the last valid pool that it held, with the statuses from its state file. See `store.Store`."""

    def __init__(
        self,
        path: Path,
        on_change: Callable[[Pool], None] = lambda _: None,
        on_refused: Callable[[PoolFileError], None] | None = None,
        providers: Collection[str] = PROVIDERS,
        patience_seconds: float = 10.0,
    ) -> None:
        """Reads the files.

        Args:
            path: The pool file; it and the folders above it may be symbolic links.
            on_change: Called by `watch` with each new pool that differs from the last one. Must not raise.
            on_refused: Called by `watch` with the faults of an invalid file. Must not raise. Default: they are logged.
            providers: The known provider APIs.
            patience_seconds: Seconds that `update` waits for another writer of the state file.

        Raises:
            PoolFileError: The pool file is invalid or cannot be read.
        """
        self._path = path
        self._on_change = on_change
        self._on_refused = on_refused or _log
        self._providers = providers
        self._patience = patience_seconds
        self._stop = asyncio.Event()
        self._data: bytes | None = file.read(path)
        self._refused = ""
        self._written = file.parse(self._data, path, providers)
        self._states_path = statefile.state_path(path)
        self._states: bytes | None = None
        self._states_fault = ""
        self._statuses: dict[str, CandidateStatus] = {}
        self._take_states(self._look_at_states())
        self.pool = overlaid(self._written, self._statuses)
        """The last valid pool."""

    async def read(self) -> PoolStatus:
        """Returns the current pool and statuses. See `store.Store`."""
        try:
            return PoolStatus.of(file.load(self._path, self._providers), statefile.load(self._states_path))
        except StateFileError as error:
            raise StoreError(str(error)) from None

    async def update(self, change: Update) -> list[StateChange]:
        """Replaces the state file. See `store.Store`."""
        deadline = Deadline.after(self._patience)
        while True:
            try:
                with statefile.locked(self._states_path, "a change of the states"):
                    return await self._update(change)
            except LockedError as error:
                if deadline.expired:
                    raise StoreError(str(error)) from None
            except StateFileError as error:
                raise StoreError(str(error)) from None
            await asyncio.sleep(_LOCK_PAUSE_S)

    async def _update(self, change: Update) -> list[StateChange]:
        before = await self.read()
        wanted = change(before)
        if wanted:
            statefile.amend(self._states_path, wanted)
        return [found for name, after in wanted.items() if (found := StateChange.between(before, name, after))]

    def drifted(self, candidate: str, drift: str) -> None:
        """Does nothing: each router that reads the file keeps the drift that it sees to itself. See `store.Store`."""

    async def watch(self) -> None:
        """Passes on changes of the files until `stop` is called or the task is cancelled."""
        self._log_fault()
        while not self._stop.is_set():
            await self._watch_folders(self._folders())

    def stop(self) -> None:
        """Ends `watch`."""
        self._stop.set()

    async def _watch_folders(self, folders: frozenset[Path]) -> None:
        async for _ in folder_changes(folders, self._stop):
            # Reading a large file takes longer than the 20 ms that an event loop may be blocked.
            self._take(await asyncio.to_thread(self._look))
            if self._folders() != folders:
                return

    def _folders(self) -> frozenset[Path]:
        # realpath, unlike Path.resolve, accepts a link that leads to itself.
        found = (self._path.absolute(), Path(os.path.realpath(self._path)))
        return frozenset(path.parent for path in found if path.parent.is_dir())

    def check(self) -> None:
        """Reads the files now and passes on what changed."""
        self._take(self._look())

    def _look(self) -> _Seen:
        """Reads what has changed and changes no attribute, so it may run in another thread."""
        seen = _Seen()
        try:
            data = file.read(self._path)
            if data != self._data:
                seen.data = data
                seen.written = file.parse(data, self._path, self._providers)
        except PoolFileError as error:
            seen.refused = error
        seen.states = self._look_at_states()
        return seen

    def _look_at_states(self) -> _States | None:
        """Returns the state file if it has changed."""
        data: bytes | None = None
        try:
            data = statefile.read(self._states_path)
            return None if data == self._states else _States(data, statefile.loads(data, self._states_path))
        except StateFileError as error:
            # A broken state file must not stop candidates from answering: the last valid statuses stay.
            return None if data is not None and data == self._states else _States(data, None, str(error))

    def _take(self, seen: _Seen) -> None:
        changed = self._take_pool(seen)
        changed = self._take_states(seen.states) or changed
        if seen.states:
            self._log_fault()
        if not changed:
            return
        pool = overlaid(self._written, self._statuses)
        if pool != self.pool or list(pool.entries) != list(self.pool.entries):
            self.pool = pool
            self._on_change(pool)

    def _log_fault(self) -> None:
        if self._states_fault:
            _logger.error("the state file is not used: %s", self._states_fault)

    def _take_pool(self, seen: _Seen) -> bool:
        """Takes the pool file; returns whether it has changed and is valid."""
        self._data = self._data if seen.data is None else seen.data
        if seen.refused is not None:
            if str(seen.refused) != self._refused:
                self._refused = str(seen.refused)
                self._on_refused(seen.refused)
            return False
        if seen.written is None:
            return False
        self._refused = ""
        self._written = seen.written
        return True

    def _take_states(self, states: _States | None) -> bool:
        """Takes the state file; returns whether it has changed and is valid."""
        if states is None:
            return False
        self._states = self._states if states.data is None else states.data
        self._states_fault = states.fault
        if states.statuses is None:
            return False
        self._statuses = states.statuses
        return True


@dataclass(slots=True)
class _States:
    """A changed state file: its content if readable, and its statuses if valid."""

    data: bytes | None
    statuses: dict[str, CandidateStatus] | None
    fault: str = ""


@dataclass(slots=True)
class _Seen:
    """The changes: the pool file's content, its pool or the reason why it is invalid, and the state file."""

    data: bytes | None = None
    written: Pool | None = None
    refused: PoolFileError | None = None
    states: _States | None = None


def _log(error: PoolFileError) -> None:
    _logger.error("the changed pool file is refused, the last valid pool stays: %s", error)
