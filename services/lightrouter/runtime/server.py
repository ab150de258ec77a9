"""The life cycle of a service: bind, serve, report health, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.trace import Tracer

from lightrouter.runtime.auth import Authenticator
from lightrouter.runtime.health import Health
from lightrouter.runtime.instruments import RPC_ERRORS
from lightrouter.runtime.interceptors import AuthInterceptor, CallInterceptor, LimitInterceptor
from lightrouter.runtime.metrics import Tally
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.tls import server_credentials

_log = logging.getLogger(__name__)
ServicerType = TypeVar("ServicerType")
_OVERALL = ""


class AddressUnavailableError(OSError):
    """An address cannot be bound; its text is one sentence that names it."""


class Server:
    """One service on one address, with health and, where set, reflection.

    The overall status ("") is SERVING from the start, where it is held from `release` on, until the drain. The status
    of each service is what `set_serving` last said, until then what `add` said.
    """

    def __init__(
        self, settings: ServiceSettings, authenticator: Authenticator | None = None, tracer: Tracer | None = None
    ) -> None:
        """Builds the server; nothing is bound before `start`.

        Args:
            settings: What it is told.
            authenticator: Says who may call; None: everybody.
            tracer: Makes the spans of the calls; None: they have none.

        Raises:
            TlsError: The files of TLS cannot be used.
        """
        self.errors = Tally(RPC_ERRORS)
        """The calls that were answered with an error."""
        self._settings = settings
        self._credentials = server_credentials(settings)
        self._health = Health()
        self._serving: dict[str, bool] = {_OVERALL: True}
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._server = grpc.aio.server(
            interceptors=(
                # First, so that a stranger learns nothing of what is wrong with a request.
                *((AuthInterceptor(authenticator, self.errors),) if authenticator else ()),
                CallInterceptor(settings.default_deadline_seconds, self.errors, tracer),
                LimitInterceptor(settings.max_concurrent_calls),
            ),
            options=_options(settings),
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._probed: grpc.aio.Server | None = None
        if settings.health_listen:
            self._probed = grpc.aio.server(options=_options(settings))
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probed)
        self._address = ""
        self.health_address = ""
        """Where the health alone is served, once that is known; empty: nowhere."""

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

    def hold(self) -> None:
        """Has the overall status start as NOT_SERVING, and the ready file wait, until `release`.

        For a service that cannot serve at once.
        """
        self._serving[_OVERALL] = False

    async def release(self) -> None:
        """Sets the overall status of a started server to SERVING, and writes the ready file."""
        await self.set_serving(_OVERALL, serving=True)
        self._write_ready_file()

    async def start(self) -> str:
        """Binds and serves; returns the address that clients use, HOST:PORT or unix:PATH.

        Raises:
            AddressUnavailableError: The address cannot be bound.
        """
        if self._settings.reflection:
            names = (*self._names(), health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        self._address = _bind(self._server, self._settings.listen, self._credentials)
        if self._probed and self._settings.health_listen:
            self.health_address = _bind(self._probed, self._settings.health_listen, None)
        for name, serving in self._serving.items():
            await self.set_serving(name, serving)
        await self._server.start()
        if self._probed:
            await self._probed.start()
        if self._serving[_OVERALL]:
            self._write_ready_file()
        _log.info("serving %s on %s", ", ".join(self._names()), self._address)
        return self._address

    async def set_serving(self, name: str, serving: bool) -> None:
        """Sets the health of a service; the drain's NOT_SERVING is final."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, status)

    async def drain(self) -> None:
        """Says NOT_SERVING, serves on for the delay, lets running calls finish within the grace, then stops.

        Again: stops at once.
        """
        if self._draining.is_set():
            self._hurry.set()
            await self._server.stop(0)
            return
        self._draining.set()
        await self._health.drain()
        if self._settings.drain_delay_seconds:
            # Whoever has not heard of it yet, a load balancer most of all, sends new calls still; they are served.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._settings.drain_delay_seconds)
        await self._server.stop(0 if self._hurry.is_set() else self._settings.grace_seconds)
        if self._probed:
            # Last: a probe that finds nobody would have the process killed before its calls are done.
            await self._probed.stop(0)

    async def serve_until_signal(self, *watches: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once.

        `watches` run meanwhile. One that fails ends the service: one that no longer sees changes would be wrong in
        silence.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(watch()) for watch in watches]
            await self._drain_at_signal()
            for task in tasks:
                task.cancel()

    async def _drain_at_signal(self) -> None:
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signals.put_nowait, number)
        received = await signals.get()
        most = self._settings.drain_delay_seconds + self._settings.grace_seconds
        _log.info("%s: draining for at most %g s", received.name, most)
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
        if self._probed:
            await self._probed.stop(0)

    def _write_ready_file(self) -> None:
        if self._settings.ready_file:
            _write_atomically(self._settings.ready_file, self._address + "\n")

    def _names(self) -> list[str]:
        return [name for name in self._serving if name != _OVERALL]


def _bind(server: grpc.aio.Server, listen: str, credentials: grpc.ServerCredentials | None) -> str:
    try:
        port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    except RuntimeError as error:
        raise AddressUnavailableError(f"cannot listen on {listen}: {error}") from None
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def run(service: Callable[[], Coroutine[None, None, None]], *faults: type[Exception]) -> None:
    """Runs a service's coroutine to its end on uvloop.

    Stops with one sentence a fault: with status 2 at one of `faults`, where what the service is told is wrong, and with
    status 1 where its address cannot be bound.
    """
    try:
        uvloop.run(service())
    except faults as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
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
