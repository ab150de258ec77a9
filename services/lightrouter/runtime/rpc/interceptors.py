"""Wraps each served call: authentication, limits, validation, deadline, trace, errors as google.rpc.Status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from inspect import isasyncgenfunction
from typing import Any, Final, NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status
from opentelemetry.trace import NoOpTracer, Tracer

from lightrouter.runtime.caller import set_current_caller
from lightrouter.runtime.deadline import Deadline, current_deadline, set_current_deadline
from lightrouter.runtime.errors import Code, ServiceError, Violation, reason_name
from lightrouter.runtime.rpc.failures import deadline_passed, defect
from lightrouter.runtime.rpc.limits import Bytes, Places
from lightrouter.runtime.rpc.status import to_status
from lightrouter.runtime.rpc.validation import MessageRules
from lightrouter.runtime.security.auth import Authenticator, Identities
from lightrouter.runtime.telemetry.metrics import Tally
from lightrouter.runtime.telemetry.rpcspans import ServerCall
from lightrouter.v1.error_reason_pb2 import ErrorReason

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Next: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[Message]]"
Streaming: TypeAlias = "Callable[[Any, Context], AsyncGenerator[Message, None]]"
Writing: TypeAlias = "Callable[[Any, Context], Awaitable[None]]"

_OWN_PACKAGE: Final = "/lightrouter."
# Calls of health and reflection, which a probe makes without a token, have a limit of their own: a busy service must
# not look dead.
_OPEN_PLACES: Final = 64


@dataclass(frozen=True, slots=True)
class CallRules:
    """The rules for the calls of a server.

    Attributes:
        default_deadline_seconds: Deadline of a call without one.
        max_calls: Maximum of concurrent calls.
        max_bytes: Maximum bytes of the requests that are served at the same time.
        max_message_bytes: Maximum bytes of one message.
        authenticator: Authenticates the callers of this project's services; None: all callers may call.
        identities: Checks the client certificates of all methods; None: every certificate that TLS accepts.
    """

    default_deadline_seconds: float
    max_calls: int
    max_bytes: int
    max_message_bytes: int
    authenticator: Authenticator | None = None
    identities: Identities | None = None


@dataclass(frozen=True, slots=True)
class _Method:
    """One method: its name (SERVICE/METHOD), its deserializer, its limits, and whether it is this project's own."""

    name: str
    parse: Callable[[bytes], Message]
    places: Places
    bytes: Bytes
    own: bool


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Serves each call by the rules.

    It reads the message of a call itself: gRPC would hold the message in memory before the checks of the caller and of
    the number of calls.
    """

    def __init__(self, rules: CallRules, errors: Tally, tracer: Tracer | None = None) -> None:
        """Serves by `rules`; makes spans with `tracer` and counts errors in `errors`."""
        self._rules = rules
        self._errors = errors
        self._tracer = tracer or NoOpTracer()
        self._message_rules = MessageRules()
        self.places = Places(rules.max_calls)
        self.bytes = Bytes(rules.max_bytes, rules.max_message_bytes)
        self._open_bytes = Bytes(rules.max_message_bytes, rules.max_message_bytes)
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Next, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Returns the wrapped handler of a method; wraps each method once."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        wrapped = self._wrapped[method] = self._wrap(handler, method)
        return wrapped

    def _wrap(self, handler: Handler, path: str) -> Handler:
        own = path.startswith(_OWN_PACKAGE)
        method = _Method(
            name=path.removeprefix("/"),
            parse=cast("Callable[[bytes], Message]", handler.request_deserializer),
            places=self.places if own else Places(_OPEN_PLACES),
            bytes=self.bytes if own else self._open_bytes,
            own=own,
        )
        encode = handler.response_serializer
        if handler.request_streaming:
            talk = self._talking(cast("Streaming", handler.stream_stream), method)
            return grpc.stream_stream_rpc_method_handler(talk, handler.request_deserializer, encode)
        # As a stream of requests: gRPC then leaves the reading to the method.
        if handler.response_streaming:
            stream = self._streaming(cast("Streaming | Writing", handler.unary_stream), method)
            return grpc.stream_stream_rpc_method_handler(stream, None, encode)
        return grpc.stream_unary_rpc_method_handler(
            self._unary(cast("Unary", handler.unary_unary), method), None, encode
        )

    def _unary(self, behaviour: Unary, method: _Method) -> Unary:
        async def call(_: object, context: Context) -> Message:
            async with self._served(context, method), self._request(context, method) as request:
                return await behaviour(request, context)

        return call

    def _streaming(self, behaviour: Streaming | Writing, method: _Method) -> Writing:
        if not isasyncgenfunction(behaviour):
            return self._writing(cast("Writing", behaviour), method)

        # If the caller leaves, gRPC cancels a coroutine that writes, but only abandons a generator.
        async def call(_: object, context: Context) -> None:
            async with (
                self._served(context, method),
                self._request(context, method) as request,
                aclosing(behaviour(request, context)) as responses,
            ):
                async for response in responses:
                    await context.write(response)

        return call

    def _writing(self, behaviour: Writing, method: _Method) -> Writing:
        async def call(_: object, context: Context) -> None:
            async with self._served(context, method), self._request(context, method) as request:
                await behaviour(request, context)

        return call

    def _talking(self, behaviour: Streaming, method: _Method) -> Writing:
        async def call(requests: object, context: Context) -> None:
            async with self._served(context, method), aclosing(behaviour(requests, context)) as responses:
                async for response in responses:
                    await context.write(response)

        return call

    @asynccontextmanager
    async def _served(self, context: Context, method: _Method) -> AsyncIterator[None]:
        """Serves a call after the checks, and answers it with the error of a failure."""
        # Before the span, so that refused callers make none.
        set_current_caller(await self._check(context, method))
        call = ServerCall(self._tracer if method.own else NoOpTracer(), method.name, context.invocation_metadata())
        try:
            with method.places.one():
                async with asyncio.timeout(self._begin(context, method)):
                    yield
        except ServiceError as error:
            self._count(call, error)
            await _abort(context, error)
        except TimeoutError:
            passed = deadline_passed()
            self._count(call, passed)
            await _abort(context, passed)
        except (grpc.aio.AbortError, grpc.aio.BaseError):
            # The caller has left.
            call.failed(_caller_left())
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: no defect may leave the caller without a status
            failure = defect(error)
            self._count(call, failure)
            await _abort(context, failure)
        except asyncio.CancelledError:
            self._count(call, deadline_passed() if current_deadline().at_hand else _caller_left())
            raise
        finally:
            call.end()

    async def _check(self, context: Context, method: _Method) -> str:
        """Returns the caller: the name of its token, else of its certificate; empty if neither is asked for."""
        caller = ""
        try:
            if self._rules.identities:
                caller = self._rules.identities.check(context.auth_context())
            if self._rules.authenticator and method.own:
                headers = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
                caller = await self._rules.authenticator.check([value for value in headers if isinstance(value, str)])
        except ServiceError as error:
            self._errors.add(1, reason_name(error.reason))
            await _abort(context, error)
        return caller

    def _count(self, call: ServerCall, error: ServiceError) -> None:
        call.failed(error)
        self._errors.add(1, reason_name(error.reason))

    def _begin(self, context: Context, method: _Method) -> float | None:
        """Sets the deadline of the task; returns the seconds until it is cut off, or None if gRPC does that."""
        remaining = context.time_remaining()
        default = self._rules.default_deadline_seconds
        set_current_deadline(Deadline.after(default if remaining is None else remaining))
        if not method.own:
            return None
        return default if remaining is None else None

    @asynccontextmanager
    async def _request(self, context: Context, method: _Method) -> AsyncIterator[Message]:
        """Reads the message of a call, and counts its bytes until the call ends."""
        raw: Any = await method.bytes.read(context.read)
        if raw is grpc.aio.EOF:
            raise _invalid_message("the call has no message; send one")
        with method.bytes.serving(len(raw)):
            try:
                request = method.parse(raw)
            except DecodeError:
                what = method.name.rpartition("/")[2]
                raise _invalid_message(f"the message is no valid protobuf of the request of {what}") from None
            del raw
            if method.own:
                self._message_rules.check(request)
            # Give other tasks a turn between parsing a large message and serving it.
            await asyncio.sleep(0)
            yield request


async def _abort(context: Context, error: ServiceError) -> NoReturn:
    try:
        await context.abort_with_status(rpc_status.to_status(to_status(error)))
    except grpc.aio.AbortError:
        raise
    except grpc.aio.BaseError:
        # The caller has left, so there is no status to send.
        raise asyncio.CancelledError from None


def _caller_left() -> ServiceError:
    return ServiceError(Code.CANCELLED, ErrorReason.ERROR_REASON_CANCELLED, "the caller did not wait for the end")


def _invalid_message(message: str) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_INVALID_REQUEST
    return ServiceError(Code.INVALID_ARGUMENT, reason, message, violations=[Violation("", message)])
