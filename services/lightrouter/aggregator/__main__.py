"""Starts the aggregator: `python -m lightrouter.aggregator --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from opentelemetry.trace import Tracer

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.registry import strategies
from lightrouter.aggregator.servicer import AggregatorServicer
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server, run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.v1.aggregator_pb2 import DESCRIPTOR
from lightrouter.v1.aggregator_pb2_grpc import add_AggregatorServiceServicer_to_server

_NAME = DESCRIPTOR.services_by_name["AggregatorService"].full_name


def build_server(settings: AggregatorSettings, channels: Channels, tracer: Tracer | None = None) -> Server:
    """Returns the server with its service, not yet bound."""
    built = strategies(ModelClient(channels, tracer), settings.synthesis_limits)
    server = Server(settings, tracer=tracer)
    servicer = AggregatorServicer(
        Aggregator(built, settings.default_strategy, settings.agreement), AllowedTargets(settings.adapter_address)
    )
    server.add(_NAME, add_AggregatorServiceServicer_to_server, servicer)
    return server


async def serve(settings: AggregatorSettings) -> None:
    """Serves until a signal.

    Raises:
        TlsError: The files of TLS cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with (
        connected("lightrouter-aggregator", settings) as (channels, telemetry),
        build_server(settings, channels, telemetry.tracer) as server,
    ):
        server.errors.report(telemetry.meter)
        await server.serve_until_signal()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence where a setting is wrong."""
    settings = load(AggregatorSettings, argv)
    configure_logging("aggregator", settings)
    run(lambda: serve(settings), TlsError)


if __name__ == "__main__":
    main(sys.argv[1:])
