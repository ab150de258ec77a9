"""Starts the router: `python -m lightrouter.router --help`."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from lightrouter.pool.api import ClusterError
from lightrouter.pool.file import PoolFileError
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
from lightrouter.runtime.rpc.server import Server, run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.auth import TokensFileError
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.router_pb2_grpc import add_RouterServiceServicer_to_server

# A service that is not reached in this time does not keep the router from the others.
_CONNECTIONS_SECONDS: Final = 5.0


def build_server(
    settings: RouterSettings, channels: Channels, telemetry: Telemetry, traffic: TrafficMonitor, health: HealthMonitor
) -> Server:
    """Returns the server with its service, not yet bound."""
    tracer = telemetry.tracer
    observers: list[Observer] = [RequestLog()]
    if telemetry.measures:
        observers.append(RouteMetrics(telemetry.meter, lambda: traffic.snapshot().candidates))
        PoolMetrics(telemetry.meter, lambda: traffic.snapshot().candidates, health.of)
    router = Router(
        traffic=traffic,
        models=ModelClient(channels, tracer),
        selector=CircuitSelector(RemoteSelector(channels, settings.selector_address, tracer)),
        aggregator=CircuitAggregator(RemoteAggregator(channels, settings.aggregator_address, tracer)),
        tracer=tracer,
        defaults=settings.defaults,
        shares=settings.shares,
        new_seed=lambda: secrets.randbits(31),
        observers=observers,
        capture=telemetry.capture,
        availability=Availability(health.declines),
    )
    server = Server(settings, authenticator(settings), tracer)
    server.errors.report(telemetry.meter)
    servicer = RouterServicer(router, traffic, health)
    server.add(names.ROUTER_SERVICE, add_RouterServiceServicer_to_server, servicer, serving=False)
    return server


async def serve(settings: RouterSettings) -> None:
    """Serves until a signal.

    Raises:
        PoolFileError: The pool file cannot be used.
        ClusterError: There is no access to the cluster that has the pool.
        TlsError: The files of TLS cannot be used.
        TokensFileError: The file of tokens cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with connected("lightrouter-router", settings) as (channels, telemetry):
        health = HealthMonitor(AdapterHealth(channels).watch)
        try:
            traffic = TrafficMonitor(settings.drift_rules, StateTransitions(telemetry.tracer, telemetry.meter))
            pool = PoolSource(settings, health, traffic, telemetry.meter)
            server = build_server(settings, channels, telemetry, traffic, health)
            server.hold()

            async def begin() -> None:
                await pool.known()
                # Else the first routes of a new pod would wait for its first connections.
                helpers = (settings.selector_address, settings.aggregator_address)
                first = asyncio.gather(health.heard(), *map(channels.connected, helpers))
                with suppress(TimeoutError):
                    await asyncio.wait_for(first, _CONNECTIONS_SECONDS)
                await server.release()

            async with pool.connected(), server:
                health.follow(traffic.snapshot())
                await server.serve_until_signal(
                    begin,
                    pool.watch,
                    partial(pool.report, partial(server.set_serving, names.POOL)),
                    partial(health.report, partial(server.set_serving, names.ROUTER_SERVICE)),
                )
        finally:
            await health.close()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence a fault where what it is told is wrong."""
    settings = load(RouterSettings, argv)
    configure_logging("router", settings)
    run(lambda: serve(settings), PoolFileError, ClusterError, TlsError, TokensFileError)


if __name__ == "__main__":
    main(sys.argv[1:])
