"""Starts the router: `python -m lightrouter.router --help`."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from functools import partial

from lightrouter.pool.file import PoolFileError
from lightrouter.pool.schema import Pool
from lightrouter.pool.watch import PoolFile
from lightrouter.router.health import Health
from lightrouter.router.remote import AdapterHealth, RemoteAggregator, RemoteSelector
from lightrouter.router.roster import Roster
from lightrouter.router.route import Router
from lightrouter.router.servicer import RouterServicer
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime import names
from lightrouter.runtime.channels import Channels
from lightrouter.runtime.logs import configure_logging
from lightrouter.runtime.models import ModelClient
from lightrouter.runtime.server import Server, run
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry import Telemetry, otlp_exporter
from lightrouter.v1.router_pb2_grpc import add_RouterServiceServicer_to_server


class PoolWatch:
    """The pool file as the router sees it."""

    def __init__(self, settings: RouterSettings, health: Health) -> None:
        """Reads the file; `health` follows its changes.

        Raises:
            PoolFileError: The file cannot be used.
        """
        self._template = settings.adapter_address
        self._health = health
        self.file = PoolFile(settings.pool, self._change)
        self._roster = Roster.of(self.file.pool, self._template)

    def roster(self) -> Roster:
        """Returns the pool as it is now."""
        return self._roster

    def _change(self, pool: Pool) -> None:
        self._roster = Roster.of(pool, self._template)
        self._health.follow(self._roster)


def build_server(
    settings: RouterSettings, channels: Channels, telemetry: Telemetry, pool: PoolWatch, health: Health
) -> Server:
    """Returns the server with its service, not yet bound."""
    router = Router(
        roster=pool.roster,
        models=ModelClient(channels),
        selector=RemoteSelector(channels, settings.selector_address),
        aggregator=RemoteAggregator(channels, settings.aggregator_address),
        tracer=telemetry.tracer,
        defaults=settings.defaults,
        shares=settings.shares,
        new_seed=lambda: secrets.randbits(31),
    )
    server = Server(settings)
    servicer = RouterServicer(router, pool.roster, health)
    server.add(names.ROUTER_SERVICE, add_RouterServiceServicer_to_server, servicer, serving=False)
    return server


async def serve(settings: RouterSettings) -> None:
    """Serves until a signal.

    Raises:
        PoolFileError: The pool file cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    telemetry = Telemetry("lightrouter-router", otlp_exporter(settings.otlp_endpoint), settings.sampling_ratio)
    channels = Channels(settings.max_message_bytes)
    health = Health(AdapterHealth(channels).watch)
    try:
        pool = PoolWatch(settings, health)
        server = build_server(settings, channels, telemetry, pool, health)
        # A watch that ends by a defect ends the service: one that no longer sees changes would be wrong in silence.
        async with server, asyncio.TaskGroup() as watches:
            health.follow(pool.roster())
            tasks = [
                watches.create_task(pool.file.watch()),
                watches.create_task(health.report(partial(server.set_serving, names.ROUTER_SERVICE))),
            ]
            await server.serve_until_signal()
            for task in tasks:
                task.cancel()
    finally:
        await health.close()
        await channels.close()
        telemetry.shutdown()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence a fault where a setting or the pool file is wrong."""
    settings = load(RouterSettings, argv)
    configure_logging("router", settings)
    try:
        run(lambda: serve(settings))
    except PoolFileError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(sys.argv[1:])
