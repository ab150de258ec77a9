"""Builds the router from its settings: the pool, the route and its collaborators, and the server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lightrouter.router.auth import authenticator
from lightrouter.router.circuits import CircuitAggregator, CircuitSelector
from lightrouter.router.clients import AdapterHealth, RemoteAggregator, RemoteSelector
from lightrouter.router.pool.availability import Availability
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.pool.source import PoolSource
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.pool.transitions import StateTransitions
from lightrouter.router.route import Router
from lightrouter.router.servicer import RouterServicer
from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry.metrics import PoolMetrics, RouteMetrics
from lightrouter.router.telemetry.observers import Observer
from lightrouter.router.telemetry.requestlog import RequestLog
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.router_pb2_grpc import add_RouterServiceServicer_to_server


@dataclass(frozen=True, slots=True)
class AssembledRouter:
    """A router that does not serve yet.

    Attributes:
        server: The server with the router's service.
        pool: The source of the pool.
        health: The health of the candidates' adapters.
    """

    server: Server
    pool: PoolSource
    health: HealthMonitor
    _traffic: TrafficMonitor

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves, and watches the adapters of the pool; follow the pool with `pool.watch`.

        Raises:
            ClusterError: There is no access to the cluster that has the pool.
            AddressUnavailableError: The address cannot be bound.
        """
        async with self.pool.connected(), self.server:
            try:
                self.health.follow(self._traffic.snapshot())
                yield
            finally:
                await self.health.close()


def assemble(
    settings: RouterSettings, channels: Channels, telemetry: Telemetry, health: HealthMonitor | None = None
) -> AssembledRouter:
    """Returns the router that these settings describe.

    Args:
        settings: The settings.
        channels: The channels to the other services.
        telemetry: Takes the spans and the metrics.
        health: Watches the adapters; None for a monitor that watches them over `channels`.

    Raises:
        PoolFileError: The pool file cannot be used.
        TlsError: The files of TLS cannot be used.
        TokensFileError: The file of tokens cannot be used.
    """
    tracer, meter = telemetry.tracer, telemetry.meter
    health = health or HealthMonitor(AdapterHealth(channels).watch)
    traffic = TrafficMonitor(settings.drift_rules, StateTransitions(tracer, meter))
    pool = PoolSource(settings, health, traffic, meter)
    observers: list[Observer] = [RequestLog()]
    if telemetry.measures:
        observers.append(RouteMetrics(meter, lambda: traffic.snapshot().candidates))
        PoolMetrics(meter, lambda: traffic.snapshot().candidates, health.of)
    router = Router(
        traffic=traffic,
        models=ModelClient(channels, tracer),
        selector=CircuitSelector(RemoteSelector(channels, settings.selector_address, tracer)),
        aggregator=CircuitAggregator(RemoteAggregator(channels, settings.aggregator_address, tracer)),
        defaults=settings.defaults,
        shares=settings.shares,
        tracer=tracer,
        new_seed=lambda: secrets.randbits(31),
        observers=observers,
        capture=telemetry.capture,
        availability=Availability(health.declines),
    )
    server = Server(settings, authenticator(settings), tracer)
    server.errors.report(meter)
    servicer = RouterServicer(router, traffic, health)
    server.add(names.ROUTER_SERVICE, add_RouterServiceServicer_to_server, servicer, serving=False)
    return AssembledRouter(server, pool, health, traffic)
