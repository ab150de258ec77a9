"""The life cycle of a service: bind, serve, report health, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from lightrouter.runtime.health import Health
from lightrouter.runtime.interceptors import CallInterceptor, LimitInterceptor
from lightrouter.runtime.settings import ServiceSettings

_log = logging.getLogger(__name__)
ServicerType = TypeVar("ServicerType")
_OVERALL = ""


class AddressUnavailableError(OSError):
    """An address cannot be bound; its text is one sentence that names it."""


class Server:
    """One service on one address, with health and, where set, reflection.

    The overall status ("") is SERVING from the start until the drain. The status of each service is what `set_serving`
    last said, until then what `add` said.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        """Builds the server; nothing is bound before `start`."""
        self._settings = settings
        self._health = Health()
        self._serving: dict[str, bool] = {_OVERALL: True}
        self._draining = False
        self._server = grpc.aio.server(
            interceptors=(
                CallInterceptor(settings.default_deadline_seconds),
                LimitInterceptor(settings.max_concurrent_calls),
            ),
            options=_options(settings),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def add(
        self,
        name: str,
        register: Callable[[ServicerType, grpc.aio.Server], None],
        servicer: ServicerType,
        *,
        serving: bool = True,
    ) -> None:
        """Adds a service under its full name, with the function that the generated code has for it.

        One that is not `serving` starts as NOT_SERVING, for `set_serving` to change.
        """
        register(servicer, self._server)
        self._serving[name] = serving

    async def start(self) -> str:
        """Binds and serves; returns the address that clients use, HOST:PORT or unix:PATH.

        Raises:
            AddressUnavailableError: The address cannot be bound.
        """
        if self._settings.reflection:
            names = (*self._names(), health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        address = self._bind()
        for name, serving in self._serving.items():
            await self.set_serving(name, serving)
        await self._server.start()
        if self._settings.ready_file:
            _write_atomically(self._settings.ready_file, address + "\n")
        _log.info("serving %s on %s", ", ".join(self._names()), address)
        return address

    async def set_serving(self, name: str, serving: bool) -> None:
        """Sets the health of a service; the drain's NOT_SERVING is final."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, status)

    async def drain(self) -> None:
        """Says NOT_SERVING, lets running calls finish within the grace, then stops. Again: stops at once."""
        grace = 0.0 if self._draining else self._settings.grace_seconds
        self._draining = True
        await self._health.drain()
        await self._server.stop(grace)

    async def serve_until_signal(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once."""
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signals.put_nowait, number)
        received = await signals.get()
        _log.info("%s: draining for at most %g s", received.name, self._settings.grace_seconds)
        first = asyncio.ensure_future(self.drain())
        second = asyncio.ensure_future(signals.get())
        await asyncio.wait((first, second), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            _log.warning("a second signal: stopping at once")
            await self.drain()
        second.cancel()
        await first

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(0)

    def _names(self) -> list[str]:
        return [name for name in self._serving if name != _OVERALL]

    def _bind(self) -> str:
        listen = self._settings.listen
        try:
            port = self._server.add_insecure_port(listen)
        except RuntimeError as error:
            raise AddressUnavailableError(f"cannot listen on {listen}: {error}") from None
        return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def run(service: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs a service's coroutine to its end on uvloop; stops with status 1 where its address cannot be bound."""
    try:
        uvloop.run(service())
    except AddressUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def _options(settings: ServiceSettings) -> tuple[tuple[str, int], ...]:
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    if settings.max_connection_age_seconds:
        age = round(settings.max_connection_age_seconds * 1000)
        grace = round(settings.grace_seconds * 1000)
        options += [("grpc.max_connection_age_ms", age), ("grpc.max_connection_age_grace_ms", grace)]
    return tuple(options)


def _write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
