"""Adaptive k: candidates finish their drafts one after the other, while one more is worth its price."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.router.rules import Shares
from lightrouter.router.stages.decide import next_by_gain
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_PROBATION, RankedCandidate, Ranking
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_CIRCUIT_OPEN
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, STAGE_SELECT
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, SELECTOR_STRATEGY_LEARNED, Policy
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN, Answer
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from tests.unit.router.builders import failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model
from tests.unit.router.test_decide import ranking

POOL = snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c"))
SCORES = {"a": 0.9, "b": 0.8, "c": 0.7}
SHORT = Model(words=("done ",))


def fake(**models: Model) -> FakeModels:
    return FakeModels(POOL, **({name: Model() for name in POOL.candidates} | models))


def knowing(**gains: float) -> FakeSelector:
    selector = FakeSelector(SCORES)
    selector.gains = dict.fromkeys(SCORES, 0.0) | gains
    selector.tokens = dict.fromkeys(SCORES, 2.0)
    return selector


async def route(models: FakeModels, selector: FakeSelector, log: EventLog | None = None, k: int = 3) -> Answer:
    asked = prompt(min_gain=50.0, aggregator=AGGREGATOR_STRATEGY_BEST, k=k)
    return await router(models, selector).route(asked, Deadline.after(60), log or EventLog())


async def test_one_more_goes_on_while_it_is_worth_it() -> None:
    models, selector, log = fake(), knowing(b=0.2, c=0.05), EventLog()
    answer = await route(models, selector, log)
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]
    assert list(answer.selection.chosen) == ["a", "b"]
    assert answer.selection.reason == SELECTION_REASON_GAIN
    assert answer.text == log.text == "one two three four "
    assert [each.stage for each in answer.ledger.stages].count(STAGE_SELECT) == 3
    seen = [{each.candidate: each.finish_reason for each in asked.partials} for asked in selector.requests]
    assert [each["a"] for each in seen] == [FINISH_REASON_LENGTH, FINISH_REASON_STOP, FINISH_REASON_STOP]
    assert [each["b"] for each in seen] == [FINISH_REASON_LENGTH, FINISH_REASON_LENGTH, FINISH_REASON_STOP]
    assert selector.requests[-1].partials[0].text == "one two three four "


async def test_the_time_of_a_ranking_between_drafts_is_the_rankings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Ranks(FakeSelector):
        async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
            nonlocal now
            now += 5.0
            return await super().select(request, deadline)

    selector = Ranks(SCORES)
    selector.gains, selector.tokens = {"a": 0.0, "b": 0.2, "c": 0.0}, dict.fromkeys(SCORES, 2.0)
    monkeypatch.setattr("lightrouter.router.ledger.time", SimpleNamespace(monotonic=lambda: now))
    answer = await route(fake(), selector)
    took = [(each.stage, each.elapsed.seconds) for each in answer.ledger.stages]
    assert took == [(STAGE_BOOT, 0), *[(STAGE_SELECT, 5)] * 3, (STAGE_COMPLETE, 0)]


async def test_never_more_than_k_go_on() -> None:
    models = fake()
    await route(models, knowing(b=1, c=1), k=2)
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]


@pytest.mark.parametrize(("share", "asked"), [(1.0, ["a", "b", "c"]), (1e-9, ["a"])])
async def test_no_further_candidate_goes_on_after_the_stage_s_time(share: float, asked: list[str]) -> None:
    models = fake()
    request = prompt(min_gain=50.0, aggregator=AGGREGATOR_STRATEGY_BEST, k=3)
    shares = Shares(grace_s=0.0, complete=share)
    await router(models, knowing(b=1, c=1), shares=shares).route(request, Deadline.after(60), EventLog())
    assert models.asked(STAGE_COMPLETE) == asked


@pytest.mark.parametrize(("ceiling", "asked"), [(138, ["a"]), (190, ["a", "b"]), (1_000, ["a", "b", "c"])])
async def test_no_further_candidate_goes_on_that_the_budget_does_not_cover(ceiling: int, asked: list[str]) -> None:
    # A token costs a nano-dollar: three boots take 87, a completion 51 at most and 35 in the end.
    models = fake()
    request = prompt(min_gain=50.0, aggregator=AGGREGATOR_STRATEGY_BEST, k=3, max_cost_nanousd=ceiling)
    answer = await router(models, knowing(b=1, c=1)).route(request, Deadline.after(60), EventLog())
    assert models.asked(STAGE_COMPLETE) == asked
    assert answer.ledger.cost_nanousd <= ceiling


async def test_no_further_candidate_goes_on_that_the_budget_would_cut_short() -> None:
    # Reading is free and a written token costs a nano-dollar: two boots take 4, what is left pays for 8 and then for 6.
    cheap = {name: pool_candidate(name, price=0, written=1_000_000) for name in "ab"}
    models = FakeModels(snapshot(*cheap.values()), a=Model(), b=Model())
    request = prompt(min_gain=50.0, aggregator=AGGREGATOR_STRATEGY_BEST, k=2, max_cost_nanousd=12)
    await router(models, knowing(b=1)).route(request, Deadline.after(60), EventLog())
    assert models.asked(STAGE_COMPLETE) == ["a"]


async def test_one_that_its_circuit_refused_at_first_is_weighed_like_the_others() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model())

    def gate(generation: Generation) -> None:
        if not generation.last_resort:
            raise ServiceError(Code.UNAVAILABLE, ERROR_REASON_CIRCUIT_OPEN, "left alone", retry_after=60.0)

    models.gate = gate
    await route(models, knowing(b=1))
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]


async def test_the_last_resort_s_draft_is_the_answer() -> None:
    pool = snapshot(*POOL.candidates.values(), pool_candidate("held", state=CANDIDATE_STATE_PROBATION))
    fails = Model(fails={STAGE_COMPLETE: failure()})
    models = FakeModels(pool, a=fails, b=fails, c=fails, held=Model())
    answer = await route(models, knowing(b=1, c=1))
    assert (answer.text, list(answer.candidates)) == ("one two three four ", ["held"])


async def test_a_draft_that_ended_in_the_boot_costs_nothing_and_may_be_the_answer() -> None:
    models = fake(a=SHORT)
    answer = await route(models, knowing(b=0.05, c=0.05))
    assert models.asked(STAGE_COMPLETE) == []
    assert answer.text == "done "
    assert list(answer.selection.chosen) == ["a"]


async def test_the_better_ranked_draft_is_the_answer_in_any_order() -> None:
    class Changing(FakeSelector):
        async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
            if len(self.requests) == 2:
                self.scores = {"a": 0.1, "b": 0.9, "c": 0.05}
            return await super().select(request, deadline)

    selector = Changing(SCORES)
    selector.gains, selector.tokens = {"a": 0.9, "b": 0.9, "c": 0.0}, dict.fromkeys(SCORES, 2.0)
    answer = await route(fake(b=Model(words=("two ", "is ", "right "))), selector)
    assert answer.text == "two is right "
    assert list(answer.selection.chosen) == ["b", "a"]


async def test_one_that_fails_is_replaced() -> None:
    models = fake(a=Model(fails={STAGE_COMPLETE: failure()}))
    answer = await route(models, knowing(b=0.01, c=0.01))
    assert list(answer.candidates) == ["b"]


async def test_a_route_fails_if_no_candidate_delivers() -> None:
    models = fake(**{name: Model(fails={STAGE_COMPLETE: failure()}) for name in POOL.candidates})
    with pytest.raises(ServiceError):
        await route(models, knowing(b=1, c=1))


async def test_the_policy_decides_without_gains() -> None:
    models = fake()
    await route(models, FakeSelector(SCORES), k=2)
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]


SHOWN = st.tuples(st.floats(0, 1), st.floats(0, 1), st.none() | st.floats(0, 1e6))


@given(st.lists(SHOWN, min_size=1, max_size=8), st.floats(0.001, 1000))
def test_the_first_always_goes_on_and_a_dearer_price_never_asks_for_more(
    shown: list[tuple[float, float, float | None]], price: float
) -> None:
    of = ranking([0.5] * len(shown), strategy=SELECTOR_STRATEGY_LEARNED)
    of.proto.CopyFrom(
        Ranking(
            candidates=[
                RankedCandidate(candidate=f"c{index}", score=score, gain=gain, expected_tokens=tokens)
                for index, (score, gain, tokens) in enumerate(shown)
            ]
        )
    )
    assert next_by_gain(of, Policy(min_gain=price)) is not None
    of.boots[0].partial.finish_reason = FINISH_REASON_STOP
    if next_by_gain(of, Policy(min_gain=price)) is None:
        assert next_by_gain(of, Policy(min_gain=price * 2)) is None
