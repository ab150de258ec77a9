"""Builds the suite of one process from the settings of its services."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from lightrouter.adapter.assemble import engine_maker
from lightrouter.adapter.live import report
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.aggregator.assemble import build_aggregator
from lightrouter.answers.pieces import Workers
from lightrouter.pool.filestore import FileStore
from lightrouter.router.assemble import AssembledRouter, Services, assemble_with
from lightrouter.router.clients import AdapterHealth
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.selector.artifacts import ArtifactFolder
from lightrouter.selector.assemble import build_selector
from lightrouter.suite.adapters import Adapters
from lightrouter.suite.addresses import LocalAddresses
from lightrouter.suite.calls import DirectCalls
from lightrouter.suite.services import DirectAggregator, DirectModels, DirectSelector, PoolModels
from lightrouter.suite.settings import SuiteSettings


@dataclass(frozen=True, slots=True)
class AssembledSuite:
    """A suite that does not serve yet.

    Attributes:
        router: The router, whose server is the only one.
        adapters: The adapters.
        watches: What must run while the suite serves.
    """

    router: AssembledRouter
    adapters: Adapters
    watches: tuple[Callable[[], Coroutine[Any, Any, None]], ...]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves; at the end, closes the server and then the providers' connections.

        Raises:
            AddressUnavailableError: The address cannot be bound.
        """
        try:
            async with self.router.running():
                yield
        finally:
            await self.adapters.finish()


def assemble(settings: SuiteSettings, channels: Channels, telemetry: Telemetry) -> AssembledSuite:
    """Returns the suite that these settings describe, with an adapter for each candidate of the pool file.

    Args:
        settings: The settings.
        channels: The channels to adapters elsewhere, which entries with an address name.
        telemetry: Takes the spans and the metrics.

    Raises:
        PoolFileError: The pool file cannot be used.
        EntryError: An entry of the pool file cannot be used.
        TlsError: The files of TLS cannot be used.
        TokensFileError: The file of tokens cannot be used.
    """
    selector, calls = settings.selector_settings, DirectCalls()
    addresses = LocalAddresses(settings.adapter_address)
    adapters = Adapters(engine_maker(telemetry.tracer, CallMetrics(telemetry.meter), telemetry.capture))
    report(telemetry.meter, adapters.all)
    models = PoolModels(addresses, DirectModels(calls, adapters.engine), ModelClient(channels, telemetry.tracer))
    workers = Workers()
    artifacts = ArtifactFolder(selector.artifact)
    elsewhere = AdapterHealth(channels).watch

    def watch(address: str, *, wait: bool) -> AsyncGenerator[bool, None]:
        name = addresses.candidate_at(address)
        return elsewhere(address, wait=wait) if name is None else adapters.states(name)

    services = Services(
        models,
        DirectSelector(calls, build_selector(selector, models, artifacts.model, workers)),
        DirectAggregator(calls, build_aggregator(settings.aggregator_settings, models, workers)),
    )
    router = assemble_with(settings.router_settings, services, telemetry, HealthMonitor(watch))
    watches = [*router.watches, artifacts.watch]
    file = router.pool.file
    if file is None:
        # The router follows the Candidate resources, which say no keys.
        file = FileStore(settings.pool, adapters.apply)
        watches.append(file.watch)
    else:
        router.pool.listen(adapters.apply)
    adapters.start(file.pool)
    return AssembledSuite(router, adapters, tuple(watches))
