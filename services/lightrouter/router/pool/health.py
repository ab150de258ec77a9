"""The health of the candidates' adapters, and of the router that depends on them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_HEALTH_NOT_SERVING,
    CANDIDATE_HEALTH_SERVING,
    CANDIDATE_HEALTH_UNSPECIFIED,
    CANDIDATE_STATE_EVICTED,
    CandidateHealth,
)

_log = logging.getLogger(__name__)


class Watch(Protocol):
    """Watches one adapter."""

    def __call__(self, address: str, *, wait: bool) -> AsyncGenerator[bool, None]:
        """Yields whether the adapter serves, now and whenever that changes, until the connection ends.

        Args:
            address: The adapter's gRPC target.
            wait: Whether to wait for an adapter that cannot be reached, rather than to fail.

        Raises:
            ServiceError: The adapter cannot be reached, or the connection was lost.
        """
        ...


class HealthMonitor:
    """Watches every adapter of the pool; watches a lost one again when it is back."""

    def __init__(
        self,
        watch: Watch,
        pause_seconds: float = 0.2,
        max_pause_seconds: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Watches with `watch`; before it watches a lost adapter again, it waits with `sleep`.

        The first pause is `pause_seconds`. Each further one is twice as long, up to `max_pause_seconds`, until the
        adapter serves. The defaults are choices.
        """
        self._watch = watch
        self._pauses = (pause_seconds, max_pause_seconds)
        self._sleep = sleep
        self._serving: dict[str, bool] = {}
        self._declining: set[str] = set()
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._snapshot: PoolSnapshot | None = None
        self._changed = asyncio.Event()
        self._known = asyncio.Event()

    def of(self, address: str) -> CandidateHealth.ValueType:
        """Returns the health of the adapter at `address`; unspecified if it is not known yet."""
        serving = self._serving.get(address)
        if serving is None:
            return CANDIDATE_HEALTH_UNSPECIFIED
        return CANDIDATE_HEALTH_SERVING if serving else CANDIDATE_HEALTH_NOT_SERVING

    def declines(self, address: str) -> bool:
        """Returns whether the adapter at `address` can be reached and says that it does not serve."""
        return address in self._declining

    @property
    def router_serves(self) -> bool:
        """Whether at least one candidate that may answer has an adapter that serves."""
        candidates = self._snapshot.candidates.values() if self._snapshot else ()
        return any(
            candidate.state != CANDIDATE_STATE_EVICTED and self._serving.get(candidate.address, False)
            for candidate in candidates
        )

    def follow(self, snapshot: PoolSnapshot) -> None:
        """Watches the adapters of this pool from now on, and no others. Needs a running event loop."""
        self._snapshot = snapshot
        addresses = {candidate.address for candidate in snapshot.candidates.values()}
        for address in self._watchers.keys() - addresses:
            self._watchers.pop(address).cancel()
            self._serving.pop(address, None)
            self._declining.discard(address)
        for address in addresses - self._watchers.keys():
            watcher = asyncio.get_running_loop().create_task(self._keep_watching(address))
            watcher.add_done_callback(lambda _: self._changed.set())
            self._watchers[address] = watcher
        self._notice()

    async def known(self) -> None:
        """Returns when every adapter of the pool has said whether it serves, or could not be reached."""
        await self._known.wait()

    async def report(self, set_serving: Callable[[bool], Awaitable[None]]) -> None:
        """Calls `set_serving` with whether the router serves, now and after each change, until it is cancelled.

        Raises the error of a watch that failed by a defect, because without that watch the health would be wrong.
        """
        reported: bool | None = None
        while True:
            self._changed.clear()
            for watcher in self._watchers.values():
                if watcher.done():
                    watcher.result()
            serves = self.router_serves
            if serves != reported:
                reported = serves
                await set_serving(serves)
            await self._changed.wait()

    async def close(self) -> None:
        """Ends all watches."""
        watchers = list(self._watchers.values())
        self._watchers.clear()
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)

    async def _keep_watching(self, address: str) -> None:
        wait = False
        pause, max_pause = self._pauses
        while True:
            try:
                async with aclosing(self._watch(address, wait=wait)) as changes:
                    async for serving in changes:
                        self._set(address, serving=serving)
                        if serving:
                            self._declining.discard(address)
                            pause = self._pauses[0]
                        else:
                            self._declining.add(address)
                            # Ends the watch, because an adapter that drains waits for it as for any running call.
                            break
            except ServiceError as error:
                self._declining.discard(address)
                _log.debug("the adapter at %s is not watched: %s", address, error.message)
            self._set(address, serving=False)
            # The channel reconnects with its own backoff. The pause is for an adapter that answers but does not serve.
            wait = True
            await self._sleep(pause)
            pause = min(2 * pause, max_pause)

    def _set(self, address: str, *, serving: bool) -> None:
        if self._serving.get(address) is not serving:
            _log.info("the adapter at %s is %s", address, "serving" if serving else "not serving")
            self._serving[address] = serving
            self._notice()

    def _notice(self) -> None:
        self._changed.set()
        if self._watchers.keys() <= self._serving.keys():
            self._known.set()
        else:
            self._known.clear()
