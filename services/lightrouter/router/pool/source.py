"""The pool as the router sees it: a file, or the Candidate resources of a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from opentelemetry.metrics import Meter

from lightrouter.pool.api import ClusterError
from lightrouter.pool.clusterstore import ClusterStore
from lightrouter.pool.filestore import FileStore
from lightrouter.pool.schema import PublicPool
from lightrouter.pool.store import Store
from lightrouter.router.pool.health import Health
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.pool.traffic import Traffic
from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry import instruments as i
from lightrouter.runtime.telemetry.metrics import observe


class PoolSource:
    """The pool and its changes."""

    def __init__(self, settings: RouterSettings, health: Health, traffic: Traffic, meter: Meter) -> None:
        """Reads the file, where the pool is one; else it is empty at first. `health` and `traffic` follow its changes.

        To `meter` it reports whether it sees them.

        Raises:
            PoolFileError: The file cannot be used.
        """
        self._settings = settings
        self._health = health
        self._traffic = traffic
        self.file = FileStore(settings.pool, self._change) if settings.pool else None
        self._store: Store | None = self.file
        self._reachable = self._store is not None
        self._told = asyncio.Event()
        self._known = asyncio.Event()
        if self._store:
            self._known.set()
        observe(meter, i.POOL_WATCHED, lambda: {(): int(self._reachable)})
        traffic.follow(PoolSnapshot.of(self._store.pool if self._store else PublicPool({}), settings.adapter_address))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Has the cluster's API at hand, where the pool is there.

        Raises:
            ClusterError: There is no access to a cluster, or no namespace is given.
        """
        if self._store:
            yield
            return
        # Here, and not above: the client costs a second and 70 MB, which a pool in a file need not pay.
        from lightrouter.pool.cluster import ClusterApi, connect, own_namespace

        settings = self._settings
        namespace = settings.namespace or own_namespace()
        if namespace is None:
            raise ClusterError("--namespace is required outside a cluster")
        async with await connect() as client:
            api = ClusterApi(client, namespace, settings.candidate_selector)
            self._store = ClusterStore(
                api, self._change, self._reach, judge=settings.judge, synthesizer=settings.synthesizer
            )
            self._traffic.listen(self._store.drifted)
            yield

    async def known(self) -> None:
        """Returns once there was a pool, be it an empty one."""
        await self._known.wait()

    async def watch(self) -> None:
        """Follows the changes of the pool until the task is cancelled."""
        if self._store:
            await self._store.watch()

    async def report(self, set_serving: Callable[[bool], Awaitable[None]]) -> None:
        """Tells `set_serving` whether changes of the pool are seen, at once and when that changes, until cancelled."""
        while True:
            await set_serving(self._reachable)
            await self._told.wait()
            self._told.clear()

    def _change(self, pool: PublicPool) -> None:
        snapshot = PoolSnapshot.of(pool, self._settings.adapter_address)
        self._traffic.follow(snapshot)
        self._health.follow(snapshot)
        self._known.set()

    def _reach(self, reachable: bool) -> None:
        self._reachable = reachable
        self._told.set()
        if reachable:
            self._known.set()
