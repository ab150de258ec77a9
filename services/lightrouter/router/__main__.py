"""Starts the router: `python -m lightrouter.router --help`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from lightrouter.pool.file import PoolFileError
from lightrouter.pool.store import ClusterError
from lightrouter.router.assemble import assemble
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.rpc.server import run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.auth import TokensFileError
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.logs import configure_logging

# A choice: the start waits at most this long for first connections, because one service that is down must not keep the
# router from the others.
_CONNECTIONS_SECONDS: Final = 5.0


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
        server, pool, health = router.server, router.pool, router.health
        server.hold()

        async def begin() -> None:
            await pool.known()
            # Without this wait, the first routes of a new pod would wait for its first connections.
            services = (settings.selector_address, settings.aggregator_address)
            first = asyncio.gather(health.known(), *map(channels.connected, services))
            with suppress(TimeoutError):
                await asyncio.wait_for(first, _CONNECTIONS_SECONDS)
            await server.release()

        async with router.running():
            await server.serve_until_signal(
                begin,
                pool.watch,
                partial(pool.report, partial(server.set_serving, names.POOL)),
                partial(health.report, partial(server.set_serving, names.ROUTER_SERVICE)),
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; exits with status 2 and one sentence per fault if a setting or its file is wrong."""
    settings = load(RouterSettings, argv)
    configure_logging("router", settings)
    run(lambda: serve(settings), PoolFileError, ClusterError, TlsError, TokensFileError)


if __name__ == "__main__":
    main(sys.argv[1:])
