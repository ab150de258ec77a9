"""The router over real channels: what its callers see when all goes well, and when it does not."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest

from lightrouter.router.__main__ import serve
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.candidate_pb2 import CANDIDATE_HEALTH_NOT_SERVING, CANDIDATE_HEALTH_SERVING
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_AGGREGATOR_FAILED,
    DEGRADED_REASON_AGGREGATOR_SLOW,
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_COMPLETION_FAILED,
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SELECTOR_SLOW,
    STAGE_BOOT,
    STAGE_COMPLETE,
    Stage,
)
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_PRIOR
from lightrouter.v1.router_pb2 import (
    CompleteRequest,
    ListCandidatesRequest,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import failure, prompt
from tests.unit.router.fakes import FakeAggregator, FakeSelector, Model

WHOLE = "one two three four "


@pytest.fixture
async def suite() -> AsyncIterator[RouterSuite]:
    async with RouterSuite() as running:
        yield running


def kinds(events: list[StreamCompleteResponse]) -> list[str]:
    return [event.WhichOneof("event") or "" for event in events]


def text(events: list[StreamCompleteResponse]) -> str:
    joined = ""
    for event in events:
        if event.HasField("chunk"):
            joined = event.chunk.text if event.chunk.restart else joined + event.chunk.text
    return joined


async def test_complete_answers_with_the_ledger(suite: RouterSuite) -> None:
    answer = (await suite.complete(prompt())).answer
    assert answer.text == f"[{WHOLE}][{WHOLE}]"
    assert list(answer.selection.chosen) == ["a", "b"]
    assert [entry.stage for entry in answer.ledger.entries] == [STAGE_BOOT] * 3 + [STAGE_COMPLETE] * 2
    assert answer.ledger.cost_nanousd == sum(entry.cost_nanousd for entry in answer.ledger.entries) > 0
    assert not answer.degraded


async def test_stream_complete_tells_what_happens(suite: RouterSuite) -> None:
    events = await suite.stream(prompt())
    assert kinds(events) == [
        "started",
        *["booted"] * 3,
        "selection",
        *["draft"] * 2,
        *["chunk"] * 2,
        "answer",
    ]
    assert list(events[0].started.candidates) == ["a", "b", "c"]
    assert events[0].started.policy.k == 2
    answer = events[-1].answer
    assert answer.text == ""
    assert text(events) == f"[{WHOLE}][{WHOLE}]"
    assert answer.route_id == events[0].started.route_id
    assert answer.selection == events[4].selection


async def test_partials_are_streamed_where_wanted(suite: RouterSuite) -> None:
    events = await suite.stream(prompt(k=1), partials=True)
    partials = dict.fromkeys(suite.models.models, "")
    for event in events:
        if event.HasField("partial_chunk"):
            partials[event.partial_chunk.candidate] += event.partial_chunk.text
    booted = {e.booted.partial.candidate: e.booted.partial.text for e in events if e.HasField("booted")}
    assert partials == booted == dict.fromkeys("abc", "one two ")
    assert text(events) == WHOLE


async def test_a_stream_that_breaks_off_is_gone_on_with(suite: RouterSuite) -> None:
    suite.models.models["a"] = Model(fails={STAGE_COMPLETE: failure()}, fails_after=1)
    events = await suite.stream(prompt(k=1))
    assert text(events) == WHOLE
    assert not any(event.chunk.restart for event in events)
    answer = events[-1].answer
    assert list(answer.candidates) == ["a", "b"]
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_COMPLETION_FAILED]


async def test_a_draft_takes_over_with_a_restart(suite: RouterSuite) -> None:
    suite.models.models["a"] = Model(fails={STAGE_COMPLETE: failure()}, fails_after=1)
    suite.models.models["b"] = Model(words=["brief"])
    suite.models.models["c"] = Model(fails={STAGE_COMPLETE: failure()})
    events = await suite.stream(prompt(k=1))
    assert text(events) == "brief"
    assert [event.chunk.restart for event in events if event.HasField("chunk")] == [False, False, True]


async def test_others_answer_for_those_that_fail(suite: RouterSuite) -> None:
    suite.models.models["a"] = Model(fails={STAGE_BOOT: failure()})
    answer = (await suite.complete(prompt())).answer
    assert list(answer.candidates) == ["b", "c"]
    assert [(each.reason, each.candidate) for each in answer.degraded] == [(DEGRADED_REASON_CANDIDATE_FAILED, "a")]
    failed = {e.candidate: e.failure.reason for e in answer.ledger.entries if e.HasField("failure")}
    assert failed == {"a": ERROR_REASON_UPSTREAM_ERROR}


async def test_an_adapter_that_is_not_there_is_a_candidate_that_failed() -> None:
    async with RouterSuite(down=["a"]) as suite:
        answer = (await suite.complete(prompt())).answer
    assert list(answer.candidates) == ["b", "c"]
    failed = {e.candidate: e.failure.reason for e in answer.ledger.entries if e.HasField("failure")}
    assert failed == {"a": ERROR_REASON_UPSTREAM_UNAVAILABLE}


@pytest.mark.parametrize("streaming", [False, True])
async def test_all_failing_is_unavailable_with_a_detail_each(suite: RouterSuite, streaming: bool) -> None:
    for name in suite.models.models:
        suite.models.models[name] = Model(fails={STAGE_BOOT: failure(f"{name} broke", retry_after=3.0)})
    with pytest.raises(ServiceError) as caught:
        await (suite.stream(prompt()) if streaming else suite.complete(prompt()))
    error = caught.value
    assert (error.code, error.reason) == (Code.UNAVAILABLE, ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert {name: (each.reason, each.message) for name, each in error.failures.items()} == {
        name: (ERROR_REASON_UPSTREAM_ERROR, f"{name} broke") for name in "abc"
    }
    assert error.retry_after == 3.0


async def test_a_route_answers_without_selector_and_aggregator() -> None:
    async with RouterSuite(down=["selector", "aggregator"]) as suite:
        answer = (await suite.complete(prompt(margin=1.0))).answer
    assert answer.text == WHOLE
    assert answer.selection.strategy == SELECTOR_STRATEGY_PRIOR
    assert [each.reason for each in answer.degraded] == [
        DEGRADED_REASON_SELECTOR_FAILED,
        DEGRADED_REASON_AGGREGATOR_FAILED,
    ]


class SlowSelector(FakeSelector):
    """Never answers."""

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class SlowAggregator(FakeAggregator):
    """Never gets beyond the first piece."""

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        async for event in super().aggregate(request, deadline):
            yield event
            await asyncio.Event().wait()


async def test_a_slow_selector_and_a_slow_aggregator_are_done_without() -> None:
    suite = RouterSuite(select_share=0.01, aggregate_share=0.01)
    suite.selector, suite.aggregator = SlowSelector(), SlowAggregator()
    async with suite:
        events = await suite.stream(prompt(margin=1.0))
    assert text(events) == WHOLE
    assert [event.chunk.restart for event in events if event.HasField("chunk")] == [False, True]
    assert [each.reason for each in events[-1].answer.degraded] == [
        DEGRADED_REASON_SELECTOR_SLOW,
        DEGRADED_REASON_AGGREGATOR_SLOW,
    ]


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
async def test_a_caller_that_leaves_cancels_every_call(suite: RouterSuite, stage: Stage.ValueType) -> None:
    for name in suite.models.models:
        suite.models.models[name] = Model(hangs={stage})
    call = suite.stub.Complete(CompleteRequest(prompt=prompt()))
    going = 3 if stage == STAGE_BOOT else 2
    await suite.models.hung(going)
    asked = len(suite.models.calls)
    call.cancel()
    await suite.models.quiet.wait()
    assert len(suite.models.cancelled) == going
    assert len(suite.models.calls) == asked


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
async def test_a_watching_caller_that_leaves_cancels_every_call(suite: RouterSuite, stage: Stage.ValueType) -> None:
    for name in suite.models.models:
        suite.models.models[name] = Model(hangs={stage})
    call = suite.stub.StreamComplete(StreamCompleteRequest(prompt=prompt(k=1), stream_partials=True))
    assert (await anext(aiter(call))).HasField("started")
    await suite.models.hung(3 if stage == STAGE_BOOT else 1)
    asked = len(suite.models.calls)
    call.cancel()
    await suite.models.quiet.wait()
    assert suite.models.cancelled
    assert len(suite.models.calls) == asked


@pytest.mark.parametrize("streaming", [False, True])
async def test_the_deadline_cancels_every_call(suite: RouterSuite, streaming: bool) -> None:
    for name in suite.models.models:
        suite.models.models[name] = Model(hangs={STAGE_BOOT})
    with pytest.raises(ServiceError) as caught:
        await (suite.stream(prompt(), timeout=0.3) if streaming else suite.complete(prompt(), timeout=0.3))
    assert caught.value.code == Code.DEADLINE_EXCEEDED
    if suite.models.calls:
        await suite.models.quiet.wait()
    assert suite.models.running == 0
    assert not suite.models.asked(STAGE_COMPLETE)


async def test_a_call_without_a_deadline_gets_the_default() -> None:
    async with RouterSuite(default_deadline_seconds=0.2) as suite:
        for name in suite.models.models:
            suite.models.models[name] = Model(hangs={STAGE_BOOT})
        with pytest.raises(ServiceError) as caught:
            await suite.complete(prompt())
    assert caught.value.reason == ERROR_REASON_DEADLINE_EXCEEDED


async def test_a_change_of_the_pool_takes_effect_at_once(suite: RouterSuite) -> None:
    await suite.change_entry("a", state="evicted")
    answer = (await suite.complete(prompt())).answer
    assert list(answer.candidates) == ["b", "c"]
    assert sorted(suite.models.asked(STAGE_BOOT)) == ["b", "c"]


async def test_health_follows_the_adapters(suite: RouterSuite) -> None:
    async with aclosing(suite.watch_health()) as serving:
        if not await anext(serving):
            assert await anext(serving)
        # One serving candidate is enough; the others may not have reported yet.
        while {status.health for status in (await suite.list_candidates()).candidates} != {CANDIDATE_HEALTH_SERVING}:
            pass
        for server in suite.adapters.values():
            await server.drain()
        assert not await anext(serving)
        listed = (await suite.list_candidates()).candidates
        assert [status.candidate.name for status in listed] == ["a", "b", "c"]
        assert {status.health for status in listed} == {CANDIDATE_HEALTH_NOT_SERVING}

        await suite.start_adapter("b")
        assert await anext(serving)
        listed = (await suite.list_candidates()).candidates
        assert [status.candidate.name for status in listed if status.health == CANDIDATE_HEALTH_SERVING] == ["b"]


async def test_the_process_serves_until_a_signal(tmp_path: Path) -> None:
    pool = tmp_path / "pool.yaml"
    pool.write_text("candidates: [{name: a, base_url: 'http://unused/v1', model: m}]", encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="router-") as folder:
        address = f"unix:{folder}/s"
        settings = RouterSettings(
            listen=address, pool=pool, selector_address=f"unix:{folder}/x", aggregator_address=f"unix:{folder}/y"
        )
        serving = asyncio.create_task(serve(settings))
        async with grpc.aio.insecure_channel(address, (("grpc.default_authority", "localhost"),)) as channel:
            stub = RouterServiceStub(channel)
            listed = await stub.ListCandidates(ListCandidatesRequest(), wait_for_ready=True)
            assert [status.candidate.name for status in listed.candidates] == ["a"]
            signal.raise_signal(signal.SIGTERM)
            await serving
