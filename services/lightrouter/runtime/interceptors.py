"""What happens around every served call: limits, validation, deadline, trace context, errors as google.rpc.Status."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status
from opentelemetry.trace import NoOpTracer, Tracer
from protovalidate import Validator
from protovalidate import Violation as RuleViolation

from lightrouter.runtime.auth import Authenticator
from lightrouter.runtime.deadline import Deadline, current_deadline, set_current_deadline
from lightrouter.runtime.errors import Code, ServiceError, Violation, deadline_exceeded, reason_name
from lightrouter.runtime.metrics import Tally
from lightrouter.runtime.rpcspans import ServerCall
from lightrouter.runtime.status import to_status
from lightrouter.v1.error_reason_pb2 import ErrorReason

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Next: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[Message]]"
Streaming: TypeAlias = "Callable[[Any, Context], AsyncGenerator[Message, None]]"
Writing: TypeAlias = "Callable[[Any, Context], Awaitable[None]]"

_log = logging.getLogger(__name__)
_OWN_PACKAGE = "/lightrouter."
_RETRY_AFTER_SECONDS = 1.0


class _Wrapping(grpc.aio.ServerInterceptor):
    """Wraps each method of this project's services once and keeps the wrapped handler."""

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Next, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Returns the wrapped handler; health and reflection pass as they are."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(_OWN_PACKAGE):
            return handler
        wrapped = self._wrapped[method] = self._wrap(handler, method.removeprefix("/"))
        return wrapped

    def _wrap(self, handler: Handler, method: str) -> Handler:
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(cast("Streaming", handler.unary_stream), method), **codec
            )
        return grpc.unary_unary_rpc_method_handler(self._unary(cast("Unary", handler.unary_unary), method), **codec)

    @abstractmethod
    def _unary(self, behaviour: Unary, method: str) -> Unary: ...

    @abstractmethod
    def _streaming(self, behaviour: Streaming, method: str) -> Streaming | Writing: ...


class CallInterceptor(_Wrapping):
    """Validates the request, sets deadline and span, and turns errors into google.rpc.Status."""

    def __init__(self, default_deadline_seconds: float, errors: Tally, tracer: Tracer | None = None) -> None:
        """A call without a deadline gets `default_deadline_seconds`; `tracer` makes the spans, `errors` are counted."""
        super().__init__()
        self._errors = errors
        self._tracer = tracer or NoOpTracer()
        self._default_deadline = default_deadline_seconds
        self._validator = Validator()

    def _unary(self, behaviour: Unary, method: str) -> Unary:
        async def call(request: Message, context: Context) -> Message:
            async with self._served(request, context, method):
                return await behaviour(request, context)

        return call

    def _streaming(self, behaviour: Streaming, method: str) -> Writing:
        # A generator would be left where it stands when the caller goes away; a coroutine that writes is cancelled.
        async def call(request: Message, context: Context) -> None:
            async with self._served(request, context, method), aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    await context.write(response)

        return call

    @asynccontextmanager
    async def _served(self, request: Message, context: Context, method: str) -> AsyncIterator[None]:
        call = ServerCall(self._tracer, method, context.invocation_metadata())
        try:
            async with asyncio.timeout(self._begin(request, context)):
                yield
        except ServiceError as error:
            self._count(call, error)
            await _abort(context, error)
        except TimeoutError:
            passed = _deadline_passed()
            self._count(call, passed)
            await _abort(context, passed)
        except (grpc.aio.AbortError, grpc.aio.BaseError):
            # Nobody reads what is written any more.
            call.failed(_caller_left())
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: no defect may leave the caller without a status
            defect = _defect(error)
            self._count(call, defect)
            await _abort(context, defect)
        except asyncio.CancelledError:
            self._count(call, _deadline_passed() if current_deadline().at_hand else _caller_left())
            raise
        finally:
            call.end()

    def _count(self, call: ServerCall, error: ServiceError) -> None:
        call.failed(error)
        self._errors.add(1, reason_name(error.reason))

    def _begin(self, request: Message, context: Context) -> float | None:
        """Prepares the task for the call; returns the seconds after which it is cut off, None where gRPC does that."""
        remaining = context.time_remaining()
        set_current_deadline(Deadline.after(self._default_deadline if remaining is None else remaining))
        violations = self._validator.collect_violations(request)
        if violations:
            raise _invalid_request(violations)
        return self._default_deadline if remaining is None else None


class LimitInterceptor(_Wrapping):
    """Refuses calls beyond a number served at the same time, rather than queueing without end."""

    def __init__(self, max_concurrent_calls: int) -> None:
        """Serves at most `max_concurrent_calls` at the same time."""
        super().__init__()
        self._limit = max_concurrent_calls
        self._running = 0

    def _admit(self) -> None:
        if self._running >= self._limit:
            message = f"{self._limit} calls are being served already; try again later"
            raise ServiceError(
                Code.RESOURCE_EXHAUSTED,
                ErrorReason.ERROR_REASON_OVERLOADED,
                message,
                retry_after=_RETRY_AFTER_SECONDS,
            )
        self._running += 1

    def _unary(self, behaviour: Unary, method: str) -> Unary:
        del method

        async def call(request: Message, context: Context) -> Message:
            self._admit()
            try:
                return await behaviour(request, context)
            finally:
                self._running -= 1

        return call

    def _streaming(self, behaviour: Streaming, method: str) -> Streaming:
        del method

        async def call(request: Message, context: Context) -> AsyncGenerator[Message, None]:
            self._admit()
            try:
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response
            finally:
                self._running -= 1

        return call


class AuthInterceptor(_Wrapping):
    """Serves only those who may call; the others learn why they may not, and nothing else."""

    def __init__(self, authenticator: Authenticator, errors: Tally) -> None:
        """Asks `authenticator` at each call; counts in `errors` whom it refuses."""
        super().__init__()
        self._errors = errors
        self._authenticator = authenticator

    async def _check(self, context: Context) -> None:
        headers = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        try:
            await self._authenticator.check([value for value in headers if isinstance(value, str)])
        except ServiceError as error:
            self._errors.add(1, reason_name(error.reason))
            await _abort(context, error)

    def _unary(self, behaviour: Unary, method: str) -> Unary:
        del method

        async def call(request: Message, context: Context) -> Message:
            await self._check(context)
            return await behaviour(request, context)

        return call

    def _streaming(self, behaviour: Streaming | Writing, method: str) -> Writing:
        del method

        async def call(request: Message, context: Context) -> None:
            await self._check(context)
            await cast("Writing", behaviour)(request, context)

        return call


async def _abort(context: Context, error: ServiceError) -> NoReturn:
    await context.abort_with_status(rpc_status.to_status(to_status(error)))


def _deadline_passed() -> ServiceError:
    return deadline_exceeded("the deadline passed before the call was done")


def _caller_left() -> ServiceError:
    return ServiceError(Code.CANCELLED, ErrorReason.ERROR_REASON_CANCELLED, "the caller did not wait for the end")


def _defect(error: Exception) -> ServiceError:
    _log.error("a call failed for a defect of the service", exc_info=error)
    message = "the service has a defect; its log says more under this trace id"
    return ServiceError(Code.INTERNAL, ErrorReason.ERROR_REASON_INTERNAL, message)


def _field_path(violation: RuleViolation) -> str:
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value}]"
    return path


def _invalid_request(violations: list[RuleViolation]) -> ServiceError:
    found = [Violation(_field_path(violation), violation.proto.message) for violation in violations]
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return ServiceError(
        Code.INVALID_ARGUMENT,
        ErrorReason.ERROR_REASON_INVALID_REQUEST,
        f"{first.field}: {first.message}{more}",
        violations=found,
    )
