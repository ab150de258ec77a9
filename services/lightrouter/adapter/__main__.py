"""Starts the adapter of one candidate: `python -m lightrouter.adapter --help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from lightrouter.adapter.assemble import assemble
from lightrouter.adapter.faults import EntryError
from lightrouter.adapter.live import MissingCandidateError
from lightrouter.adapter.settings import AdapterSettings
from lightrouter.pool.file import PoolFileError
from lightrouter.pool.filestore import FileStore
from lightrouter.runtime.rpc.server import run
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.runtime.telemetry.setup import open_telemetry


async def serve(settings: AdapterSettings) -> None:
    """Serves until SIGTERM.

    Raises:
        PoolFileError: The pool file cannot be used.
        MissingCandidateError: It does not have the candidate.
        AddressUnavailableError: The address cannot be bound.
        EntryError: The candidate's entry cannot be used.
        TlsError: The files of TLS cannot be used.
    """
    name = f"lightrouter-adapter-{settings.candidate}"
    telemetry = open_telemetry(name, settings, os.environ)
    try:
        adapter = assemble(settings, telemetry)
        pool = FileStore(settings.pool, adapter.live.apply)
        adapter.live.apply(pool.pool)
        async with adapter.running():
            await adapter.server.serve_until_signal(pool.watch, adapter.report_health)
    finally:
        telemetry.shutdown()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and a sentence if a setting or the pool file is wrong."""
    settings = load(AdapterSettings, argv)
    configure_logging(f"adapter-{settings.candidate}", settings)
    run(serve, settings, PoolFileError, MissingCandidateError, EntryError, TlsError)


if __name__ == "__main__":
    main(sys.argv[1:])
