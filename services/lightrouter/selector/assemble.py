"""Builds the selector from its settings: for its process, for tests and, without a server, for the lab."""

from __future__ import annotations

from lightrouter.answers.pieces import Workers
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient, Models
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.selector.registry import strategies
from lightrouter.selector.selector import Selector
from lightrouter.selector.servicer import SelectorServicer
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.selector_pb2_grpc import add_SelectorServiceServicer_to_server


def build_selector(
    settings: SelectorSettings, models: Models, model: CurrentModel = no_model, workers: Workers | None = None
) -> Selector:
    """Returns the selector.

    Args:
        settings: The settings.
        models: The models that judge.
        model: Returns the trained model.
        workers: Run its long work; None for threads of its own.
    """
    workers = workers or Workers()
    built = strategies(models, settings.judge_limits, settings.consensus_prior_weight, model, workers)
    return Selector(built, settings.default_strategy, model, workers)


def assemble(
    settings: SelectorSettings, channels: Channels, telemetry: Telemetry, model: CurrentModel = no_model
) -> Server:
    """Returns the selector's server, not yet bound.

    Args:
        settings: The settings.
        channels: The channels to the judges' adapters.
        telemetry: Takes the spans and the metrics.
        model: Returns the trained model that LEARNED ranks with; without one it ranks by consensus.

    Raises:
        TlsError: The files of TLS cannot be used.
    """
    server = Server(settings, tracer=telemetry.tracer)
    server.errors.report(telemetry.meter)
    selector = build_selector(settings, ModelClient(channels, telemetry.tracer), model)
    servicer = SelectorServicer(selector, AllowedTargets(settings.adapter_address))
    server.add(names.SELECTOR_SERVICE, add_SelectorServiceServicer_to_server, servicer)
    return server
