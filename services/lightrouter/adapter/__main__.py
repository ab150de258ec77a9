"""Starts the adapter of one candidate: `python -m lightrouter.adapter --help`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from opentelemetry.trace import Tracer

from lightrouter.adapter.credentials import credentials
from lightrouter.adapter.engine import Engine
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.live import LiveEngine, MakeEngine, MissingCandidateError, report
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.adapter.providers import PROVIDERS
from lightrouter.adapter.servicer import AdapterServicer
from lightrouter.adapter.settings import AdapterSettings
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.pool import file as pool_file
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import CandidateEntry
from lightrouter.pool.watch import PoolFile
from lightrouter.runtime.circuit import State
from lightrouter.runtime.rpc.server import Server, run
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.runtime.telemetry.setup import open_telemetry
from lightrouter.v1.adapter_pb2_grpc import add_AdapterServiceServicer_to_server


def engine_maker(tracer: Tracer, metrics: CallMetrics, capture: TextCapture = NOTHING) -> MakeEngine:
    """Returns what makes the engine of a pool entry, with connections of its own; to be called on the event loop."""

    def make(
        entry: CandidateEntry, on_circuit: Callable[[State], None], provider_state: ProviderState | None
    ) -> Engine:
        def changed(state: State) -> None:
            metrics.circuit(entry.name, state)
            on_circuit(state)

        keys = credentials(entry.api_key_env, entry.api_key_file)
        provider = PROVIDERS[entry.provider](entry, keys)
        return Engine(entry, provider, provider_state or ProviderState.new(entry, changed), tracer, metrics, capture)

    return make


async def serve(settings: AdapterSettings) -> None:
    """Serves until SIGTERM.

    Raises:
        PoolFileError: The pool file cannot be used.
        MissingCandidateError: It does not have the candidate.
        AddressUnavailableError: The address cannot be bound.
        EntryError: The candidate's entry cannot be used.
        TlsError: The files of TLS cannot be used.
    """
    name = f"lightrouter-adapter-{settings.candidate}"
    telemetry = open_telemetry(name, settings)
    try:
        first = pool_file.load(settings.pool, PROVIDERS)
        make_engine = engine_maker(telemetry.tracer, CallMetrics(telemetry.meter), telemetry.capture)
        live = LiveEngine(settings.candidate, first, make_engine)
        report(telemetry.meter, live)
        pool = PoolFile(settings.pool, live.apply, providers=PROVIDERS)
        live.apply(pool.pool)
        server = Server(settings, tracer=telemetry.tracer)
        server.errors.report(telemetry.meter)
        server.add(names.ADAPTER_SERVICE, add_AdapterServiceServicer_to_server, AdapterServicer(live))
        async with server:
            await server.serve_until_signal(
                pool.watch, lambda: live.follow(lambda on: server.set_serving(names.ADAPTER_SERVICE, on))
            )
        await live.finish()
    finally:
        telemetry.shutdown()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and a sentence where a setting or the pool file is wrong."""
    settings = load(AdapterSettings, argv)
    configure_logging(f"adapter-{settings.candidate}", settings)
    run(lambda: serve(settings), PoolFileError, MissingCandidateError, EntryError, TlsError)


if __name__ == "__main__":
    main(sys.argv[1:])
