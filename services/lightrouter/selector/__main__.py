"""Starts the selector: `python -m lightrouter.selector --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lightrouter.runtime.rpc.server import run
from lightrouter.runtime.rpc.service import connected
from lightrouter.runtime.security.tls import TlsError
from lightrouter.runtime.settings import load
from lightrouter.runtime.telemetry.logs import configure_logging
from lightrouter.selector.artifacts import ArtifactFolder
from lightrouter.selector.assemble import assemble
from lightrouter.selector.settings import SelectorSettings


async def serve(settings: SelectorSettings) -> None:
    """Serves until a signal.

    Raises:
        TlsError: The files of TLS cannot be used.
        AddressUnavailableError: The address cannot be bound.
    """
    async with connected("lightrouter-selector", settings) as (channels, telemetry):
        artifacts = ArtifactFolder(settings.artifact)
        async with assemble(settings, channels, telemetry, artifacts.model) as server:
            await server.serve_until_signal(artifacts.watch)


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM; stops with status 2 and one sentence if a setting is wrong."""
    settings = load(SelectorSettings, argv)
    configure_logging("selector", settings)
    run(serve, settings, TlsError)


if __name__ == "__main__":
    main(sys.argv[1:])
