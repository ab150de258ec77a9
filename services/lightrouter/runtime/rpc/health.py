"""The gRPC health service; its watches end with the drain."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse


class _Teller:
    """The context of a watch; knows whether the last message that it sent is NOT_SERVING."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.told = asyncio.Event()

    async def write(self, response: HealthCheckResponse) -> None:
        await self._context.write(response)
        if response.status == HealthCheckResponse.SERVING:
            self.told.clear()
        else:
            self.told.set()


class Health(health.aio.HealthServicer):
    """Serves grpc.health.v1; a drain ends the watches after their last message, so that they do not delay it."""

    def __init__(self) -> None:
        super().__init__()
        self._draining = asyncio.Event()

    async def drain(self) -> None:
        """Sets all services to NOT_SERVING finally and ends every watch."""
        await self.enter_graceful_shutdown()
        self._draining.set()

    async def Watch(self, request: HealthCheckRequest, context: Any) -> None:
        """Sends the status, now and whenever it changes."""
        teller = _Teller(context)
        watch = asyncio.ensure_future(super().Watch(request, cast("Any", teller)))
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((watch, drain), return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                await watch
            else:
                await teller.told.wait()
        finally:
            watch.cancel()
            drain.cancel()
