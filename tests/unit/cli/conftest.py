import asyncio
import threading
from collections.abc import Callable, Iterator

import grpc
import pytest

from lightrouter.v1.router_pb2_grpc import add_RouterServiceServicer_to_server
from tests.unit.cli.fake_router import FakeRouter

Serve = Callable[[FakeRouter], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a router from a thread of its own, as commands run an event loop themselves; returns its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[grpc.aio.Server] = []

    async def start(router: FakeRouter) -> str:
        server = grpc.aio.server()
        add_RouterServiceServicer_to_server(router, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    async def stop() -> None:
        for server in servers:
            await server.stop(0)

    def started(router: FakeRouter) -> str:
        return asyncio.run_coroutine_threadsafe(start(router), loop).result(30)

    yield started
    asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
