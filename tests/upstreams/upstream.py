"""An HTTP server that does what a test tells it, down to the bytes, and sees when its connections close.

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
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

_HEAD_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    raw: bytes
    """The body."""
    at: float
    """When it had come, on the monotonic clock."""

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON."""
        document = json.loads(self.raw)
        assert isinstance(document, dict)
        return document


@dataclass(slots=True)
class Connection:
    """One connection of a client."""

    closed: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float = 0.0
    """When the client was seen to have closed it, or this side did, on the monotonic clock."""


class Exchange:
    """One request and the way to answer it. Writing raises ConnectionError once the client is gone."""

    def __init__(self, request: Request, connection: Connection, writer: asyncio.StreamWriter, number: int) -> None:
        self.request = request
        self.connection = connection
        self.number = number
        """0 for the first request of all."""
        self.keep = True
        """Whether the connection serves another request after this one."""
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Sends bytes as they are, in a TCP segment of their own where the client reads fast enough."""
        if self.connection.closed.is_set():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

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
        self._writer.transport.abort()

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
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Condition()
        self.requests: list[Request] = []
        """All requests, in the order in which they came."""
        self.connections: list[Connection] = []
        """All connections, likewise."""

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
        """Waits until so many requests have come in all."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def all_closed(self) -> float:
        """Waits until every connection is closed; returns when the last one was, on the monotonic clock."""
        for connection in self.connections:
            await connection.closed.wait()
        return max((connection.closed_at for connection in self.connections), default=0.0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_HEAD_LIMIT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection()
        self.connections.append(connection)
        try:
            while (request := await _read(reader)) is not None:
                exchange = Exchange(request, connection, writer, len(self.requests))
                behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                await _watched(behaviour, exchange, reader)
                if not exchange.keep or connection.closed.is_set():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            _close(connection)
            writer.close()


async def _watched(behaviour: Behaviour, exchange: Exchange, reader: asyncio.StreamReader) -> None:
    """Runs the behaviour and notes when the client closes the connection meanwhile."""
    watch = asyncio.create_task(_until_closed(reader, exchange.connection))
    try:
        await behaviour(exchange)
    finally:
        watch.cancel()
        await asyncio.wait((watch,))


async def _until_closed(reader: asyncio.StreamReader, connection: Connection) -> None:
    # Nothing is read here: a client that sends its next request early would lose it. The end of the stream shows itself.
    while not reader.at_eof() and reader.exception() is None:
        waiter = asyncio.ensure_future(_filled(reader))
        await waiter
    _close(connection)


def _close(connection: Connection) -> None:
    if not connection.closed.is_set():
        connection.closed_at = time.monotonic()
        connection.closed.set()
