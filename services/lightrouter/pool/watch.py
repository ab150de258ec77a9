"""Watches the pool file and its state file: a good change is passed on, with a broken one the last good pool stays."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path

from watchfiles import awatch

from lightrouter.pool import file, statefile
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import PROVIDERS, Pool
from lightrouter.pool.standing import Standing, overlaid
from lightrouter.pool.statefile import StateFileError

_logger = logging.getLogger(__name__)
# Besides notifications the file is read this often: some file systems send none, and none is sent for a change between
# the first reading and the begin of the watch.
_RECHECK_MS = 2_000
_DEBOUNCE_MS = 200


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
        self._read_states()
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
        # Folders rather than the file: editors and Kubernetes replace it, and a watch on a file that is gone is deaf.
        changes = awatch(
            *folders,
            stop_event=self._stop,
            recursive=False,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_RECHECK_MS,
            yield_on_timeout=True,
        )
        async for _ in changes:
            self.check()
            if self._folders() != folders:
                return

    def _folders(self) -> frozenset[Path]:
        # realpath, unlike Path.resolve, bears a link that leads to itself.
        found = (self._path.absolute(), Path(os.path.realpath(self._path)))
        return frozenset(path.parent for path in found if path.parent.is_dir())

    def check(self) -> None:
        """Reads the files now and passes on what changed."""
        changed = self._read_pool()
        if not self._read_states() and not changed:
            return
        pool = overlaid(self._written, self._standings)
        if pool != self.pool or list(pool.entries) != list(self.pool.entries):
            self.pool = pool
            self._on_change(pool)

    def _read_pool(self) -> bool:
        """Reads the pool file; returns whether it has changed and is good."""
        try:
            data = file.read(self._path)
            if data == self._data:
                return False
            self._data = data
            self._written = file.parse(data, self._path, self._providers)
        except PoolFileError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                self._on_refused(error)
            return False
        self._refused = ""
        return True

    def _read_states(self) -> bool:
        """Reads the state file; returns whether it has changed and is good."""
        try:
            data = statefile.read(self._states_path)
            if data == self._states:
                return False
            self._states = data
            self._standings = statefile.loads(data, self._states_path)
        except StateFileError as error:
            # Whether the candidates may answer is not to hang on it: what was held of them last goes on to hold.
            _logger.error("The state file is not used: %s", error)  # noqa: TRY400 - the sentence says it all
            return False
        return True


def _log(error: PoolFileError) -> None:
    _logger.error("The changed pool file is refused, the last good pool stays: %s", error)
