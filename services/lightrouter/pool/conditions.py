"""Writes the router's verdict on each Candidate resource into its status, concurrently with the watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from lightrouter.pool.api import ClusterError, Object
from lightrouter.pool.resource import Verdict, generation_of, says_drift, status_patch

_log = logging.getLogger(__name__)
_CONFLICT = 409
_NOT_FOUND = 404


class Conditions:
    """The conditions still to write."""

    def __init__(
        self, patch: Callable[[str, Object], Awaitable[None]], least_pause_seconds: float, most_pause_seconds: float
    ) -> None:
        """Writes with `patch`, which takes a resource's name; waits longer after each failure."""
        self._patch = patch
        self._pauses = (least_pause_seconds, most_pause_seconds)
        self._waiting: dict[str, tuple[Object, Verdict]] = {}
        self._written: dict[str, tuple[int, Verdict]] = {}
        self._changed = asyncio.Event()

    def say(self, resources: Mapping[str, Object], verdicts: Mapping[str, Verdict]) -> None:
        """Queues these verdicts, by resource name, for writing."""
        self._written = {name: said for name, said in self._written.items() if name in resources}
        self._waiting = {
            name: (resource, verdicts[name])
            for name, resource in resources.items()
            # Each verdict once: otherwise two routers that disagree would overwrite each other forever. But a drift
            # that another router withdrew at its start is written again.
            if self._written.get(name) != (generation_of(resource), verdicts[name])
            or not says_drift(resource, verdicts[name])
        }
        self._changed.set()

    async def keep_writing(self) -> None:
        """Writes the queued conditions until the task is cancelled."""
        pause, most = self._pauses
        while True:
            self._changed.clear()
            if not self._waiting:
                await self._changed.wait()
                continue
            name, (resource, verdict) = next(iter(self._waiting.items()))
            try:
                await self._write(name, resource, verdict)
                pause = self._pauses[0]
            except ClusterError as error:
                if pause == self._pauses[0]:
                    _log.warning("the status of the candidate resource %s is not written: %s", name, error)
                # The next resource may succeed.
                if name in self._waiting:
                    self._waiting[name] = self._waiting.pop(name)
                await asyncio.sleep(pause)
                pause = min(2 * pause, most)

    async def _write(self, name: str, resource: Object, verdict: Verdict) -> None:
        patch = status_patch(resource, verdict, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if patch is not None:
            try:
                await self._patch(name, patch)
            except ClusterError as error:
                if error.status not in {_CONFLICT, _NOT_FOUND}:
                    raise
                # It has changed or gone in the meantime; the watch will report it and queue a new verdict.
                self._done(name, resource)
                return
        self._written[name] = (generation_of(resource), verdict)
        self._done(name, resource)

    def _done(self, name: str, resource: Object) -> None:
        if self._waiting.get(name, (None,))[0] is resource:
            del self._waiting[name]
