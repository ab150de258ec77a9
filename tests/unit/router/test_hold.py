"""Held calls: the call that boots is the call that completes."""

from __future__ import annotations

import asyncio

import pytest

from lightrouter.router.events import Events
from lightrouter.router.rules import Shares
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.ledger import cost_nanousd, total
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_CANCELLED,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UPSTREAM_ERROR,
)
from lightrouter.v1.ledger_pb2 import (
    COST_BASIS_ESTIMATED,
    COST_BASIS_LOWER_BOUND,
    COST_BASIS_REPORTED,
    DEGRADED_REASON_COMPLETION_FAILED,
    STAGE_BOOT,
    STAGE_COMPLETE,
    LedgerEntry,
)
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, HOLD_ALWAYS, HOLD_NEVER, Policy
from lightrouter.v1.router_pb2 import Answer, Prompt
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from tests.unit.router.builders import defaults, failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model
from tests.unit.router.observing import Recorder

POOL = snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c"))
SCORES = {"a": 0.9, "b": 0.8, "c": 0.7}
WHOLE = "one two three four "


def fake(**models: Model) -> FakeModels:
    return FakeModels(POOL, **({name: Model() for name in POOL.candidates} | models))


def held(k: int = 1, **policy: object) -> Prompt:
    asked = prompt(**policy)  # type: ignore[arg-type]  # passed on as they are
    asked.policy.MergeFrom(Policy(hold=HOLD_ALWAYS, k=k, aggregator=AGGREGATOR_STRATEGY_BEST))
    return asked


async def routed(
    models: FakeModels, request: Prompt, events: Events | None = None, *, shares: Shares | None = None
) -> Answer:
    made = router(models, FakeSelector(SCORES), shares=shares)
    return await made.route(request, Deadline.after(60), events or Events())


def line_of(answer: Answer, candidate: str) -> LedgerEntry:
    (line,) = [entry for entry in answer.ledger.entries if entry.candidate == candidate]
    return line


@pytest.mark.parametrize("watched", [False, True])
async def test_the_call_that_boots_is_the_call_that_completes(watched: bool) -> None:
    models, log = fake(), EventLog()
    answer = await routed(models, held(), log if watched else None)
    assert answer.text == WHOLE
    assert answer.finish_reason == FINISH_REASON_STOP
    assert [(call.candidate, call.stage) for call in models.calls] == [(name, STAGE_BOOT) for name in "abc"]
    # The limit is that of the whole answer.
    assert {call.sampling.max_output_tokens for call in models.calls} == {8}
    line = line_of(answer, "a")
    assert (line.stage, line.went_on, line.cost_basis) == (STAGE_BOOT, True, COST_BASIS_REPORTED)
    assert line.usage.output_tokens == 4
    if watched:
        assert log.text == WHOLE
        assert not any(restart for _, restart in log.chunks)
        assert log.drafts == [("a", len(WHOLE), line)]
    await models.quiet.wait()


async def test_losers_are_dropped_at_the_choice_with_what_they_had_written() -> None:
    models = fake()
    models.rest["b"].clear()
    answer = await routed(models, held())
    assert models.cancelled == ["b"]
    line = line_of(answer, "b")
    assert (line.stage, line.went_on, line.cost_basis) == (STAGE_BOOT, False, COST_BASIS_ESTIMATED)
    assert not line.HasField("failure")
    assert line.finish_reason == FINISH_REASON_LENGTH
    assert line.usage.output_tokens == 2
    assert line.cost_nanousd == cost_nanousd(POOL.candidates["b"].prices, line.usage) > 0
    assert not answer.degraded
    assert answer.ledger.cost_nanousd == total(answer.ledger.entries)[1]


async def test_a_loser_that_ended_while_it_was_held_has_its_reported_cost() -> None:
    answer = await routed(fake(), held())
    # Both losers had written everything before the choice.
    for name in "bc":
        line = line_of(answer, name)
        assert (line.went_on, line.cost_basis, line.finish_reason) == (False, COST_BASIS_REPORTED, FINISH_REASON_STOP)
        assert line.usage.output_tokens == 4


async def test_a_call_that_ends_before_the_checkpoint_has_a_draft() -> None:
    models = fake(a=Model(words=["short"]))
    answer = await routed(models, held())
    assert answer.text == "short"
    assert not line_of(answer, "a").went_on


async def test_hidden_reasoning_is_held_too() -> None:
    models = fake(a=Model(hidden=2), b=Model(hidden=5))
    answer = await routed(models, held())
    assert answer.text == WHOLE
    assert line_of(answer, "a").usage.reasoning_tokens == 2


@pytest.mark.parametrize("watched", [False, True])
async def test_a_winner_that_dies_after_the_choice_is_replaced_by_a_second_call(watched: bool) -> None:
    models = fake(a=Model(dies=failure()))
    models.rest["a"].clear()

    class Choosing(FakeSelector):
        async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
            response = await super().select(request, deadline)
            asyncio.get_running_loop().call_later(0, models.rest["a"].set)
            return response

    log = EventLog()
    made = router(models, Choosing(SCORES))
    answer = await made.route(held(), Deadline.after(60), log if watched else Events())
    assert answer.text == WHOLE
    died = line_of(answer, "a")
    assert (died.stage, died.went_on, died.failure.reason) == (STAGE_BOOT, True, ERROR_REASON_UPSTREAM_ERROR)
    assert died.usage.output_tokens >= 2
    assert (died.cost_basis, died.cost_nanousd > 0) == (COST_BASIS_ESTIMATED, True)
    assert [entry.stage for entry in answer.ledger.entries if entry.candidate == "b"] == [STAGE_BOOT, STAGE_COMPLETE]
    assert DEGRADED_REASON_COMPLETION_FAILED in [each.reason for each in answer.degraded]
    if watched:
        assert log.text == WHOLE


async def test_a_call_that_dies_while_it_is_held_is_resumed_from_its_checkpoint() -> None:
    models = fake(a=Model(dies=failure()))
    answer = await routed(models, held())
    assert answer.text == WHOLE
    first, second = (entry for entry in answer.ledger.entries if entry.candidate == "a")
    assert (first.stage, first.went_on, first.failure.reason) == (STAGE_BOOT, False, ERROR_REASON_UPSTREAM_ERROR)
    assert (second.stage, second.HasField("failure")) == (STAGE_COMPLETE, False)
    (call,) = [call for call in models.calls if call.stage == STAGE_COMPLETE]
    assert (call.prefix, call.continuation) == ("one two ", b"continuation of a")


async def test_all_that_die_after_the_choice_are_named() -> None:
    dead = Model(dies=failure(), fails={STAGE_COMPLETE: failure("gone")})
    with pytest.raises(ServiceError) as caught:
        await routed(fake(a=dead, b=dead, c=dead), held())
    assert caught.value.reason == ERROR_REASON_ALL_CANDIDATES_FAILED
    assert {name: each.message for name, each in caught.value.failures.items()} == dict.fromkeys("abc", "gone")


async def test_a_straggler_is_dropped_before_its_checkpoint() -> None:
    models = fake(c=Model(hangs={STAGE_BOOT}))
    answer = await routed(models, held(quorum=0.6))
    line = line_of(answer, "c")
    assert (line.failure.reason, line.cost_basis) == (ERROR_REASON_STRAGGLER, COST_BASIS_LOWER_BOUND)
    # Its prompt was read.
    assert line.usage.input_tokens > 0
    assert models.cancelled == ["c"]


async def test_a_caller_that_leaves_ends_every_call_and_all_are_recorded() -> None:
    models, recorder = fake(b=Model(hangs={STAGE_BOOT})), Recorder()
    for event in models.rest.values():
        event.clear()
    made = router(models, FakeSelector(SCORES), observers=[recorder], shares=Shares(grace_s=60.0))
    task = asyncio.create_task(made.route(held(), Deadline.after(60), Events()))
    await models.hung(1)
    assert {await models.checkpoints.get(), await models.checkpoints.get()} == {"a", "c"}
    task.cancel()
    await asyncio.wait((task,))
    await models.quiet.wait()
    assert sorted(models.cancelled) == ["a", "b", "c"]
    (record,) = recorder.records
    lines = {entry.candidate: entry for entry in record.ledger.entries}
    assert lines.keys() == {"a", "b", "c"}
    assert lines["b"].failure.reason == ERROR_REASON_CANCELLED
    assert all(line.cost_nanousd for line in lines.values())


@pytest.mark.parametrize("watched", [False, True])
async def test_a_slow_winner_is_a_straggler_once_there_is_another_draft(watched: bool) -> None:
    models = fake(a=Model(seconds=0.0001))
    models.rest["a"].clear()
    answer = await routed(models, held(k=2), EventLog() if watched else None, shares=Shares(grace_s=0.001))
    assert answer.text == WHOLE
    assert line_of(answer, "a").failure.reason == ERROR_REASON_STRAGGLER
    assert line_of(answer, "a").went_on
    assert models.cancelled == ["a"]


async def test_one_draft_after_the_other_holds_the_first_and_resumes_the_next() -> None:
    selector = FakeSelector(SCORES)
    selector.gains = {"a": 0.5, "b": 0.5, "c": 0.0}
    models = fake()
    answer = await router(models, selector).route(held(k=2, min_gain=0.001), Deadline.after(60), Events())
    assert [(entry.candidate, entry.stage, entry.went_on) for entry in answer.ledger.entries if entry.went_on] == [
        ("a", STAGE_BOOT, True)
    ]
    assert models.asked(STAGE_COMPLETE) == ["b"]


def pay(ceiling: int, k: int = 1) -> Prompt:
    return held(k, max_cost_nanousd=ceiling)


async def test_a_ceiling_that_pays_for_no_held_calls_cuts_them() -> None:
    # 29 for each boot of 2 tokens, 35 for a call of 8; the second call of one draft is 51.
    models = fake()
    answer = await routed(models, pay(3 * 35 + 51 - 1))
    assert [call.sampling.max_output_tokens for call in models.calls if call.stage == STAGE_BOOT] == [2, 2, 2]
    assert models.asked(STAGE_COMPLETE) == ["a"]
    assert answer.text == WHOLE


@pytest.mark.parametrize("ceiling", range(60, 240, 7))
@pytest.mark.parametrize("k", [1, 2, 3])
async def test_held_calls_stay_below_the_ceiling(ceiling: int, k: int) -> None:
    answer = await routed(fake(a=Model(hidden=1)), pay(ceiling, k=k))
    assert 0 < answer.ledger.cost_nanousd <= ceiling


async def test_a_candidate_that_cannot_continue_goes_on_all_the_same() -> None:
    pool = snapshot(*(pool_candidate(name, continuation=CONTINUATION_NONE) for name in "ab"))
    models = FakeModels(pool, a=Model(), b=Model())
    log = EventLog()
    answer = await routed(models, held(), log)
    assert answer.text == log.text == WHOLE
    assert not line_of(answer, "a").restarted
    assert not any(restart for _, restart in log.chunks)


@pytest.mark.parametrize("hold", [HOLD_ALWAYS, HOLD_NEVER])
async def test_the_caller_sees_the_same_boots_and_drafts(hold: int) -> None:
    models, log = fake(b=Model(words=["short"])), EventLog(partials=True)
    answer = await routed(models, prompt(hold=hold, k=2), log)
    assert log.partials == {"a": "one two ", "b": "short", "c": "one two "}
    assert {partial.candidate: partial.text for partial, _ in log.boots} == log.partials
    assert [(name, size) for name, size, _ in log.drafts] == [("b", 5), ("a", len(WHOLE))]
    assert answer.text == f"[{WHOLE}][short]"


async def test_the_policy_of_the_configuration_holds() -> None:
    models = fake()
    made = router(models, FakeSelector(SCORES), with_defaults=defaults(hold=HOLD_ALWAYS, k=1))
    await made.route(prompt(), Deadline.after(60), Events())
    assert models.asked(STAGE_COMPLETE) == []
