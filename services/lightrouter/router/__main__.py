"""Starts the router: `python -m lightrouter.router --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lightrouter.pool.file import PoolFileError
from lightrouter.pool.store import ClusterError
from lightrouter.router.assemble import assemble
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.rpc.server import run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.auth import TokensFileError
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry.logs import configure_logging


async def serve(settings: RouterSettings) -> None:
    """Serves until a signal.

    Raises:
        PoolFileError: The pool file cannot be used.
        ClusterError: There is no access to the cluster that has the pool.
        TlsError: The files of TLS cannot be used.
        TokensFileError: The file of tokens cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with connected("lightrouter-router", settings) as (channels, telemetry):
        router = assemble(settings, channels, telemetry)
        router.server.hold()
        services = (settings.selector_address, settings.aggregator_address)
        async with router.running():
            await router.server.serve_until_signal(
                lambda: router.begin(*map(channels.connected, services)), *router.watches
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; exits with status 2 and one sentence per fault if a setting or its file is wrong."""
    settings = load(RouterSettings, argv)
    configure_logging("router", settings)
    run(serve, settings, PoolFileError, ClusterError, TlsError, TokensFileError)


if __name__ == "__main__":
    main(sys.argv[1:])
