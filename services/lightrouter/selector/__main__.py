"""Starts the selector: `python -m lightrouter.selector --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from opentelemetry.trace import Tracer

from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server, run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.selector.artifacts import ArtifactFolder
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.selector.registry import strategies
from lightrouter.selector.selector import Selector
from lightrouter.selector.servicer import SelectorServicer
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.selector_pb2 import DESCRIPTOR
from lightrouter.v1.selector_pb2_grpc import add_SelectorServiceServicer_to_server

_NAME = DESCRIPTOR.services_by_name["SelectorService"].full_name


def build_server(
    settings: SelectorSettings, channels: Channels, tracer: Tracer | None = None, model: CurrentModel = no_model
) -> Server:
    """Returns the server with its service, not yet bound."""
    models = ModelClient(channels, tracer)
    built = strategies(models, settings.judge_limits, settings.consensus_prior_weight, model)
    server = Server(settings, tracer=tracer)
    servicer = SelectorServicer(
        Selector(built, settings.default_strategy, model), AllowedTargets(settings.adapter_address)
    )
    server.add(_NAME, add_SelectorServiceServicer_to_server, servicer)
    return server


async def serve(settings: SelectorSettings) -> None:
    """Serves until a signal.

    Raises:
        TlsError: The files of TLS cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with connected("lightrouter-selector", settings) as (channels, telemetry):
        artifacts = ArtifactFolder(settings.artifact)
        async with build_server(settings, channels, telemetry.tracer, artifacts.model) as server:
            server.errors.report(telemetry.meter)
            await server.serve_until_signal(artifacts.watch)


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence where a setting is wrong."""
    settings = load(SelectorSettings, argv)
    configure_logging("selector", settings)
    run(lambda: serve(settings), TlsError)


if __name__ == "__main__":
    main(sys.argv[1:])
