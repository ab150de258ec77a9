"""Builds the adapter of one candidate: for its process and for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentelemetry.metrics import NoOpMeter
from opentelemetry.trace import NoOpTracer, Tracer

from lightrouter.adapter.credentials import credentials
from lightrouter.adapter.engine import Engine
from lightrouter.adapter.live import LiveEngine, MakeEngine, report
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.adapter.providers import PROVIDERS
from lightrouter.adapter.providers.provider import Provider
from lightrouter.adapter.servicer import AdapterServicer
from lightrouter.adapter.settings import AdapterSettings
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.pool import file as pool_file
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime.circuit import State
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.adapter_pb2_grpc import add_AdapterServiceServicer_to_server


def build_provider(entry: CandidateEntry) -> Provider:
    """Returns the provider of a pool entry, with connections of its own; to be called on the event loop."""
    return PROVIDERS[entry.provider](entry, credentials(entry.api_key_env, entry.api_key_file))


def build_engine(entry: CandidateEntry, provider: Provider | None = None) -> Engine:
    """Returns the engine of a pool entry without telemetry, over `provider` or the entry's own."""
    metrics = CallMetrics(NoOpMeter("none"))
    return Engine(entry, provider or build_provider(entry), ProviderState.new(entry), NoOpTracer(), metrics)


def engine_maker(tracer: Tracer, metrics: CallMetrics, capture: TextCapture = NOTHING) -> MakeEngine:
    """Returns what makes the engine of a pool entry, with connections of its own; to be called on the event loop."""

    def make(
        entry: CandidateEntry, on_circuit: Callable[[State], None], provider_state: ProviderState | None
    ) -> Engine:
        def changed(state: State) -> None:
            metrics.circuit(entry.name, state)
            on_circuit(state)

        provider_state = provider_state or ProviderState.new(entry, changed)
        return Engine(entry, build_provider(entry), provider_state, tracer, metrics, capture)

    return make


@dataclass(frozen=True, slots=True)
class AssembledAdapter:
    """An adapter that does not serve yet.

    Attributes:
        server: The server with the adapter's service.
        live: The candidate's engine; give it each new pool with `live.apply`.
    """

    server: Server
    live: LiveEngine

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves; at the end, closes the server and then the provider's connections.

        Raises:
            AddressUnavailableError: The address cannot be bound.
        """
        async with self.server:
            yield
        await self.live.finish()

    async def report_health(self) -> None:
        """Sets the service's health whenever the candidate's circuit or entry changes, until it is cancelled."""
        async for serving in self.live.states():
            await self.server.set_serving(names.ADAPTER_SERVICE, serving)


def assemble(settings: AdapterSettings, telemetry: Telemetry, pool: Pool | None = None) -> AssembledAdapter:
    """Returns the adapter of the candidate that the settings name.

    Args:
        settings: The settings.
        telemetry: Takes the spans and the metrics.
        pool: The pool; None for the pool file of the settings.

    Raises:
        PoolFileError: The pool file cannot be used.
        MissingCandidateError: The pool does not have the candidate.
        EntryError: The candidate's entry cannot be used.
        TlsError: The files of TLS cannot be used.
    """
    make_engine = engine_maker(telemetry.tracer, CallMetrics(telemetry.meter), telemetry.capture)
    live = LiveEngine(settings.candidate, pool or pool_file.load(settings.pool), make_engine)
    report(telemetry.meter, lambda: (live,))
    server = Server(settings, tracer=telemetry.tracer)
    server.errors.report(telemetry.meter)
    server.add(names.ADAPTER_SERVICE, add_AdapterServiceServicer_to_server, AdapterServicer(live))
    return AssembledAdapter(server, live)
