"""Telemetry never hurts a request, whatever the collector does; and a service that stops sends what it has."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lightrouter.runtime.otlptarget import Target
from lightrouter.runtime.telemetry.otlp import SpanExporter
from lightrouter.runtime.telemetry.setup import Telemetry, otlp_spans
from lightrouter.runtime.telemetry.spanqueue import SpanQueue
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Hold, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer
from tests.suite.rig import entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Upstream

Context = grpc.aio.ServicerContext[Any, Any]
Export = Callable[[bytes, Context], Awaitable[bytes]]
TEXTS = ("The river is long and slow.", "Mountains stand in the north.")
POLICY = Policy(
    boot_tokens=8,
    margin=1.0,
    agreement=1.0,
    selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR,
    aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
    # Whether calls are held depends on how long those before took.
    hold=Hold.HOLD_NEVER,
)
PATIENT = {"quorum": 1.0, "boot_grace_seconds": 600.0}
# More than a batch.
SPANS = 70


@asynccontextmanager
async def collector(export: Export) -> AsyncIterator[str]:
    """Serves OTLP's traces with `export`; yields the endpoint."""
    server = grpc.aio.server()
    method: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(export)
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def hang(_request: bytes, _context: Context) -> bytes:
    await asyncio.Event().wait()
    return b""


async def refuse(_request: bytes, context: Context) -> bytes:
    await context.abort(grpc.StatusCode.UNAVAILABLE, "nothing is taken here")


@asynccontextmanager
async def absent(_export: Export) -> AsyncIterator[str]:
    """Yields an endpoint at which nobody listens."""
    yield "http://127.0.0.1:9"


async def answers(folder: Path, spans: SpanQueue | None) -> list[Answer]:
    """Returns the answers of a suite with such telemetry, without what differs from run to run."""
    # gRPC would take up a connection to a socket of the suite before.
    folder = Path(tempfile.mkdtemp(dir=folder))
    async with (
        Upstream(behaviours.model(TEXTS[0])) as a,
        Upstream(behaviours.model(TEXTS[1])) as b,
        running(
            folder, entry("a", a.base_url, prior=0.9), entry("b", b.base_url), router=PATIENT, spans=spans
        ) as suite,
    ):
        return [await suite.complete(prompt(POLICY)) for _ in range(5)]


def without_times(answer: Answer) -> dict[str, Any]:
    answer.ClearField("route_id")
    answer.ClearField("trace_id")
    ledger = answer.ledger
    ledger.ClearField("elapsed")
    for line in (*ledger.entries, *ledger.stages):
        line.ClearField("elapsed")
        if hasattr(line, "time_to_first_token"):
            line.ClearField("time_to_first_token")
    lines = sorted(ledger.entries, key=lambda line: (line.stage, line.candidate))
    del ledger.entries[:]
    ledger.entries.extend(lines)
    return MessageToDict(answer)


@pytest.mark.parametrize(
    ("reached", "export"),
    [(collector, hang), (collector, refuse), (absent, hang)],
    ids=["hangs", "refuses", "absent"],
)
async def test_a_broken_collector_changes_no_answer(
    folder: Path, reached: Callable[[Export], Any], export: Export
) -> None:
    wanted = [without_times(answer) for answer in await answers(folder, None)]
    async with reached(export) as endpoint:
        spans = SpanQueue(SpanExporter(endpoint=endpoint, insecure=True), flush_seconds=0.1)
        assert [without_times(answer) for answer in await answers(folder, spans)] == wanted
        assert spans.dropped > 0


async def test_a_service_that_stops_sends_what_it_has() -> None:
    received: list[str] = []

    async def keep(request: bytes, _context: Context) -> bytes:
        for of_resource in ExportTraceServiceRequest.FromString(request).resource_spans:
            received.extend(span.name for span in of_resource.scope_spans[0].spans)
        return b""

    async with collector(keep) as endpoint:
        spans = otlp_spans(Target(endpoint))
        assert spans
        telemetry = Telemetry("test", spans)
        for number in range(SPANS):
            telemetry.tracer.start_span(str(number)).end()
        # It blocks, and this loop serves the collector.
        await asyncio.to_thread(telemetry.shutdown)
    assert received == [str(number) for number in range(SPANS)]
    assert spans.dropped == 0


async def test_a_service_that_stops_does_not_wait_for_a_collector_that_hangs() -> None:
    async with collector(hang) as endpoint:
        spans = SpanQueue(SpanExporter(endpoint=endpoint, insecure=True), flush_seconds=0.1)
        telemetry = Telemetry("test", spans)
        for number in range(SPANS):
            telemetry.tracer.start_span(str(number)).end()
        await asyncio.to_thread(telemetry.shutdown)
    assert spans.dropped == SPANS
