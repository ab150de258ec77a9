"""A held call: what happens to it before, at and after its checkpoint, and while nobody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from lightrouter.adapter import instruments as i
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.metrics import Metrics
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, Stage
from tests.clock import Clock
from tests.held import Held, read, read_to_checkpoint
from tests.measured import collected, values
from tests.rpc.adapter_support import CANDIDATE, LONG, STOP, Adapter, adapter, generation, until
from tests.rpc.test_adapter_cancel import settled
from tests.rpc.test_adapter_learns import refuses
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

BOOT = ("chat", "openai", "tiny", CANDIDATE, "boot")


def dying(*texts: str) -> Behaviour:
    """Streams these texts, then resets the connection once the client has had time to read them."""
    return behaviours.reset_mid_stream(*texts)


async def read_and_fail(served: Adapter, tokens: int) -> tuple[Held, grpc.StatusCode]:
    """Returns what came before the call failed, and its status."""
    held, call = Held(), served.hold(generation(), tokens)
    try:
        async for event in call:
            held.take(event)
    except grpc.aio.AioRpcError as error:
        return held, error.code()
    raise AssertionError("the call did not fail")


@pytest.mark.parametrize(
    ("texts", "before", "after"),
    [
        (("a", "b"), "ab", None),
        (("a", "b", "c"), "abc", ""),
        (("a", "b", "c", "d", "e"), "abc", "de"),
        # Nothing of it is visible, and yet the caller knows that the call has begun.
        (("<think>", " ", "\n"), "", ""),
        (("\n", " ", "\n"), "", ""),
    ],
    ids=["before", "exactly at", "after", "exactly at, inside a block", "exactly at, without text"],
)
async def test_an_upstream_that_dies(texts: Sequence[str], before: str, after: str | None) -> None:
    async with Upstream(dying(*texts)) as upstream, adapter(upstream.base_url, limits={"retries": 3}) as served:
        held, status = await read_and_fail(served, 3)
        assert status is grpc.StatusCode.UNAVAILABLE
        assert held.before.text == before
        assert (held.checkpoint is None) == (after is None)
        assert held.after.text == (after or "")
        # No further attempt is made behind output or a checkpoint.
        assert len(upstream.requests) == 1


async def test_an_attempt_that_breaks_before_any_output_is_made_again() -> None:
    good = behaviours.tokens(["a", "b", "c"])
    async with Upstream(dying("<th"), good) as upstream, adapter(upstream.base_url) as served:
        held = await read(served.hold(generation(), 2))
        assert held.checkpoint is not None
        assert held.checkpoint.attempts == held.result.attempts == 2
        assert (held.before.text, held.after.text) == ("ab", "c")
        # The first attempt's tokens are in both counts.
        assert held.checkpoint.usage.input_tokens > 10


def chat(served: Adapter) -> ReadableSpan:
    (span,) = [span for span in served.spans.get_finished_spans() if span.name.startswith("chat")]
    return span


async def dropped(served: Adapter, upstream: Upstream, stage: Stage.ValueType = STAGE_BOOT) -> Held:
    """Holds a call to its checkpoint, cancels it, and waits until nothing of it is left."""
    call = served.hold(generation(stage=stage), 2, LONG)
    held = await read_to_checkpoint(call)
    assert upstream.open_connections == 1
    call.cancel()
    await settled(upstream, len(upstream.requests))
    return held


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize(
    "behaviour",
    [behaviours.hang_mid_stream("a", "b"), behaviours.endless, behaviours.drip("abc" * 1000, 0.01)],
    ids=["silent", "endless", "drip"],
)
async def test_a_dropped_call_closes_the_connection_at_once(stage: Stage.ValueType, behaviour: Behaviour) -> None:
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        await dropped(served, upstream, stage)


async def test_a_dropped_call_is_no_error() -> None:
    reader = InMemoryMetricReader()
    meter = Metrics(Resource.create({}), reader).meter("1")
    prices = {"input": "1", "output": "2"}
    async with (
        Upstream(behaviours.hang_mid_stream("a", "b")) as upstream,
        adapter(upstream.base_url, meter, prices=prices) as served,
    ):
        held = await dropped(served, upstream)
        span = chat(served)
    assert held.checkpoint is not None
    assert span.status.status_code is StatusCode.UNSET
    attributes = span.attributes or {}
    assert names.ERROR_TYPE not in attributes
    assert attributes[names.ESTIMATED] is True
    assert attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] == 2
    assert attributes[names.GEN_AI_USAGE_INPUT_TOKENS] == held.checkpoint.usage.input_tokens
    assert attributes[names.COST] == held.checkpoint.cost_nanousd
    events = {event.name: event.attributes or {} for event in span.events}
    assert list(events) == [names.CHECKPOINT, names.DROPPED]
    tokens = [marks[names.GEN_AI_USAGE_OUTPUT_TOKENS] for marks in events.values()]
    assert tokens == [2, 2]
    begun, ended = (marks[names.ELAPSED] for marks in events.values())
    assert isinstance(begun, float)
    assert isinstance(ended, float)
    assert 0 < begun <= ended
    assert values(reader, i.CALL_DURATION) == {(*BOOT, ""): 1}
    assert values(reader, i.CALL_TOKENS) == {(*BOOT, kind, "true"): 1 for kind in ("input", "output")}
    points = collected(reader)[i.CALL_TOKENS.name]
    sums = {
        dict(point)[names.GEN_AI_TOKEN_TYPE]: data.sum
        for point, data in points.items()
        if isinstance(data, HistogramDataPoint)
    }
    assert sums == {"input": held.checkpoint.usage.input_tokens, "output": 2}


async def test_a_provider_s_count_of_a_part_is_no_count_of_a_dropped_call() -> None:
    """Some count as they write, or give the count of the prompt first: the prompt's count is kept."""
    counted = {**behaviours.delta("a"), "usage": {"prompt_tokens": 7, "completion_tokens": 1}}

    async def behave(exchange: Exchange) -> None:
        await exchange.begin_events()
        for event in (counted, behaviours.delta("b"), behaviours.delta("c")):
            await exchange.event(event)
        await exchange.hang()

    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        held = await dropped(served, upstream)
        attributes = chat(served).attributes or {}
    assert held.checkpoint is not None
    assert (held.checkpoint.usage.input_tokens, held.checkpoint.usage.output_tokens) == (7, 2)
    assert attributes[names.GEN_AI_USAGE_INPUT_TOKENS] == 7
    assert attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] in {2, 3}
    assert attributes[names.ESTIMATED] is True


async def test_a_call_that_is_cancelled_before_its_checkpoint_is_an_error() -> None:
    reader = InMemoryMetricReader()
    meter = Metrics(Resource.create({}), reader).meter("1")
    async with (
        Upstream(behaviours.hang_mid_stream("a", "b")) as upstream,
        adapter(upstream.base_url, meter) as served,
    ):
        call = served.hold(generation(stage=STAGE_BOOT), 3, LONG)
        await anext(aiter(call))
        call.cancel()
        await settled(upstream, 1)
        span = chat(served)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[names.ERROR_TYPE] == "CANCELLED"
    assert values(reader, i.CALL_DURATION) == {(*BOOT, "CANCELLED"): 1}
    # Its tokens cost money nevertheless.
    assert values(reader, i.CALL_TOKENS) == {(*BOOT, kind, "true"): 1 for kind in ("input", "output")}


async def test_a_call_that_is_read_to_its_end_has_one_event_and_the_provider_s_count() -> None:
    async with Upstream(behaviours.tokens(["a", "b", "c"])) as upstream, adapter(upstream.base_url) as served:
        await read(served.hold(generation(), 2))
        span = chat(served)
    assert [event.name for event in span.events] == [names.CHECKPOINT]
    assert (span.attributes or {})[names.ESTIMATED] is False
    assert (span.attributes or {})[names.GEN_AI_USAGE_OUTPUT_TOKENS] == 3


async def test_a_dropped_call_shows_that_the_provider_works() -> None:
    circuit = {"failures": 1, "cooldown_s": 600}
    async with (
        Upstream(behaviours.status(500)) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits={"retries": 0}) as served,
    ):
        await read_and_fail(served, 2)
        assert not served.live.serving
        upstream.then(behaviours.hang_mid_stream("a", "b"))
        call = served.hold(generation(last_resort=True), 2, LONG)
        await read_to_checkpoint(call)
        call.cancel()
        await settled(upstream, 2)
        assert served.live.serving


async def test_a_dropped_call_teaches_what_the_provider_refuses() -> None:
    async def behave(exchange: Exchange) -> None:
        refused = behaviours.status(400, "'stream_options' is not supported")
        good = behaviours.hang_mid_stream("a", "b")
        await (refused if "stream_options" in exchange.request.body else good)(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        held = await dropped(served, upstream)
        assert held.checkpoint is not None
        assert held.checkpoint.attempts == 2
        assert await refuses(served) == ["stream_options"]


async def test_a_held_call_keeps_its_place() -> None:
    async with (
        Upstream(behaviours.hang_mid_stream("a", "b"), behaviours.tokens(["c"])) as upstream,
        adapter(upstream.base_url, limits={"concurrency": 1}) as served,
    ):
        first = served.hold(generation(), 2, LONG)
        await read_to_checkpoint(first)
        second = asyncio.create_task(read(served.hold(generation(), 2, LONG)))
        await until(lambda: served.live.engine.waiting == 1)
        assert len(upstream.requests) == 1
        first.cancel()
        assert (await second).before.text == "c"


class Endless:
    """Streams without end, as fast as the client reads, until it is stopped; counts the bytes."""

    def __init__(self) -> None:
        self.sent = 0
        self.stop = False

    async def __call__(self, exchange: Exchange) -> None:
        event = behaviours.delta("again and " * 100)
        await exchange.begin_events()
        while not self.stop:
            await exchange.event(event)
            self.sent += 1000
        await exchange.event(behaviours.delta(" end", "stop"))
        await exchange.end_chunks()

    async def stands_still(self) -> None:
        """Waits until nothing has been sent for many rounds of the event loop."""
        before, still = -1, 0
        while still < 500:
            still = still + 1 if self.sent == before else 0
            before = self.sent
            await asyncio.sleep(0)


# The buffers of the kernel, of HTTP/2 and of the adapter hold less.
MOST_BUFFERED = 64 * 1024 * 1024
LIMITS = {"max_response_bytes": 2**30, "request_timeout_s": 600}


async def test_a_reader_who_stops_stops_the_provider_and_lets_it_go_on() -> None:
    endless = Endless()
    async with Upstream(endless) as upstream, adapter(upstream.base_url, limits=LIMITS) as served:
        call = served.hold(generation(), 2, LONG)
        held = await read_to_checkpoint(call)
        await endless.stands_still()
        stopped_at = endless.sent
        assert stopped_at < MOST_BUFFERED
        read_so_far = 0
        async for event in call:
            held.take(event)
            read_so_far += len(event.chunk.text)
            endless.stop |= read_so_far > stopped_at
        assert held.result.finish_reason == STOP
        assert held.output[0].endswith("again and  end")
        assert len(held.output[0]) == endless.sent + len(" end")


@pytest.mark.parametrize("leaves", [False, True], ids=["stops", "leaves"])
async def test_a_reader_who_does_not_read_on_is_no_fault_of_the_provider(clock: Clock, leaves: bool) -> None:
    endless = Endless()
    circuit = {"failures": 1, "cooldown_s": 600, "silence_s": 0.001}
    async with Upstream(endless) as upstream, adapter(upstream.base_url, limits=LIMITS, circuit=circuit) as served:
        call = served.hold(generation(), 0, LONG)
        await anext(aiter(call))
        await endless.stands_still()
        if leaves:
            call.cancel()
        else:
            # The deadline bounds the reader who stops.
            clock.advance(LONG)
        await settled(upstream, 1)
        assert served.live.serving
