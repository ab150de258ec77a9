"""Spans of calls between services: what goes on with a call, and what a caller that does not trace costs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import StatusCode

from lightrouter.runtime.errors import Code, ServiceError, invalid
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.rpcspans import ClientCall, ServerCall
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_ERROR

METHOD = "lightrouter.v1.AdapterService/Generate"
TRACE_ID = f"{7:032x}"
BAGGAGE = ("baggage", "team=blue")


class Kept(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def caller(flags: str) -> tuple[tuple[str, str], ...]:
    return (("traceparent", f"00-{TRACE_ID}-{9:016x}-{flags}"), ("tracestate", "v=1"), BAGGAGE, ("authorization", "x"))


def served(kept: Kept, flags: str, serve: Callable[[ServerCall, Telemetry], None]) -> None:
    """Serves a call in a task's own context."""
    telemetry = Telemetry("test", kept)

    def task() -> None:
        serve(ServerCall(telemetry.tracer, METHOD, caller(flags)), telemetry)

    contextvars.copy_context().run(task)
    telemetry.shutdown()


@pytest.mark.parametrize(("flags", "spans"), [("01", 2), ("00", 0)], ids=["traced", "not traced"])
def test_trace_state_and_baggage_go_on_to_the_next_service(kept: Kept, flags: str, spans: int) -> None:
    sent: dict[str, str] = {}

    def serve(call: ServerCall, telemetry: Telemetry) -> None:
        with ClientCall(telemetry.tracer, METHOD) as onward:
            sent.update(onward.metadata)
        call.end()

    served(kept, flags, serve)
    assert len(kept.ended) == spans
    assert sent.pop("baggage") == BAGGAGE[1]
    assert sent.pop("tracestate") == "v=1"
    _, trace_id, span_id, decided = sent.pop("traceparent").split("-")
    assert (trace_id, decided) == (TRACE_ID, flags)
    # Who does not trace hands on its caller's span as it is.
    assert (span_id == f"{9:016x}") == (spans == 0)
    assert not sent


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_ERROR, "failed"), "UNAVAILABLE", "UPSTREAM_ERROR"),
        (asyncio.CancelledError(), "CANCELLED", "CANCELLED"),
        (GeneratorExit(), "CANCELLED", "CANCELLED"),
    ],
    ids=["error", "cancelled", "closed"],
)
def test_a_call_that_fails_says_how(kept: Kept, error: BaseException, status: str, reason: str) -> None:
    def serve(call: ServerCall, telemetry: Telemetry) -> None:
        with pytest.raises(type(error)), ClientCall(telemetry.tracer, METHOD, "a"):
            raise error
        call.end()

    served(kept, "01", serve)
    client, server = kept.ended
    said = client.attributes or {}
    assert (said[names.RPC_STATUS], said[names.ERROR_TYPE], said[names.CANDIDATE]) == (status, reason, "a")
    assert client.status.status_code is StatusCode.ERROR
    assert (server.attributes or {})[names.RPC_STATUS] == "OK"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (invalid("prompt", "is empty"), StatusCode.UNSET),
        (ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_ERROR, "failed"), StatusCode.ERROR),
    ],
    ids=["the caller's fault", "the server's fault"],
)
def test_a_caller_s_fault_is_no_error_of_the_server(kept: Kept, error: ServiceError, status: StatusCode) -> None:
    def serve(call: ServerCall, telemetry: Telemetry) -> None:
        call.failed(error)
        # What always comes after it does not end the span again.
        call.end()

    served(kept, "01", serve)
    (span,) = kept.ended
    assert span.status.status_code is status
    assert (span.attributes or {})[names.RPC_STATUS] == error.code.name
