"""The metrics of an adapter: calls, queue and circuit."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from lightrouter.adapter import instruments as i
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.telemetry.metrics import Metrics
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE
from tests.measured import collected, series, values
from tests.rpc.adapter_support import CANDIDATE, adapter, generation, most, until
from tests.upstreams import behaviours
from tests.upstreams.upstream import Upstream

BOOT = ("chat", "openai", "tiny", CANDIDATE, "boot")
COMPLETE = ("chat", "openai", "tiny", CANDIDATE, "complete")


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


async def test_a_call_s_duration_and_tokens_are_the_convention_s(reader: InMemoryMetricReader) -> None:
    meter = Metrics(Resource.create({}), reader).meter("1")
    async with (
        Upstream(behaviours.model("It is long and slow.")) as upstream,
        adapter(upstream.base_url, meter=meter) as served,
    ):
        booted = await served.generate(generation(stage=STAGE_BOOT, sampling=most(8)))
        assert booted.result.finish_reason == FinishReason.FINISH_REASON_LENGTH
        await served.read(generation(stage=STAGE_COMPLETE), [])
    assert values(reader, i.CALL_DURATION) == {(*BOOT, ""): 1, (*COMPLETE, ""): 1}
    tokens = {(*stage, kind, ""): 1 for stage in (BOOT, COMPLETE) for kind in ("input", "output")}
    assert values(reader, i.CALL_TOKENS) == tokens
    assert values(reader, i.TIME_TO_FIRST_CHUNK) == {COMPLETE: 1}
    points = collected(reader)
    sums = {
        (dict(point)["lightrouter.stage"], dict(point)["gen_ai.token.type"]): measured.sum
        for point, measured in points[i.CALL_TOKENS.name].items()
        if isinstance(measured, HistogramDataPoint)
    }
    assert sums["boot", "output"] == booted.result.usage.output_tokens
    assert sums["boot", "input"] == booted.result.usage.input_tokens
    (duration, *_) = points[i.CALL_DURATION.name].values()
    assert isinstance(duration, HistogramDataPoint)
    assert tuple(duration.explicit_bounds) == i.CALL_DURATION.buckets


async def test_a_failure_has_its_reason_and_an_opened_circuit_is_seen(reader: InMemoryMetricReader) -> None:
    meter = Metrics(Resource.create({}), reader).meter("1")
    settings = {"circuit": {"failures": 1, "cooldown_s": 3600}, "limits": {"retries": 0}}
    async with (
        Upstream(behaviours.status(500)) as upstream,
        adapter(upstream.base_url, meter=meter, **settings) as served,
    ):
        states = {(CANDIDATE, "closed"): 1, (CANDIDATE, "open"): 0, (CANDIDATE, "half-open"): 0}
        assert values(reader, i.CIRCUIT_STATE) == states
        for _ in range(2):
            with pytest.raises(ServiceError):
                await served.generate(generation(stage=STAGE_BOOT))
        assert values(reader, i.CIRCUIT_STATE) == states | {(CANDIDATE, "closed"): 0, (CANDIDATE, "open"): 1}
        assert values(reader, i.CIRCUIT_OPENINGS) == {(CANDIDATE,): 1}
    # The circuit refused the second call, so there is no model call to measure.
    assert values(reader, i.CALL_DURATION) == {(*BOOT, "UPSTREAM_ERROR"): 1}
    assert values(reader, i.CALL_TOKENS) == {}


async def test_calls_before_the_provider_and_in_the_queue_are_seen(reader: InMemoryMetricReader) -> None:
    meter = Metrics(Resource.create({}), reader).meter("1")
    async with (
        Upstream(behaviours.hang) as upstream,
        adapter(upstream.base_url, meter=meter, limits={"concurrency": 1, "queue": 5}) as served,
    ):
        running = asyncio.create_task(served.generate(generation(stage=STAGE_BOOT)))
        await upstream.arrived()
        waiting = [asyncio.create_task(served.generate(generation(stage=STAGE_BOOT))) for _ in range(2)]
        await until(lambda: values(reader, i.CALLS_QUEUED) == {(CANDIDATE,): 2})
        assert values(reader, i.CALLS_IN_FLIGHT) == {(CANDIDATE,): 1}
        for call in waiting:
            call.cancel()
        await until(lambda: values(reader, i.CALLS_QUEUED) == {(CANDIDATE,): 0})
        running.cancel()
        await asyncio.wait((running, *waiting))
        await until(lambda: values(reader, i.CALLS_IN_FLIGHT) == {(CANDIDATE,): 0})
    assert values(reader, i.CALL_DURATION) == {(*BOOT, "CANCELLED"): 1}


async def test_callers_add_no_series(reader: InMemoryMetricReader) -> None:
    meter = Metrics(Resource.create({}), reader).meter("1")
    async with Upstream(behaviours.reply("Yes.")) as upstream, adapter(upstream.base_url, meter=meter) as served:
        await served.generate(generation(stage=STAGE_BOOT))
        after_one = series(reader)
        for number in range(50):
            await served.generate(generation(f"Is it {number}?", stage=STAGE_BOOT, sampling=most(1000 + number)))
        assert series(reader) == after_one
