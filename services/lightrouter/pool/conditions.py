"""Writes the routers' part of each Candidate resource's status, beside the watch so that it never delays the watch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from lightrouter.pool.resource import Acceptance, ParsedResource, router_writes
from lightrouter.pool.status import DRIFTED
from lightrouter.pool.store import ClusterError

if TYPE_CHECKING:
    from lightrouter.pool.cluster import ClusterApi

_log = logging.getLogger(__name__)


class Conditions:
    """The conditions still to write."""

    def __init__(self, api: ClusterApi, min_pause_seconds: float, max_pause_seconds: float) -> None:
        """Writes through `api`; after each failure the pause before the next attempt doubles, up to the maximum."""
        self._api = api
        self._pauses = (min_pause_seconds, max_pause_seconds)
        self._waiting: dict[str, tuple[ParsedResource, Acceptance]] = {}
        self._written: dict[str, tuple[int, Acceptance]] = {}
        self._changed = asyncio.Event()

    def set(self, resources: Mapping[str, ParsedResource], acceptances: Mapping[str, Acceptance]) -> None:
        """Replaces what is to be written: the acceptances of these resources, by the resource's name."""
        self._written = {name: said for name, said in self._written.items() if name in resources}
        self._waiting = {
            name: (resource, acceptances[name])
            for name, resource in resources.items()
            # Once for each acceptance: routers of two releases that disagree would otherwise overwrite each other
            # forever. But a drift that another router took back at its start is written again.
            if self._written.get(name) != (resource.generation, acceptances[name])
            or (acceptances[name].drift and not resource.status.holds(DRIFTED))
        }
        self._changed.set()

    async def keep_writing(self) -> None:
        """Writes until the task is cancelled."""
        pause, longest = self._pauses
        while True:
            self._changed.clear()
            if not self._waiting:
                await self._changed.wait()
                continue
            name, (resource, acceptance) = next(iter(self._waiting.items()))
            try:
                await self._write(name, resource, acceptance)
                pause = self._pauses[0]
            except ClusterError as error:
                if pause == self._pauses[0]:
                    _log.warning("the status of the candidate resource %s is not written: %s", name, error)
                # The write of the next resource may succeed.
                if name in self._waiting:
                    self._waiting[name] = self._waiting.pop(name)
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    async def _write(self, name: str, resource: ParsedResource, acceptance: Acceptance) -> None:
        try:
            for manager, status in router_writes(resource, acceptance, datetime.now(UTC)).items():
                await self._api.apply_status(name, manager, status)
        except ClusterError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        else:
            self._written[name] = (resource.generation, acceptance)
        if self._waiting.get(name, (None,))[0] is resource:
            del self._waiting[name]
