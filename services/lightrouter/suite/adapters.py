"""The adapters of a pool in one process: one for each candidate whose entry names no address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from lightrouter.adapter.engine import Engine
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.live import LiveEngine, MakeEngine
from lightrouter.pool.schema import Pool
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

_log = logging.getLogger(__name__)


class Adapters:
    """The adapters of the pool's candidates, added, changed and removed with it."""

    def __init__(self, make_engine: MakeEngine) -> None:
        """Has none before `start`; `make_engine` makes their engines."""
        self._make_engine = make_engine
        self._live: dict[str, LiveEngine] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def start(self, pool: Pool) -> None:
        """Adds the adapters of the first pool.

        Raises:
            EntryError: An entry cannot be used.
        """
        for name in _names(pool):
            self._live[name] = LiveEngine(name, pool, self._make_engine)

    def apply(self, pool: Pool) -> None:
        """Applies a change of the pool. An entry that cannot be used is logged, and its candidate does not serve."""
        names = _names(pool)
        for name in self._live.keys() - set(names):
            self._remove(name)
        for name in names:
            if name in self._live:
                self._live[name].apply(pool)
            else:
                self._add(name, pool)

    def engine(self, name: str) -> Engine:
        """Returns the engine of a candidate, for a new call.

        Raises:
            ServiceError: The candidate has no adapter here (UNKNOWN_CANDIDATE).
        """
        return self._of(name).engine

    def all(self) -> Iterable[LiveEngine]:
        """Returns the engines of now; any thread may call it."""
        return tuple(self._live.values())

    async def states(self, name: str) -> AsyncGenerator[bool, None]:
        """Yields whether the adapter of a candidate serves, now and after each change.

        Raises:
            ServiceError: The candidate has no adapter here (UNKNOWN_CANDIDATE).
        """
        async with aclosing(self._of(name).states()) as states:
            async for serving in states:
                yield serving

    async def finish(self) -> None:
        """Waits until running calls have ended, then closes all connections."""
        for name in list(self._live):
            self._remove(name)
        await asyncio.gather(*self._leaving)

    def _of(self, name: str) -> LiveEngine:
        live = self._live.get(name)
        if live is None:
            message = f"no adapter of {name} runs in this process"
            raise ServiceError(Code.NOT_FOUND, ErrorReason.ERROR_REASON_UNKNOWN_CANDIDATE, message)
        return live

    def _add(self, name: str, pool: Pool) -> None:
        try:
            self._live[name] = LiveEngine(name, pool, self._make_engine)
        except EntryError as error:
            _log.error("the entry of %s cannot be used, so it does not serve: %s", name, error)

    def _remove(self, name: str) -> None:
        task = asyncio.create_task(self._live.pop(name).finish())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _names(pool: Pool) -> list[str]:
    # An entry with an address has an adapter that runs elsewhere.
    return [name for name, entry in pool.entries.items() if entry.address is None]
