"""The Candidate resources of a namespace: read, watched and updated. The pool's home in a cluster."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from lightrouter.pool.conditions import Conditions
from lightrouter.pool.resource import Acceptance, ParsedResource, Resources, evaluator_writes, name_of, version_of
from lightrouter.pool.schema import PublicPool
from lightrouter.pool.status import PoolStatus, StateChange
from lightrouter.pool.store import ClusterError, StoreError, Update
from lightrouter.runtime.deadline import Deadline

if TYPE_CHECKING:
    from lightrouter.pool.cluster import ClusterApi

_log = logging.getLogger(__name__)
# A choice: an API that ends each watch sooner is asked again only after a pause.
_SHORT_WATCH_SECONDS: Final = 1.0
# A choice: longest pause between two attempts of an update.
_MAX_UPDATE_PAUSE_S: Final = 10.0
T = TypeVar("T")


class ClusterStore:
    """The Candidate resources of a namespace and the last valid pool that they made. See `store.Store`."""

    def __init__(
        self,
        api: ClusterApi,
        on_change: Callable[[PublicPool], None] = lambda _: None,
        on_reachable: Callable[[bool], None] = lambda _: None,
        *,
        judge: str | None = None,
        synthesizer: str | None = None,
        min_pause_seconds: float = 0.2,
        max_pause_seconds: float = 5.0,
        patience_seconds: float = 300.0,
    ) -> None:
        """Makes no request yet. The defaults are choices.

        Args:
            api: The resources.
            on_change: Called by `watch` with each new pool that differs from the last one. Must not raise.
            on_reachable: Called by `watch` when the API is lost and when it is back; at first it counts as lost.
                Must not raise.
            judge: Name of the candidate that judges for the selector `llm`, while the pool has it.
            synthesizer: Name of the candidate that merges, while the pool has it.
            min_pause_seconds: Pause after the first failure; it doubles with each further one.
            max_pause_seconds: Longest pause of `watch`.
            patience_seconds: Seconds that `read` and `update` wait for an API that is away.
        """
        self._api = api
        self._on_change = on_change
        self._on_reachable = on_reachable
        self._resources = Resources(judge, synthesizer)
        self._conditions = Conditions(api, min_pause_seconds, 12 * max_pause_seconds)
        self._pauses = (min_pause_seconds, max_pause_seconds)
        self._patience = patience_seconds
        self._failures = 0
        self._reachable: bool | None = None
        self._version = ""
        self._first = True
        self._refused: Mapping[str, Acceptance] = {}
        self.pool = PublicPool({})
        """The last valid pool; empty until the first list."""

    def drifted(self, candidate: str, drift: str) -> None:
        """Writes a candidate's drift to its resource. See `store.Store`."""
        self._resources.drifts[candidate] = drift
        self._write_conditions(self._resources.pool()[1])

    async def read(self) -> PoolStatus:
        """Returns the current pool and statuses. See `store.Store`."""
        return (await self._retried(self._read))[0]

    async def update(self, change: Update) -> list[StateChange]:
        """Applies each status by itself, on condition that the resource has not changed. See `store.Store`."""
        changes: list[StateChange] = []

        async def write() -> bool:
            before, resources = await self._read()
            complete = True
            for name, wanted in change(before).items():
                resource = resources[name]
                version = resource.version
                parts = evaluator_writes(resource.status, wanted)
                try:
                    for manager, status in parts.items():
                        version = await self._api.apply_status(resource.name, manager, status, version)
                except ClusterError as error:
                    if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                        raise
                    # The resource has changed or is gone: `change` decides again from its new content.
                    complete = False
                    continue
                if parts and (found := StateChange.between(before, name, wanted)):
                    changes.append(found)
            return complete

        deadline = Deadline.after(self._patience)
        while not await self._retried(write):
            if deadline.expired:
                raise StoreError("the candidates of the cluster change faster than their states can be written")
            await asyncio.sleep(self._pauses[0])
        return changes

    async def _read(self) -> tuple[PoolStatus, Mapping[str, ParsedResource]]:
        items = (await self._api.list())["items"]
        return await asyncio.to_thread(lambda: self._resources.listed(filter(_is_object, items)).status())

    async def _retried(self, act: Callable[[], Awaitable[T]]) -> T:
        """Repeats `act` while the API is away."""
        pause, deadline = self._pauses[0], Deadline.after(self._patience)
        while True:
            try:
                return await act()
            except ClusterError as error:
                if not (error.passing or error.status == HTTPStatus.TOO_MANY_REQUESTS) or deadline.remaining() < pause:
                    raise StoreError(f"the candidates of the cluster cannot be used: {error}") from None
                _log.warning("the API is asked again in %.1f s: %s", pause, error)
            await _sleep(pause)
            pause = min(2 * pause, _MAX_UPDATE_PAUSE_S)

    async def watch(self) -> None:
        """Passes on changes and writes conditions until the task is cancelled. See `store.Store`."""
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
                    # A first failure may be temporary. A second one may come from the version: the API may not have it.
                    version = self._version if error.passing and not self._failures else ""
                    await self._pause()

    async def _list(self) -> str:
        found = await self._api.list()
        # In a thread: 256 resources take longer than the 20 ms that an event loop may be blocked.
        self._resources = await asyncio.to_thread(self._resources.listed, filter(_is_object, found["items"]))
        if self._first:
            self._first = False
            self._resources.forget_drifts()
        self._version = version_of(found)
        self._apply()
        return self._version

    async def _follow(self, version: str) -> str:
        """Watches once from `version`; returns the version to continue from."""
        self._version = version
        began = asyncio.get_running_loop().time()
        async with aclosing(self._api.watch(version)) as events:
            async for kind, resource in events:
                if not kind:
                    # Only now: if the watch is refused, the list alone shows no change.
                    self._found()
                    continue
                self._failures = 0
                self._version = version_of(resource) or self._version
                if kind == "DELETED":
                    self._resources.parsed.pop(name_of(resource), None)
                elif kind in {"ADDED", "MODIFIED"}:
                    # In a thread: a resource may have 1.5 MiB.
                    parsed = await asyncio.to_thread(ParsedResource.of, resource)
                    self._resources.parsed[name_of(resource)] = parsed
                if kind != "BOOKMARK":
                    self._apply()
        # The watch usually ends by its timeout; an API that ends each watch at once must not be asked without a pause.
        if asyncio.get_running_loop().time() - began < _SHORT_WATCH_SECONDS:
            await self._pause()
        else:
            self._failures = 0
        return self._version

    def _apply(self) -> None:
        pool, acceptances = self._resources.pool()
        self._write_conditions(acceptances)
        refused = {name: verdict for name, verdict in acceptances.items() if not verdict.ready}
        for name, verdict in refused.items():
            if self._refused.get(name) != verdict:
                _log.error("the candidate resource %s is refused: %s: %s", name, verdict.reason, verdict.message)
        self._refused = refused
        if pool != self.pool:
            self.pool = pool
            _log.info("the pool has changed; its candidates: %s", ", ".join(pool.entries) or "none")
            self._on_change(pool)

    def _write_conditions(self, acceptances: Mapping[str, Acceptance]) -> None:
        self._conditions.set(self._resources.parsed, acceptances)

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
        shortest, longest = self._pauses
        pause = min(longest, shortest * 2.0**self._failures)
        # Bounded: after a long outage the power would overflow.
        self._failures = min(self._failures + 1, 30)
        await _sleep(pause)


async def _sleep(longest: float) -> None:
    """Sleeps half of `longest` seconds up to all of it, so that clients do not retry at the same time."""
    await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - no secret


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
