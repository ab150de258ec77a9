"""Watches the pool file and its state file: a good change is passed on, with a broken one the last good pool stays."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from lightrouter.pool import file, statefile
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import PROVIDERS, Pool
from lightrouter.pool.standing import Standing, overlaid
from lightrouter.pool.statefile import StateFileError
from lightrouter.runtime.watch import folder_changes

_logger = logging.getLogger(__name__)


class PoolFile:
    """A pool file and the last good pool that it held, with what its state file says of the candidates."""

    def __init__(
        self,
        path: Path,
        on_change: Callable[[Pool], None],
        on_refused: Callable[[PoolFileError], None] | None = None,
        providers: Collection[str] = PROVIDERS,
    ) -> None:
        """Reads the file.

        Args:
            path: The file; it may be a symbolic link, and anything on the way to it too.
            on_change: Called by `watch` with each new pool that differs from the last one. Must not raise.
            on_refused: Called by `watch` with what is wrong with a changed file. Must not raise. Default: it is logged.
            providers: The known provider APIs.

        Raises:
            PoolFileError: The file cannot be used now.
        """
        self._path = path
        self._on_change = on_change
        self._on_refused = on_refused or _log
        self._providers = providers
        self._stop = asyncio.Event()
        self._data: bytes | None = file.read(path)
        self._refused = ""
        self._written = file.parse(self._data, path, providers)
        self._states_path = statefile.state_path(path)
        self._states: bytes | None = None
        self._standings: dict[str, Standing] = {}
        self._take_states(self._look_at_states())
        self.pool = overlaid(self._written, self._standings)
        """The last good pool."""

    async def watch(self) -> None:
        """Passes on changes of the file until `stop` is called or the task is cancelled."""
        while not self._stop.is_set():
            await self._watch_folders(self._folders())

    def stop(self) -> None:
        """Ends `watch`."""
        self._stop.set()

    async def _watch_folders(self, folders: frozenset[Path]) -> None:
        async for _ in folder_changes(folders, self._stop):
            # A large file takes longer to read than an event loop may be held up.
            self._take(await asyncio.to_thread(self._look))
            if self._folders() != folders:
                return

    def _folders(self) -> frozenset[Path]:
        # realpath, unlike Path.resolve, bears a link that leads to itself.
        found = (self._path.absolute(), Path(os.path.realpath(self._path)))
        return frozenset(path.parent for path in found if path.parent.is_dir())

    def check(self) -> None:
        """Reads the files now and passes on what changed."""
        self._take(self._look())

    def _look(self) -> _Seen:
        """Reads what has changed, and changes nothing: it may run in another thread."""
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
        """Returns the state file where it has changed and is good."""
        data: bytes | None = None
        try:
            data = statefile.read(self._states_path)
            return None if data == self._states else _States(data, statefile.loads(data, self._states_path))
        except StateFileError as error:
            # Whether the candidates may answer is not to hang on it: what was held of them last goes on to hold.
            return None if data is not None and data == self._states else _States(data, None, str(error))

    def _take(self, seen: _Seen) -> None:
        changed = self._take_pool(seen)
        if not self._take_states(seen.states) and not changed:
            return
        pool = overlaid(self._written, self._standings)
        if pool != self.pool or list(pool.entries) != list(self.pool.entries):
            self.pool = pool
            self._on_change(pool)

    def _take_pool(self, seen: _Seen) -> bool:
        """Takes the pool file; returns whether it has changed and is good."""
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
        """Takes the state file; returns whether it has changed and is good."""
        if states is None:
            return False
        self._states = self._states if states.data is None else states.data
        if states.standings is None:
            _logger.error("The state file is not used: %s", states.fault)
            return False
        self._standings = states.standings
        return True


@dataclass(slots=True)
class _States:
    """A state file that has changed: its content where it can be read, and what it says where it is good."""

    data: bytes | None
    standings: dict[str, Standing] | None
    fault: str = ""


@dataclass(slots=True)
class _Seen:
    """What has changed: the pool file's content, what it says or why it is refused, and the state file."""

    data: bytes | None = None
    written: Pool | None = None
    refused: PoolFileError | None = None
    states: _States | None = None


def _log(error: PoolFileError) -> None:
    _logger.error("The changed pool file is refused, the last good pool stays: %s", error)
