"""Starts the suite in one process: `python -m lightrouter.suite --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lightrouter.adapter.faults import EntryError
from lightrouter.pool.file import PoolFileError
from lightrouter.runtime.rpc.server import run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.auth import TokensFileError
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.suite.assemble import assemble
from lightrouter.suite.settings import SuiteSettings, load


async def serve(settings: SuiteSettings) -> None:
    """Serves until a signal.

    Raises:
        PoolFileError: The pool file cannot be used.
        EntryError: An entry of the pool file cannot be used.
        TlsError: The files of TLS cannot be used.
        TokensFileError: The file of tokens cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with connected("lightrouter", settings) as (channels, telemetry):
        suite = assemble(settings, channels, telemetry)
        suite.router.server.hold()
        async with suite.running():
            await suite.router.server.serve_until_signal(suite.router.begin, *suite.watches)


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; exits with status 2 and one sentence per fault if a setting or its file is wrong."""
    settings = load(argv)
    configure_logging("suite", settings)
    run(serve, settings, PoolFileError, EntryError, TlsError, TokensFileError)


if __name__ == "__main__":
    main(sys.argv[1:])
