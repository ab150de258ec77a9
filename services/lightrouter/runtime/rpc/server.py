"""The life cycle of a service: bind, serve, report health, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from opentelemetry.trace import Tracer

from lightrouter.runtime import files
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.accept import accepting_server
from lightrouter.runtime.rpc.health import Health
from lightrouter.runtime.rpc.interceptors import CallInterceptor, CallRules
from lightrouter.runtime.rpc.reflecting import reflect
from lightrouter.runtime.rpc.selfcheck import SelfCheck, SilentServiceError
from lightrouter.runtime.security.auth import Authenticator, Identities
from lightrouter.runtime.security.tls import server_credentials
from lightrouter.runtime.settings import SUITE_MESSAGE_BYTES, ServiceSettings, SettingsType, command
from lightrouter.runtime.telemetry.instruments import RPC_ERRORS
from lightrouter.runtime.telemetry.metrics import Tally

_log = logging.getLogger(__name__)
ServicerType = TypeVar("ServicerType")
ResultType = TypeVar("ResultType")
_OVERALL = ""
# New objects after which garbage is searched for. The interpreter's 700 are fewer than one route of eight calls keeps
# while it runs, so that each search finds nothing. Ten times as many made a route .93 of the CPU in paired runs of
# `python -m tests.load.bench --only one`, for some 5 MB.
_NEW_OBJECTS = 7_000
# Longer than any grace.
_FOREVER_S = 1e6
# Choices: a burst is refused by the limits below with a reason and a retry time, not by gRPC; and a wait longer than
# any caller's deadline.
_MOST_PENDING = 20_000
_PENDING_SECONDS = 600


class WatchFailedError(Exception):
    """A watch of the service failed and the service has ended; the text is one sentence."""


class AddressUnavailableError(OSError):
    """An address cannot be bound; the text is one sentence that names it."""


class ReadyFileError(Exception):
    """The ready file cannot be written; the text is one sentence that names it."""


class Server:
    """Serves one service on one address, with health and optionally reflection.

    The overall status ("") is SERVING from the start, or from `release` after a `hold`, until the drain. The status of
    each service is the last value from `set_serving`, or before that the value from `add`.
    """

    def __init__(
        self, settings: ServiceSettings, authenticator: Authenticator | None = None, tracer: Tracer | None = None
    ) -> None:
        """Builds the server; nothing is bound before `start`.

        Args:
            settings: The settings.
            authenticator: Authenticates callers; None: all callers may call.
            tracer: Makes the spans of the calls; None: no spans.

        Raises:
            TlsError: The files of TLS cannot be used.
        """
        self.errors = Tally(RPC_ERRORS)
        """Counts the calls that were answered with an error."""
        self._settings = settings
        self._credentials = server_credentials(settings)
        self._health = Health()
        self._serving: dict[str, bool] = {_OVERALL: True}
        self._draining = asyncio.Event()
        self._hurry = asyncio.Event()
        self._self_check = SelfCheck(settings)
        self.calls = CallInterceptor(_rules(settings, authenticator), self.errors, tracer)
        """Serves the calls and counts them."""
        self._server = accepting_server([self.calls], _options(settings))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._probed: grpc.aio.Server | None = None
        if settings.health_listen:
            open_to_all = settings.model_copy(update={"tls_allowed_identities": ""})
            rules = _rules(open_to_all, None)
            self._probed = accepting_server([CallInterceptor(rules, self.errors)], _options(settings))
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probed)
        self.address = ""
        """The address for clients, after `start`; empty before."""
        self.health_address = ""
        """The address that serves the health alone, after `start`; empty if there is none."""

    def add(
        self,
        name: str,
        register: Callable[[ServicerType, grpc.aio.Server], None],
        servicer: ServicerType,
        *,
        serving: bool = True,
    ) -> None:
        """Adds a service under its full name, by the `register` function of its generated code.

        With `serving` False its health starts as NOT_SERVING, until `set_serving` changes it.
        """
        register(servicer, self._server)
        self._serving[name] = serving

    def hold(self) -> None:
        """Delays the overall status SERVING and the ready file until `release`.

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
            ReadyFileError: The ready file cannot be written.
        """
        if self._settings.reflection:
            reflect(self._server, (*self._names(), health.SERVICE_NAME))
        self.address = _bind(self._server, self._settings.listen, self._credentials)
        if self._probed and self._settings.health_listen:
            self.health_address = _bind(self._probed, self._settings.health_listen, None)
        for name, serving in self._serving.items():
            await self.set_serving(name, serving)
        await self._server.start()
        if self._probed:
            await self._probed.start()
        if self._serving[_OVERALL]:
            try:
                self._write_ready_file()
            except ReadyFileError:
                await self.__aexit__(None, None, None)
                raise
        _log.info("serving %s on %s", ", ".join(self._names()), self.address)
        return self.address

    async def set_serving(self, name: str, serving: bool) -> None:
        """Sets the health of a service; after the drain NOT_SERVING is final."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(name, status)

    async def drain(self) -> None:
        """Sets NOT_SERVING, serves on for the delay, lets running calls finish within the grace, then stops.

        A second call stops at once.
        """
        if self._draining.is_set():
            self._hurry.set()
            await self._server.stop(None)
            return
        self._draining.set()
        await self._health.drain()
        if self._settings.drain_delay_seconds:
            # Clients that do not know yet, load balancers above all, still send calls; serve them.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._settings.drain_delay_seconds)
        await self._stop()
        if self._probed:
            # Last: a failed probe would kill the process before its calls are done.
            await self._probed.stop(None)

    async def _stop(self) -> None:
        """Takes no more calls, and ends the running ones after the grace, or at once in a hurry.

        The grace is counted here: grpc.aio crashes if one stop's grace runs out while another stop ends.
        """
        stopping = asyncio.ensure_future(self._server.stop(_FOREVER_S))
        hurry = asyncio.ensure_future(self._hurry.wait())
        grace = self._settings.grace_seconds
        await asyncio.wait((stopping, hurry), timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not stopping.done():
            await self._server.stop(None)
        await stopping

    async def serve_until_signal(self, *watches: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Serves until SIGTERM or SIGINT, then drains; a second signal stops at once.

        The `watches` and the self-check run meanwhile.

        Raises:
            WatchFailedError: A watch failed, so the service was drained: it would miss changes without notice.
            ReadyFileError: The ready file cannot be written.
        """
        keep_what_is_loaded()
        signals = _signals()
        signalled = asyncio.ensure_future(signals.get())
        tasks = [asyncio.ensure_future(watch()) for watch in (*watches, self.watch_itself)]
        try:
            failure = await _failure(tasks, signalled)
            if failure is None:
                most = self._settings.drain_delay_seconds + self._settings.grace_seconds
                _log.info("%s: draining for at most %g s", signalled.result().name, most)
                signalled = asyncio.ensure_future(signals.get())
            else:
                _log.error("a watch of the service has failed, so it drains and ends: %s", sentence_of(failure))
                _log.debug("the watch's failure", exc_info=failure)
            await self._drain_in_time(signalled)
        finally:
            for task in (*tasks, signalled):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if isinstance(failure, ReadyFileError):
            raise failure
        if failure is not None:
            raise WatchFailedError(f"the service has ended: {sentence_of(failure)}")

    async def watch_itself(self) -> None:
        """Calls the started server through its own address, until it no longer answers (SilentServiceError)."""
        await self._self_check.watch(self.address)

    async def _drain_in_time(self, hurry: asyncio.Future[signal.Signals]) -> None:
        first = asyncio.ensure_future(self.drain())
        await asyncio.wait((first, hurry), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            _log.warning("a second signal: stopping at once")
            await self.drain()
        await first

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(None)
        if self._probed:
            await self._probed.stop(None)

    def _write_ready_file(self) -> None:
        if self._settings.ready_file:
            try:
                files.replace(self._settings.ready_file, f"{self.address}\n".encode())
            except OSError as error:
                raise ReadyFileError(f"{error.filename} cannot be written: {error.strerror}") from None

    def _names(self) -> list[str]:
        return [name for name in self._serving if name != _OVERALL]


def _bind(server: grpc.aio.Server, listen: str, credentials: grpc.ServerCredentials | None) -> str:
    try:
        port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    except RuntimeError:
        raise AddressUnavailableError(
            f"cannot listen on {listen}: it is in use, not of this machine, or not allowed"
        ) from None
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def run(
    serve: Callable[[SettingsType], Coroutine[None, None, None]], settings: SettingsType, *faults: type[Exception]
) -> None:
    """Runs a service with its settings to its end on uvloop.

    On a failure it prints the command and the error's text and exits: with status 2 for one of `faults`, the errors of
    settings and files, and for a ready file that cannot be written; with status 1 if the address cannot be bound or a
    watch failed.
    """
    wrong: tuple[type[Exception], ...] = (*faults, ReadyFileError)
    try:
        run_loop(serve(settings))
    except wrong as error:
        sys.stderr.write(f"{command(type(settings))}: {error}\n")
        raise SystemExit(2) from None
    except (AddressUnavailableError, WatchFailedError) as error:
        sys.stderr.write(f"{command(type(settings))}: {error}\n")
        raise SystemExit(1) from None


def run_loop(main: Coroutine[Any, Any, ResultType]) -> ResultType:
    """Returns the result of a coroutine that runs on uvloop."""
    gc.collect()
    keep_what_is_loaded()
    usual = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *usual[1:])
    try:
        return uvloop.run(main)
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def keep_what_is_loaded() -> None:
    """Exempts all objects of this moment from garbage collection, until `run_loop` ends.

    The imports, the pool and the selector's artifact live to the end. Each search for garbage among them takes up to
    a hundred milliseconds, during which nothing else runs.
    """
    gc.freeze()


def _signals() -> asyncio.Queue[signal.Signals]:
    loop = asyncio.get_running_loop()
    received: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received.put_nowait, number)
    return received


async def _failure(
    watches: Iterable[asyncio.Future[None]], signalled: asyncio.Future[signal.Signals]
) -> BaseException | None:
    """Returns the error of the first watch that fails; None after a signal. A watch may also end without an error."""
    running: set[asyncio.Future[Any]] = {*watches, signalled}
    while not signalled.done():
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for watch in done:
            if failure := asyncio.CancelledError() if watch.cancelled() else watch.exception():
                return failure
    return None


def sentence_of(failure: BaseException) -> str:
    """Returns the error of a watch as one line; for an unexpected error, with its type and place in the code."""
    text = " ".join(str(failure).split())
    if isinstance(failure, SilentServiceError | OSError | ServiceError):
        return text
    place = traceback.extract_tb(failure.__traceback__)[-1:]
    where = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in place)
    return f"{type(failure).__name__}{where}: {text}" if text else f"{type(failure).__name__}{where}"


def _rules(settings: ServiceSettings, authenticator: Authenticator | None) -> CallRules:
    allowed = [pattern.strip() for pattern in settings.tls_allowed_identities.split(",")]
    patterns = [pattern for pattern in allowed if pattern]
    return CallRules(
        default_deadline_seconds=settings.default_deadline_seconds,
        max_calls=settings.max_concurrent_calls,
        max_bytes=settings.max_bytes_in_flight,
        max_message_bytes=settings.max_message_bytes,
        authenticator=authenticator,
        identities=Identities(patterns) if patterns else None,
    )


def _options(settings: ServiceSettings) -> tuple[tuple[str, int], ...]:
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # Responses are never refused for their size: their tokens are paid for.
        ("grpc.max_send_message_length", max(settings.max_message_bytes, SUITE_MESSAGE_BYTES)),
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        # Calls that wait to be accepted. By default gRPC cancels those beyond 1,000 without a message.
        ("grpc.server.max_pending_requests", _MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _MOST_PENDING),
        # By default gRPC also cancels calls that have waited 30 s; callers have deadlines of their own.
        ("grpc.server_max_unrequested_time_in_server", _PENDING_SECONDS),
        # Otherwise gRPC buffers megabytes of a request before it is read.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    if settings.max_connection_age_seconds:
        age = round(settings.max_connection_age_seconds * 1000)
        grace = round(settings.grace_seconds * 1000)
        options += [("grpc.max_connection_age_ms", age), ("grpc.max_connection_age_grace_ms", grace)]
    return tuple(options)
