"""Builds the aggregator from its settings: for its process, for tests and, without a server, for the lab."""

from __future__ import annotations

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.registry import strategies
from lightrouter.aggregator.servicer import AggregatorServicer
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.answers.pieces import Workers
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient, Models
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.aggregator_pb2_grpc import add_AggregatorServiceServicer_to_server


def build_aggregator(settings: AggregatorSettings, models: Models, workers: Workers | None = None) -> Aggregator:
    """Returns the aggregator; its synthesizers are among `models`, and its comparisons run in `workers`."""
    built = strategies(models, settings.synthesis_limits)
    return Aggregator(built, settings.default_strategy, settings.agreement, workers=workers)


def assemble(settings: AggregatorSettings, channels: Channels, telemetry: Telemetry) -> Server:
    """Returns the aggregator's server, not yet bound.

    Args:
        settings: The settings.
        channels: The channels to the synthesizers' adapters.
        telemetry: Takes the spans and the metrics.

    Raises:
        TlsError: The files of TLS cannot be used.
    """
    server = Server(settings, tracer=telemetry.tracer)
    server.errors.report(telemetry.meter)
    aggregator = build_aggregator(settings, ModelClient(channels, telemetry.tracer))
    servicer = AggregatorServicer(aggregator, AllowedTargets(settings.adapter_address))
    server.add(names.AGGREGATOR_SERVICE, add_AggregatorServiceServicer_to_server, servicer)
    return server
