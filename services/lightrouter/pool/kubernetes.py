"""Watches the Candidate resources of a namespace: the pool's home in a cluster."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Final

from lightrouter.pool.api import CandidateApi, ClusterError
from lightrouter.pool.conditions import Conditions
from lightrouter.pool.resource import Resources, Verdict, name_of, version_of
from lightrouter.pool.schema import PublicPool

_log = logging.getLogger(__name__)
_SHORT_WATCH_SECONDS: Final = 1.0


class PoolResources:
    """The Candidate resources of a namespace and their last valid pool; empty until the first list."""

    def __init__(
        self,
        api: CandidateApi,
        on_change: Callable[[PublicPool], None],
        on_reachable: Callable[[bool], None] = lambda _: None,
        *,
        judge: str | None = None,
        synthesizer: str | None = None,
        least_pause_seconds: float = 0.2,
        most_pause_seconds: float = 5.0,
    ) -> None:
        """Reads nothing yet; `watch` reads.

        Args:
            api: The resources.
            on_change: Called by `watch` with each new pool that differs from the last one. Must not raise.
            on_reachable: Called by `watch` when the API becomes unreachable and reachable; it starts as unreachable.
                Must not raise.
            judge: Name of the candidate that judges for the selector `llm`, if the pool has it.
            synthesizer: Name of the candidate that merges, if the pool has it.
            least_pause_seconds: Pause after the first failure; each failure doubles it.
            most_pause_seconds: Maximum pause.
        """
        self._api = api
        self._on_change = on_change
        self._on_reachable = on_reachable
        self._resources = Resources(judge, synthesizer)
        self._conditions = Conditions(api.patch_status, least_pause_seconds, 12 * most_pause_seconds)
        self._pauses = (least_pause_seconds, most_pause_seconds)
        self._failures = 0
        self._reachable: bool | None = None
        self._version = ""
        self._first = True
        self._refused: Mapping[str, Verdict] = {}
        self.pool = PublicPool({})
        """The last valid pool."""

    def drifted(self, candidate: str, drift: str) -> None:
        """Reports in a candidate's resource how it left its own history, in a sentence; empty: it has recovered."""
        self._resources.drifts[candidate] = drift
        self._conditions.say(self._resources.objects, self._resources.pool()[1])

    async def watch(self) -> None:
        """Reports changes until the task is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._conditions.keep_writing())
            version = ""
            while True:
                try:
                    version = version or await self._list()
                    version = await self._follow(version)
                except ClusterError as error:
                    if error.expired:
                        _log.info("the watch of the candidates has expired; they are listed again")
                    else:
                        self._lost(error)
                    # One failure may be temporary; a second one may be due to a version that the API never had.
                    version = self._version if error.passing and not self._failures else ""
                    await self._pause()

    async def _list(self) -> str:
        found = await self._api.list()
        self._resources.replace(resource for resource in found["items"] if isinstance(resource, dict))
        if self._first:
            self._first = False
            self._resources.forget_drifts()
        self._version = version_of(found)
        self._apply()
        return self._version

    async def _follow(self, version: str) -> str:
        """Watches once, from `version` on; returns the version to resume from."""
        self._version = version
        began = asyncio.get_running_loop().time()
        async with aclosing(self._api.watch(version)) as events:
            async for kind, resource in events:
                if not kind:
                    # Not before: if the watch is refused, a list alone shows no changes.
                    self._found()
                    continue
                self._failures = 0
                self._version = version_of(resource) or self._version
                if kind == "DELETED":
                    self._resources.objects.pop(name_of(resource), None)
                elif kind in {"ADDED", "MODIFIED"}:
                    self._resources.objects[name_of(resource)] = resource
                if kind != "BOOKMARK":
                    self._apply()
        # Usually its time was over; but an API that ends each watch at once must not be called without a pause.
        if asyncio.get_running_loop().time() - began < _SHORT_WATCH_SECONDS:
            await self._pause()
        else:
            self._failures = 0
        return self._version

    def _apply(self) -> None:
        pool, verdicts = self._resources.pool()
        self._conditions.say(self._resources.objects, verdicts)
        refused = {name: verdict for name, verdict in verdicts.items() if not verdict.ready}
        for name, verdict in refused.items():
            if self._refused.get(name) != verdict:
                _log.error("the candidate resource %s is refused: %s: %s", name, verdict.reason, verdict.message)
        self._refused = refused
        if pool != self.pool:
            self.pool = pool
            _log.info("the pool has changed; its candidates: %s", ", ".join(pool.entries) or "none")
            self._on_change(pool)

    def _lost(self, error: ClusterError) -> None:
        if self._reachable is not False:
            _log.error("the candidates cannot be watched, the last valid pool stays: %s", error)
            self._reachable = False
            self._on_reachable(False)
        else:
            _log.debug("the candidates still cannot be watched: %s", error)

    def _found(self) -> None:
        if self._reachable is not True:
            _log.info("the candidates are watched")
            self._reachable = True
            self._on_reachable(True)

    async def _pause(self) -> None:
        least, most = self._pauses
        longest = min(most, least * 2.0**self._failures)
        # Bounded: the power would overflow after a long outage.
        self._failures = min(self._failures + 1, 30)
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter, so that routers do not retry together
