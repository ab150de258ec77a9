"""The source of the pool: a file, or the Candidate resources of a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from opentelemetry.metrics import Meter

from lightrouter.pool.clusterstore import ClusterStore
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import Pool, PublicPool
from lightrouter.pool.store import ClusterError, Store
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry import instruments as i
from lightrouter.runtime.telemetry.metrics import observe


class PoolSource:
    """Reads the pool and follows its changes."""

    def __init__(self, settings: RouterSettings, health: HealthMonitor, traffic: TrafficMonitor, meter: Meter) -> None:
        """Reads the pool if it is a file; else the pool is empty at first.

        `health` and `traffic` follow its changes. `meter` gets whether changes can be seen.

        Raises:
            PoolFileError: The file cannot be used.
        """
        self._settings = settings
        self._health = health
        self._traffic = traffic
        self._first: Callable[[Pool], None] | None = None
        self.file = FileStore(settings.pool, self._follow_file) if settings.pool else None
        self._store: Store | None = self.file
        self._reachable = self._store is not None
        self._reachable_changed = asyncio.Event()
        self._known = asyncio.Event()
        if self._store:
            self._known.set()
        observe(meter, i.POOL_WATCHED, lambda: {(): int(self._reachable)})
        traffic.follow(PoolSnapshot.of(self._store.pool if self._store else PublicPool({}), settings.adapter_address))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Holds a connection to the cluster's API if the pool is there.

        Raises:
            ClusterError: There is no access to a cluster, or no namespace is given.
        """
        if self._store:
            yield
            return
        # Imported here: the client costs a second and 70 MB, which a router with a pool file need not pay.
        from lightrouter.pool.cluster import ClusterApi, connect, own_namespace

        settings = self._settings
        namespace = settings.namespace or own_namespace()
        if namespace is None:
            raise ClusterError("--namespace is required outside a cluster")
        async with (await connect()).client as client:
            api = ClusterApi(client, namespace, settings.candidate_selector)
            self._store = ClusterStore(
                api, self._follow, self._set_reachable, judge=settings.judge, synthesizer=settings.synthesizer
            )
            self._traffic.listen(self._store.drifted)
            yield

    async def known(self) -> None:
        """Returns when there is a pool, possibly an empty one."""
        await self._known.wait()

    async def watch(self) -> None:
        """Follows the changes of the pool until it is cancelled."""
        if self._store:
            await self._store.watch()

    async def report(self, set_serving: Callable[[bool], Awaitable[None]]) -> None:
        """Calls `set_serving` with whether changes of the pool are seen, now and after each change, until cancelled."""
        while True:
            await set_serving(self._reachable)
            await self._reachable_changed.wait()
            self._reachable_changed.clear()

    def listen(self, first: Callable[[Pool], None]) -> None:
        """Calls `first` with each changed pool of a file before routes see it. It must not raise."""
        self._first = first

    def _follow_file(self, pool: Pool) -> None:
        if self._first:
            self._first(pool)
        self._follow(pool)

    def _follow(self, pool: PublicPool) -> None:
        snapshot = PoolSnapshot.of(pool, self._settings.adapter_address)
        self._traffic.follow(snapshot)
        self._health.follow(snapshot)
        self._known.set()

    def _set_reachable(self, reachable: bool) -> None:
        self._reachable = reachable
        self._reachable_changed.set()
        if reachable:
            self._known.set()
