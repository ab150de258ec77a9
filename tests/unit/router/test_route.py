"""The whole route with scripted collaborators: the order of events, the ledger, spans, cancellation."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.router.events import Events
from lightrouter.router.rules import DriftRules, Shares
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.ledger import total
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, CONTINUATION_TRAILING, RankedCandidate, Ranking
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_ALL_CANDIDATES_FAILED, ERROR_REASON_COST_CEILING_TOO_LOW
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_AGGREGATOR_FAILED,
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_SELECTOR_FAILED,
    STAGE_AGGREGATE,
    STAGE_BOOT,
    STAGE_COMPLETE,
    STAGE_SELECT,
    Degradation,
    LedgerEntry,
)
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_PRIOR
from lightrouter.v1.router_pb2 import SELECTION_REASON_AGREEMENT, SELECTION_REASON_ONLY_ONE, Answer
from lightrouter.v1.selector_pb2 import SelectResponse
from tests.unit.router.builders import failure, pool_candidate, prompt, router, snapshot, traffic
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector, Model

POOL = snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c"))
SCORES = {"a": 0.9, "b": 0.8, "c": 0.7}


def fake(**models: Model) -> FakeModels:
    return FakeModels(POOL, **({name: Model() for name in POOL.candidates} | models))


def soon() -> Deadline:
    return Deadline.after(60)


async def test_a_route_from_boot_to_answer() -> None:
    log = EventLog()
    answer = await router(fake(), FakeSelector(SCORES)).route(prompt(), soon(), log)
    assert answer.text == log.text == "[one two three four ][one two three four ]"
    assert list(answer.candidates) == ["a", "b"]
    assert answer.aggregator == AGGREGATOR_STRATEGY_SYNTHESIZE
    assert [each.stage for each in answer.ledger.stages] == [STAGE_BOOT, STAGE_SELECT, STAGE_COMPLETE, STAGE_AGGREGATE]
    assert [entry.stage for entry in answer.ledger.entries] == [STAGE_BOOT] * 3 + [STAGE_COMPLETE] * 2
    assert log.kinds == ["started", *["booted"] * 3, "selection", "draft", "draft", "chunk", "chunk"]
    assert log.selection == answer.selection
    assert len(answer.route_id) == 32
    assert int(answer.route_id, 16)
    assert not answer.degraded


async def test_a_simple_prompt_is_cheap() -> None:
    models, aggregator = fake(), FakeAggregator()
    log = EventLog(text=False)
    selector = FakeSelector(SCORES, agreement=1.0)
    answer = await router(models, selector, aggregator).route(prompt(), soon(), log)
    assert answer.text == "one two three four "
    assert answer.selection.reason == SELECTION_REASON_AGREEMENT
    assert answer.aggregator == AGGREGATOR_STRATEGY_BEST
    assert models.asked(STAGE_COMPLETE) == ["a"]
    assert not aggregator.requests
    assert [each.stage for each in answer.ledger.stages] == [STAGE_BOOT, STAGE_SELECT, STAGE_COMPLETE]


async def test_a_finished_draft_needs_no_completion() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(words=["short"]))
    for events in (Events(), EventLog()):
        answer = await router(models).route(prompt(), soon(), events)
        assert answer.text == "short"
        assert answer.selection.reason == SELECTION_REASON_ONLY_ONE
        assert [each.stage for each in answer.ledger.stages] == [STAGE_BOOT, STAGE_SELECT]


async def test_the_best_draft_needs_no_aggregator() -> None:
    aggregator = FakeAggregator()
    request = prompt(aggregator=AGGREGATOR_STRATEGY_BEST)
    answer = await router(fake(), FakeSelector(SCORES), aggregator).route(request, soon(), Events())
    assert (answer.text, list(answer.candidates)) == ("one two three four ", ["a"])
    assert not aggregator.requests


async def test_one_draft_left_is_the_answer() -> None:
    fails = Model(fails={STAGE_COMPLETE: failure()})
    log = EventLog()
    answer = await router(fake(a=fails, c=fails), FakeSelector(SCORES)).route(prompt(), soon(), log)
    assert (answer.text, list(answer.candidates)) == ("one two three four ", ["b"])
    assert log.text == answer.text


async def test_a_ceiling_that_pays_for_one() -> None:
    request = prompt(max_cost_nanousd=60)
    answer = await router(fake(), FakeSelector(SCORES)).route(request, soon(), Events())
    assert list(answer.selection.chosen) == ["a"]
    assert {each.reason for each in answer.degraded} == {DEGRADED_REASON_COST_CEILING}
    assert answer.ledger.cost_nanousd <= 60


async def test_a_ceiling_pays_for_the_least_tokens_that_a_provider_was_found_to_take() -> None:
    routing = router(FakeModels(snapshot(pool_candidate("a")), a=Model(words=["short"], least_tokens=16)))
    # The prompt's 27 tokens and 2 of the boot, of which the provider was not asked yet.
    tight = prompt(max_cost_nanousd=29)
    assert (await routing.route(tight, soon(), Events())).text == "short"
    with pytest.raises(ServiceError) as caught:
        await routing.route(tight, soon(), Events())
    assert caught.value.reason == ERROR_REASON_COST_CEILING_TOO_LOW
    assert "takes 43" in caught.value.message


async def test_two_routes_of_one_trace_have_ids_of_their_own() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    routing = router(fake(), FakeSelector(SCORES), tracer=tracer)
    with tracer.start_as_current_span("caller"):
        answers = [await routing.route(prompt(), soon(), Events()) for _ in range(2)]
    assert len({answer.route_id for answer in answers}) == 2


async def test_the_stages_are_spans_of_one_trace() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    answer = await router(fake(), FakeSelector(SCORES), tracer=tracer).route(prompt(), soon(), Events())
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert list(spans) == ["boot", "select", "complete", "aggregate", "route"]
    route = spans["route"].get_span_context()
    assert route is not None
    assert (spans["route"].attributes or {})["lightrouter.route_id"] == answer.route_id
    for name in ("boot", "select", "complete", "aggregate"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == route.span_id
    attributes = spans["select"].attributes
    assert attributes is not None
    ranked = [dict(event.attributes or {}) for event in spans["select"].events]
    assert [event["lightrouter.score"] for event in ranked] == [0.9, 0.8, 0.7]
    assert attributes["lightrouter.strategy"] == "consensus"
    assert attributes["lightrouter.selection_reason"] == "policy"

    with pytest.raises(ServiceError):
        await router(fake(), tracer=tracer).route(prompt(candidates=["nobody"]), soon(), Events())
    failed = exporter.get_finished_spans()[-1].attributes
    assert failed is not None
    assert failed["error.type"] == "UNKNOWN_CANDIDATE"
    provider.shutdown()


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_leaves_no_call_and_no_task(stage: int, streaming: bool) -> None:
    hangs = Model(hangs={STAGE_BOOT if stage == STAGE_BOOT else STAGE_COMPLETE})
    models = FakeModels(POOL, a=hangs, b=hangs, c=hangs)
    events = EventLog(partials=True) if streaming else Events()
    task = asyncio.create_task(router(models, FakeSelector(SCORES)).route(prompt(), soon(), events))
    await models.hung(3 if stage == STAGE_BOOT else 2)
    calls = len(models.calls)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert models.running == 0
    assert len(models.calls) == calls
    assert asyncio.all_tasks() == {asyncio.current_task()}


@st.composite
def models_of(draw: st.DrawFn) -> FakeModels:
    """Draws a pool whose models write four-byte tokens, end early or late, think, and fail."""
    names = [f"c{index}" for index in range(draw(st.integers(1, 6)))]
    continuation = st.sampled_from([CONTINUATION_TRAILING, CONTINUATION_TRAILING, CONTINUATION_NONE])
    known = snapshot(
        *(
            pool_candidate(
                name,
                prior=draw(st.floats(0, 1)),
                price=draw(st.sampled_from([0, 333_333, 10**6, 7_654_321])),
                written=draw(st.sampled_from([None, None, 10**6, 30 * 10**6])),
                continuation=draw(continuation),
            )
            for name in names
        )
    )
    failing = st.dictionaries(st.sampled_from([STAGE_BOOT, STAGE_COMPLETE]), st.just(failure()), max_size=2)
    models = {
        name: Model(
            words=[f"{name[1]}{number:02} " for number in range(draw(st.integers(1, 12)))],
            fails=draw(failing) if draw(st.booleans()) else {},
            fails_after=draw(st.integers(0, 3)),
            hidden=draw(st.sampled_from([0, 0, 0, 1, 3])),
            forgets=draw(st.sampled_from([False, False, True])),
        )
        for name in names
    }
    return FakeModels(known, **models)


@settings(max_examples=120, deadline=None)
@given(
    models=models_of(),
    scores=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    agreement=st.floats(0, 1),
    k=st.integers(1, 7),
    quorum=st.floats(0.01, 1),
    ceiling=st.none() | st.integers(8, 400),
    streaming=st.booleans(),
    partials=st.booleans(),
    breaks=st.none() | st.integers(0, 2),
)
def test_invariants_of_every_route(
    models: FakeModels,
    scores: list[float],
    agreement: float,
    k: int,
    quorum: float,
    ceiling: int | None,
    streaming: bool,
    partials: bool,
    breaks: int | None,
) -> None:
    selector = FakeSelector(dict(zip(models.models, scores, strict=False)), agreement)
    aggregator = FakeAggregator()
    if breaks is not None:
        aggregator.error, aggregator.error_after = failure(), breaks
    log = EventLog(text=streaming, partials=partials)
    request = prompt(k=k, quorum=quorum, max_cost_nanousd=ceiling)
    # The grace is long: here the quorum ends no stage, and each call has an end that the seed decides.
    under_test = router(models, selector, aggregator, shares=Shares(grace_s=30.0))
    try:
        answer = asyncio.run(under_test.route(request, soon(), log))
    except ServiceError as raised:
        error = raised
    else:
        _check(answer, models, log, k, ceiling)
        return
    assert error.reason in {ERROR_REASON_ALL_CANDIDATES_FAILED, ERROR_REASON_COST_CEILING_TOO_LOW}
    assert set(error.failures) <= set(models.models)
    assert bool(error.failures) == (error.reason == ERROR_REASON_ALL_CANDIDATES_FAILED)


def _check(answer: Answer, models: FakeModels, log: EventLog, k: int, ceiling: int | None) -> None:
    usage, cost = total(answer.ledger.entries)
    assert answer.ledger.cost_nanousd == cost == sum(entry.cost_nanousd for entry in answer.ledger.entries)
    assert answer.ledger.usage == usage
    if ceiling is not None:
        assert cost <= ceiling

    booted = models.asked(STAGE_BOOT)
    assert len(booted) == len(set(booted))
    completions = [entry for entry in answer.ledger.entries if entry.stage == STAGE_COMPLETE]
    failures = sum(entry.HasField("failure") for entry in completions)
    asked = models.asked(STAGE_COMPLETE)
    assert len(asked) == len(set(asked)) == len(completions)
    assert len(answer.selection.chosen) <= k
    assert len(asked) <= len(answer.selection.chosen) + failures
    ended = {
        entry.candidate for entry in answer.ledger.entries if entry.stage == STAGE_BOOT and entry.finish_reason == 1
    }
    assert not ended & set(asked)

    assert answer.text.strip()
    assert log.text == answer.text
    assert log.kinds[0] == "started"
    assert set(answer.candidates) <= set(booted)
    if len(answer.candidates) == 1 and answer.aggregator == AGGREGATOR_STRATEGY_BEST:
        whole = "".join(models.models[answer.candidates[0]].words)
        assert whole.startswith(answer.text)


async def test_a_route_shows_the_traffic_what_its_candidates_did() -> None:
    watched = traffic(POOL)
    models = fake(c=Model(fails={STAGE_BOOT: failure()}))
    routes = router(models, FakeSelector(SCORES), watch=watched)
    for _ in range(4):
        await routes.route(prompt(), soon(), Events())
    first, second, third = (watched.of(name) for name in "abc")
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.requests == pytest.approx(4, abs=0.1)
    assert (first.failure_rate, third.failure_rate) == (0, 1)
    assert first.selected_share == second.selected_share == 1
    assert third.selected_share == 0
    # The answer is made of both drafts, so that agreement with it says something about each.
    assert first.agreement > 0.5


async def test_a_candidate_that_drifts_takes_no_part_until_it_is_explored() -> None:
    watched = traffic(POOL, DriftRules(run_length=10))
    models = fake()
    routes = router(models, FakeSelector(SCORES), watch=watched)
    for _ in range(300):
        await routes.route(prompt(), soon(), Events())
    models.models["c"].fails[STAGE_BOOT] = failure()
    for _ in range(200):
        await routes.route(prompt(), soon(), Events())
    models.calls.clear()
    answer = await routes.route(prompt(), soon(), Events())
    assert models.asked(STAGE_BOOT) == ["a", "b"]
    assert not answer.degraded
    # A caller that names it gets it.
    await routes.route(prompt(candidates=["a", "c"]), soon(), Events())
    assert models.asked(STAGE_BOOT) == ["a", "b", "a", "c"]


async def test_a_degradation_says_its_stage_and_the_failure_behind_it() -> None:
    selector, aggregator = FakeSelector(), FakeAggregator()
    selector.error = aggregator.error = failure("it broke", retry_after=2.0)
    models = fake(b=Model(fails={STAGE_BOOT: failure("no boot")}))
    answer = await router(models, selector, aggregator).route(prompt(), soon(), Events())
    told = {each.reason: each for each in answer.degraded}
    assert {reason: (each.stage, each.failure.message) for reason, each in told.items()} == {
        DEGRADED_REASON_CANDIDATE_FAILED: (STAGE_BOOT, "no boot"),
        DEGRADED_REASON_SELECTOR_FAILED: (STAGE_SELECT, "it broke"),
        DEGRADED_REASON_AGGREGATOR_FAILED: (STAGE_AGGREGATE, "it broke"),
    }
    assert told[DEGRADED_REASON_SELECTOR_FAILED].failure.retry_after.ToSeconds() == 2


async def test_a_degradation_of_another_service_says_the_failure_of_its_call() -> None:
    selector = FakeSelector(SCORES)
    line = LedgerEntry(stage=STAGE_SELECT, candidate="a", failure=failure("the judge broke").failure())
    ranked = [RankedCandidate(candidate=name, score=score) for name, score in SCORES.items()]
    selector.response = SelectResponse(
        ranking=Ranking(candidates=ranked),
        strategy=SELECTOR_STRATEGY_PRIOR,
        entries=[line],
        degraded=[Degradation(reason=DEGRADED_REASON_SELECTOR_FAILED, message="ranked by prior")],
    )
    (told,) = (await router(fake(), selector).route(prompt(), soon(), Events())).degraded
    assert (told.stage, told.failure.message) == (STAGE_SELECT, "the judge broke")
