"""Starts the selector: `python -m lightrouter.selector --help`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from opentelemetry.trace import Tracer

from lightrouter.runtime.channels import Channels
from lightrouter.runtime.logs import configure_logging
from lightrouter.runtime.models import ModelClient
from lightrouter.runtime.server import Server, run
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry import open_telemetry
from lightrouter.runtime.tls import TlsError, client_files
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
    servicer = SelectorServicer(Selector(built, settings.default_strategy, model))
    server.add(_NAME, add_SelectorServiceServicer_to_server, servicer)
    return server


async def serve(settings: SelectorSettings) -> None:
    """Serves until a signal.

    Raises:
        TlsError: The files of TLS cannot be used.
    """
    channels = Channels(settings.max_message_bytes, client_files(settings))
    telemetry = open_telemetry("lightrouter-selector", settings)
    artifacts = ArtifactFolder(settings.artifact)
    try:
        server = build_server(settings, channels, telemetry.tracer, artifacts.model)
        # A watch that ends by a defect ends the service: one that no longer sees changes would be wrong in silence.
        async with server, asyncio.TaskGroup() as watches:
            server.errors.report(telemetry.meter)
            watch = watches.create_task(artifacts.watch())
            await server.serve_until_signal()
            watch.cancel()
    finally:
        await channels.close()
        telemetry.shutdown()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence where a setting is wrong."""
    settings = load(SelectorSettings, argv)
    configure_logging("selector", settings)
    try:
        run(lambda: serve(settings))
    except TlsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(sys.argv[1:])
