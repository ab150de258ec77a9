"""Starts the aggregator: `python -m lightrouter.aggregator --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lightrouter.aggregator.assemble import assemble
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.runtime.rpc.server import run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry.logs import configure_logging


async def serve(settings: AggregatorSettings) -> None:
    """Serves until a signal.

    Raises:
        TlsError: The files of TLS cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with (
        connected("lightrouter-aggregator", settings) as (channels, telemetry),
        assemble(settings, channels, telemetry) as server,
    ):
        await server.serve_until_signal()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence if a setting is wrong."""
    settings = load(AggregatorSettings, argv)
    configure_logging("aggregator", settings)
    run(serve, settings, TlsError)


if __name__ == "__main__":
    main(sys.argv[1:])
