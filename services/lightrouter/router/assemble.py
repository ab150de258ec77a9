"""Builds the router from its settings: the pool, the route and its collaborators, and the server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from opentelemetry.trace import Tracer

from lightrouter.router.auth import authenticator
from lightrouter.router.call_times import CallTimes
from lightrouter.router.circuits import CircuitAggregator, CircuitSelector
from lightrouter.router.clients import AdapterHealth, RemoteAggregator, RemoteSelector
from lightrouter.router.pool.availability import Availability
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.pool.source import PoolSource
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.pool.transitions import StateTransitions
from lightrouter.router.route import Router
from lightrouter.router.rules import Defaults, Shares
from lightrouter.router.servicer import RouterServicer
from lightrouter.router.settings import RouterSettings
from lightrouter.router.stages.aggregate import Aggregator
from lightrouter.router.stages.select import Selector
from lightrouter.router.telemetry.metrics import PoolMetrics, RouteMetrics
from lightrouter.router.telemetry.observers import Observer
from lightrouter.router.telemetry.requestlog import RequestLog
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient, Models
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.router_pb2_grpc import add_RouterServiceServicer_to_server

# A choice: the start waits at most this long for first connections, because one service that is down must not keep the
# router from the others.
_CONNECTIONS_SECONDS: Final = 5.0


def _new_seed() -> int:
    return secrets.randbits(31)


@dataclass(frozen=True, slots=True)
class Services:
    """What a router calls.

    Attributes:
        models: The candidates' models.
        selector: The selector.
        aggregator: The aggregator.
    """

    models: Models
    selector: Selector
    aggregator: Aggregator


def build_router(
    services: Services,
    traffic: TrafficMonitor,
    defaults: Defaults,
    shares: Shares | None = None,
    new_seed: Callable[[], int] = _new_seed,
    *,
    circuits: bool = True,
    tracer: Tracer | None = None,
    observers: Sequence[Observer] = (),
    capture: TextCapture = NOTHING,
    availability: Availability | None = None,
    times: CallTimes | None = None,
) -> Router:
    """Returns the router of these services.

    With `circuits`, selector and aggregator have time limits and circuits; without, no answer depends on how busy the
    machine is. See `Router` for the other arguments.
    """
    return Router(
        traffic=traffic,
        models=services.models,
        selector=CircuitSelector(services.selector) if circuits else services.selector,
        aggregator=CircuitAggregator(services.aggregator) if circuits else services.aggregator,
        defaults=defaults,
        new_seed=new_seed,
        shares=shares,
        tracer=tracer,
        observers=observers,
        capture=capture,
        availability=availability,
        times=times,
    )


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

    @property
    def watches(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What must run while the router serves: it follows the pool, and reports the health."""
        return (
            self.pool.watch,
            partial(self.pool.report, partial(self.server.set_serving, names.POOL)),
            partial(self.health.report, partial(self.server.set_serving, names.ROUTER_SERVICE)),
        )

    async def begin(self, *connections: Awaitable[None]) -> None:
        """Ends the hold of the server once the pool is known, and after a bounded wait for first connections.

        Without this wait, the first routes of a new pod would wait for its first connections.
        """
        await self.pool.known()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(self.health.known(), *connections), _CONNECTIONS_SECONDS)
        await self.server.release()

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
    """Returns the router that these settings describe, which calls the other services over `channels`.

    See `assemble_with`.
    """
    services = Services(
        ModelClient(channels, telemetry.tracer),
        RemoteSelector(channels, settings.selector_address, telemetry.tracer),
        RemoteAggregator(channels, settings.aggregator_address, telemetry.tracer),
    )
    return assemble_with(settings, services, telemetry, health or HealthMonitor(AdapterHealth(channels).watch))


def assemble_with(
    settings: RouterSettings, services: Services, telemetry: Telemetry, health: HealthMonitor
) -> AssembledRouter:
    """Returns the router that these settings describe.

    Args:
        settings: The settings; their addresses of selector and aggregator are not used.
        services: The other services.
        telemetry: Takes the spans and the metrics.
        health: Watches the adapters.

    Raises:
        PoolFileError: The pool file cannot be used.
        TlsError: The files of TLS cannot be used.
        TokensFileError: The file of tokens cannot be used.
    """
    tracer, meter = telemetry.tracer, telemetry.meter
    traffic = TrafficMonitor(settings.drift_rules, StateTransitions(tracer, meter))
    pool = PoolSource(settings, health, traffic, meter)
    observers: list[Observer] = [RequestLog()]
    if telemetry.measures:
        observers.append(RouteMetrics(meter, lambda: traffic.snapshot().candidates))
        PoolMetrics(meter, lambda: traffic.snapshot().candidates, health.of)
    router = build_router(
        services,
        traffic,
        settings.defaults,
        settings.shares,
        tracer=tracer,
        observers=observers,
        capture=telemetry.capture,
        availability=Availability(health.declines),
    )
    server = Server(settings, authenticator(settings), tracer)
    server.errors.report(meter)
    servicer = RouterServicer(router, traffic, health)
    server.add(names.ROUTER_SERVICE, add_RouterServiceServicer_to_server, servicer, serving=False)
    return AssembledRouter(server, pool, health, traffic)
