"""Opens the channels and the telemetry of a service that calls other services."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.security.tls import client_files
from lightrouter.runtime.settings import SUITE_MESSAGE_BYTES, ServiceSettings
from lightrouter.runtime.telemetry.setup import Telemetry, open_telemetry


@asynccontextmanager
async def connected(name: str, settings: ServiceSettings) -> AsyncIterator[tuple[Channels, Telemetry]]:
    """Yields the channels and the telemetry of the service `name`, and closes both at the end.

    Raises:
        TlsError: The files of TLS cannot be used.
    """
    channels = Channels(max(settings.max_message_bytes, SUITE_MESSAGE_BYTES), client_files(settings))
    telemetry = open_telemetry(name, settings, os.environ)
    try:
        yield channels, telemetry
    finally:
        await channels.close()
        telemetry.shutdown()
