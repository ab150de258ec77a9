"""An HTTP server whose every byte a test decides, and that sees when its connections close.

    async with Upstream(behaviours.reply("Hello")) as upstream:
        ...  # base_url=upstream.base_url
        assert upstream.requests[0].body["model"] == "m"

A behaviour is an async function of an `Exchange`. Each request takes the next one; the last one stays. Behaviours for
the usual misbehaviour are in `behaviours`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Request:
    """A received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    raw: bytes
    """The body."""
    at: float
    """The time at which it was complete, on the monotonic clock."""

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON."""
        document = json.loads(self.raw)
        assert isinstance(document, dict)
        return document


class Connection(asyncio.Protocol):
    """One connection of a client: reads its requests and sees when it closes."""

    def __init__(self, serve: Callable[[Connection, Request], Awaitable[bool]]) -> None:
        self.closed = asyncio.Event()
        """Is set when either side has closed the connection."""
        self.writable = asyncio.Event()
        self.writable.set()
        self.transport: asyncio.Transport
        self._serve = serve
        self._received = bytearray()
        self._more = asyncio.Event()
        self.task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.task = asyncio.create_task(self._run())

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._more.set()

    def eof_received(self) -> bool:
        self._close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._close()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def _close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self.writable.set()
            self._more.set()

    async def _run(self) -> None:
        try:
            while (request := await self._request()) is not None:
                if not await self._serve(self, request):
                    break
        except ConnectionError:
            pass
        finally:
            self.transport.close()

    async def _request(self) -> Request | None:
        end = await self._until(b"\r\n\r\n")
        if end is None:
            return None
        start, *lines = bytes(self._received[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, path, _ = start.split(" ")
        begin = end + 4
        size = int(headers.get("content-length", "0"))
        while len(self._received) < begin + size:
            if not await self._wait():
                return None
        raw = bytes(self._received[begin : begin + size])
        del self._received[: begin + size]
        return Request(method, path, headers, raw, time.monotonic())

    async def _until(self, mark: bytes) -> int | None:
        while (end := self._received.find(mark)) < 0:
            if not await self._wait():
                return None
        return end

    async def _wait(self) -> bool:
        self._more.clear()
        if self.closed.is_set():
            return False
        await self._more.wait()
        return True


class Exchange:
    """One request and the way to answer it. Writing raises ConnectionError once the client is gone."""

    def __init__(self, request: Request, connection: Connection, number: int) -> None:
        self.request = request
        self.connection = connection
        self.number = number
        """0 for the first request of all."""
        self.keep = True
        """Whether the connection serves another request after this one."""

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are, in one segment if the client reads as fast as the server writes."""
        connection = self.connection
        if connection.closed.is_set():
            raise ConnectionResetError
        connection.transport.write(data)
        # Lets other tasks run, even if the client reads without end.
        await asyncio.sleep(0)
        await connection.writable.wait()

    async def head(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Sends the status line and these headers."""
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def reply(
        self,
        body: bytes,
        status: int = 200,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Sends a whole reply."""
        named = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
        await self.head(status, named)
        await self.send(body)

    async def begin_events(self) -> None:
        """Sends the head of a stream of events."""
        await self.head(headers={"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})

    async def chunk(self, data: bytes) -> None:
        """Sends a chunk of a chunked body."""
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def event(self, document: object) -> None:
        """Sends a JSON event in a chunk."""
        await self.chunk(b"data: " + json.dumps(document).encode() + b"\n\n")

    async def end_chunks(self) -> None:
        """Ends a chunked body."""
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        self.keep = False
        self.connection.transport.abort()

    async def hang(self) -> None:
        """Waits until the client closes the connection."""
        self.keep = False
        await self.connection.closed.wait()


Behaviour = Callable[[Exchange], Awaitable[None]]


class Upstream:
    """The server, on a free port of the loopback interface."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self._server: asyncio.Server | None = None
        self._arrived = asyncio.Condition()
        self.requests: list[Request] = []
        """All requests, in the order in which they came."""
        self.connections: list[Connection] = []
        """All connections, in the same order."""

    @property
    def base_url(self) -> str:
        """The provider's root for a pool entry."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/v1"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return sum(not connection.closed.is_set() for connection in self.connections)

    def then(self, *behaviours: Behaviour) -> None:
        """Replaces the behaviours for the requests to come."""
        self._behaviours = list(behaviours)

    async def arrived(self, count: int = 1) -> None:
        """Waits until `count` requests have come in all."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def all_closed(self) -> None:
        """Waits until every connection is closed."""
        for connection in self.connections:
            await connection.closed.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [connection.task for connection in self.connections]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            # A failed behaviour fails the test.
            if isinstance(outcome, Exception):
                raise outcome

    def _connection(self) -> Connection:
        connection = Connection(self._serve)
        self.connections.append(connection)
        return connection

    async def _serve(self, connection: Connection, request: Request) -> bool:
        exchange = Exchange(request, connection, len(self.requests))
        behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        await behaviour(exchange)
        return exchange.keep and not connection.closed.is_set()
