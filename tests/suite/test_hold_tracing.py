"""A held call is one span from its boot to its end, and a dropped call is no error anywhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from lightrouter.runtime.telemetry import names
from lightrouter.v1.router_pb2 import CompleteRequest, StreamCompleteRequest
from tests.load import floor
from tests.suite.rig import first_and_second, one_process, prompt, running
from tests.suite.test_hold import ALONE, BOOT, OTHER, PATIENT, TEXT, until_left, written
from tests.suite.test_waterfall import held_calls, truthful
from tests.suite.tracing import CALLER, Recorder, Tree, attribute, events
from tests.upstreams.upstream import Upstream


async def traced(folder: Path, *, watched: bool = False) -> Tree:
    """Returns the trace of a route whose winner ends only after its loser was left."""
    left, recorder = asyncio.Event(), Recorder()
    async with (
        Upstream(written(TEXT, BOOT + 3, left)) as first,
        Upstream(until_left(OTHER, left)) as second,
        running(folder, *first_and_second(first, second), router=PATIENT, spans=recorder) as suite,
    ):
        asked = prompt(ALONE)
        if watched:
            stream = suite.stub.StreamComplete(StreamCompleteRequest(prompt=asked), timeout=600, metadata=CALLER)
            assert [event async for event in stream]
        else:
            await suite.stub.Complete(CompleteRequest(prompt=asked), timeout=600, metadata=CALLER)
        return truthful(await recorder.tree())


def of(trace: Tree, candidate: str) -> ReadableSpan:
    (call,) = [span for span in trace.chats() if attribute(span, names.CANDIDATE) == candidate]
    return call


def caller_of(trace: Tree, call: ReadableSpan) -> ReadableSpan:
    """Returns the router's span of a model call: the client span above it."""
    above = trace.parent(call)
    while above and above.kind is not SpanKind.CLIENT:
        above = trace.parent(above)
    assert above
    return above


@pytest.mark.parametrize("watched", [False, True])
async def test_a_held_call_is_one_span_that_lasts_as_long_as_the_call(folder: Path, watched: bool) -> None:
    trace = await traced(folder, watched=watched)
    won, boot = of(trace, "first"), trace.one(names.BOOT)
    assert trace.below(names.BOOT) == {"chat model-of-first": 1, "chat model-of-second": 1}
    assert not trace.below(names.COMPLETE)
    assert (won.end_time or 0) > (trace.one(names.SELECT).end_time or 0) >= (boot.end_time or 0)
    assert attribute(won, names.STAGE) == "boot"
    assert attribute(won, names.GEN_AI_RESPONSE_FINISH_REASONS) == ("stop",)
    assert attribute(won, names.GEN_AI_USAGE_OUTPUT_TOKENS) == len(TEXT)
    (checkpoint,) = events(won, names.CHECKPOINT)
    assert checkpoint[names.GEN_AI_USAGE_OUTPUT_TOKENS] == BOOT
    assert not events(won, names.DROPPED)
    asked = caller_of(trace, won)
    assert [event.name for event in asked.events] == [names.CHECKPOINT, names.CHOSEN]
    (chosen,) = events(asked, names.CHOSEN)
    tokens = chosen[names.GEN_AI_USAGE_OUTPUT_TOKENS]
    assert isinstance(tokens, int)
    assert BOOT <= tokens < len(TEXT)
    assert chosen[names.ELAPSED]
    assert asked.events[1].timestamp >= (trace.one(names.SELECT).end_time or 0)


async def test_a_dropped_call_is_no_error_of_any_span(folder: Path) -> None:
    trace = await traced(folder)
    lost = of(trace, "second")
    assert [event.name for event in lost.events] == [names.CHECKPOINT, names.DROPPED]
    (dropped,) = events(lost, names.DROPPED)
    tokens = dropped[names.GEN_AI_USAGE_OUTPUT_TOKENS]
    assert isinstance(tokens, int)
    assert BOOT <= tokens <= BOOT + 2
    assert [event.name for event in caller_of(trace, lost).events] == [names.CHECKPOINT, names.DROPPED]
    assert attribute(lost, names.ESTIMATED) is True
    assert attribute(lost, names.COST)
    assert len(held_calls(trace)) == 6
    assert not [span.name for span in trace.spans if span.status.status_code is StatusCode.ERROR]
    assert not events(trace.one(names.BOOT), names.CANDIDATE_DROPPED)


async def test_the_floor_of_the_benchmark_has_no_more_spans_than_a_route(folder: Path) -> None:
    left, recorder = asyncio.Event(), Recorder()
    async with (
        Upstream(written(TEXT, BOOT + 3, left)) as first,
        Upstream(until_left(OTHER, left)) as second,
        one_process(folder, *first_and_second(first, second), router=PATIENT, spans=recorder) as suite,
    ):
        await suite.stub.Complete(CompleteRequest(prompt=prompt(ALONE)), timeout=600, metadata=CALLER)
        trace = await recorder.tree()
    stages, calls = [span for span in trace.spans if span not in trace.chats()], trace.chats()
    assert len(stages) >= floor.STAGES
    assert sum(len(span.attributes or {}) for span in stages) >= floor.STAGE_ATTRIBUTES * len(stages)
    for call in calls:
        assert len(call.attributes or {}) >= floor.CALL_ATTRIBUTES
        assert len(call.events) >= floor.CALL_EVENTS
        assert all(len(event.attributes or {}) >= floor.EVENT_ATTRIBUTES for event in call.events)
