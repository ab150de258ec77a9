"""The client and server spans of a call between services."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from lightrouter.runtime.errors import Code, ServiceError, reason_name
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import IncomingMetadata, Metadata, incoming_context, outgoing_metadata
from lightrouter.v1.error_reason_pb2 import ErrorReason

_OK: Final = "OK"
# Codes that are the caller's fault are no errors of the server (OpenTelemetry's conventions for gRPC).
_SERVER_FAULTS: Final = frozenset(
    {Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS}
)


class ClientCall:
    """The span of a call to another service, below the current span. Use it as a context around the whole call.

    Attributes:
        method: The method, SERVICE/METHOD.
        metadata: The trace context for the call, so that the server's spans are below this one.
    """

    def __init__(self, tracer: Tracer, method: str, candidate: str = "") -> None:
        """Starts the span of `method`, SERVICE/METHOD; `candidate` is the candidate of the called adapter."""
        self.method = method
        self._span: Span | None = None
        self._begun = time.monotonic()
        self._may_be_left = False
        around = None
        if trace.get_current_span().is_recording():
            attributes = _attributes(method)
            if candidate:
                attributes[names.CANDIDATE] = candidate
            self._span = tracer.start_span(method, kind=SpanKind.CLIENT, attributes=attributes)
            around = trace.set_span_in_context(self._span)
        self.metadata: Metadata = outgoing_metadata(around)

    def at_checkpoint(self, output_tokens: int) -> None:
        """Records that the text has reached its checkpoint: from now on it is no error if the caller drops the call."""
        self._may_be_left = True
        self._mark(names.CHECKPOINT, output_tokens)

    def chosen(self, output_tokens: int) -> None:
        """Records that the caller has chosen the call to go on, so that it needs the call's end. See `CallSpan`."""
        self._may_be_left = False
        self._mark(names.CHOSEN, output_tokens)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        span = self._span
        if span is None:
            return
        if error is None:
            span.set_attribute(names.RPC_STATUS, _OK)
        elif isinstance(error, ServiceError):
            _fail(span, error.code, error.reason, error.message)
        else:
            # Cancelled, or closed before its end.
            message = "the call was left before its end"
            if self._may_be_left:
                self._mark(names.DROPPED)
            is_fault = not self._may_be_left
            _fail(span, Code.CANCELLED, ErrorReason.ERROR_REASON_CANCELLED, message, is_fault=is_fault)
        span.end()

    def _mark(self, event: str, output_tokens: int | None = None) -> None:
        if self._span is None or not self._span.is_recording():
            return
        attributes: dict[str, int | float] = {names.ELAPSED: time.monotonic() - self._begun}
        if output_tokens is not None:
            attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] = output_tokens
        self._span.add_event(event, attributes)


class ServerCall:
    """The span of a served call, below the caller's span; it is the current span of the serving task."""

    def __init__(self, tracer: Tracer, method: str, metadata: IncomingMetadata | None) -> None:
        """Starts the span of `method`, SERVICE/METHOD, in the caller's trace, or else in a new one."""
        self._span: Span | None = None
        self._ended = False
        around = incoming_context(metadata)
        caller = trace.get_current_span(around).get_span_context() if around else None
        # If the caller does not sample its trace, the spans below it are not recorded either and cost nothing.
        if caller is None or not caller.is_valid or caller.trace_flags.sampled:
            self._span = tracer.start_span(method, around, SpanKind.SERVER, _attributes(method))
            around = trace.set_span_in_context(self._span, around)
        if around is not None:
            # Each call has its own task, so the context ends with it.
            context.attach(around)

    def failed(self, error: ServiceError) -> None:
        """Ends the span of a call with this error."""
        self._ended = True
        if self._span:
            _fail(self._span, error.code, error.reason, error.message, is_fault=error.code in _SERVER_FAULTS)
            self._span.end()

    def end(self) -> None:
        """Ends the span of a successful call."""
        if self._span and not self._ended:
            self._span.set_attribute(names.RPC_STATUS, _OK)
            self._span.end()


def _attributes(method: str) -> dict[str, str]:
    return {names.RPC_SYSTEM: "grpc", names.RPC_METHOD: method}


def _fail(span: Span, code: Code, reason: ErrorReason.ValueType, message: str, *, is_fault: bool = True) -> None:
    span.set_attributes({names.RPC_STATUS: code.name, names.ERROR_TYPE: reason_name(reason)})
    if is_fault:
        span.set_status(Status(StatusCode.ERROR, message))
