"""The complete stage: drafts in the order of the ranking, and replacements of failed candidates."""

from __future__ import annotations

import asyncio
import math

import pytest

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.rules import Shares
from lightrouter.router.stages.boot import boot
from lightrouter.router.stages.complete import complete, completion_limit_s
from lightrouter.router.stages.select import select
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, Draft, ModelTarget, Partial
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_STRAGGLER,
)
from lightrouter.v1.ledger_pb2 import (
    COST_BASIS_LOWER_BOUND,
    DEGRADED_REASON_COMPLETION_FAILED,
    DEGRADED_REASON_COST_CEILING,
    STAGE_COMPLETE,
)
from lightrouter.v1.router_pb2 import Prompt
from tests.clock import Clock
from tests.unit.router.builders import failure, pool_candidate, prompt, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model
from tests.unit.router.test_boot import new_route

NAMES = ("a", "b", "c", "d")
POOL = snapshot(*(pool_candidate(name) for name in NAMES))
SCORES = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
FAILS = Model(fails={STAGE_COMPLETE: failure()})


def fake(**models: Model) -> FakeModels:
    return FakeModels(POOL, **({name: Model() for name in NAMES} | models))


# The time that a completion has, by these shares, before another candidate takes its place.
HALVES, HALF_S = Shares(grace_s=0.0, complete=0.5), 30.0


async def drafted(
    models: FakeModels,
    k: int = 2,
    request: Prompt | None = None,
    log: EventLog | None = None,
    shares: Shares | None = None,
) -> tuple[RouteContext, list[Draft]]:
    route = new_route(models, request, events=log, shares=shares)
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    return route, await complete(route, models, ranking, ranking.boots[:k])


async def test_the_chosen_go_on_from_their_boot_tokens() -> None:
    models = fake()
    route, drafts = await drafted(models)
    assert [(draft.candidate, draft.text, draft.score) for draft in drafts] == [
        ("a", "one two three four ", 0.9),
        ("b", "one two three four ", 0.8),
    ]
    calls = [call for call in models.calls if call.stage == STAGE_COMPLETE]
    assert [(call.candidate, call.prefix, call.continuation) for call in calls] == [
        ("a", "one two ", b"continuation of a"),
        ("b", "one two ", b"continuation of b"),
    ]
    assert {call.sampling.max_output_tokens for call in calls} == {6}
    assert not route.ledger.degraded


async def test_who_ended_in_the_boot_stage_is_never_asked_again() -> None:
    models = fake(a=Model(words=["short"]), b=Model(words=["brief"]))
    log = EventLog()
    _, drafts = await drafted(models, log=log)
    assert [draft.text for draft in drafts] == ["short", "brief"]
    assert models.asked(STAGE_COMPLETE) == []
    assert log.drafts == [("a", 5, None), ("b", 5, None)]


async def test_a_failure_is_replaced_by_the_next_in_the_ranking() -> None:
    models = fake(a=FAILS)
    log = EventLog()
    route, drafts = await drafted(models, log=log)
    assert [draft.candidate for draft in drafts] == ["b", "c"]
    assert models.asked(STAGE_COMPLETE) == ["a", "b", "c"]
    assert [(each.reason, each.candidate) for each in route.ledger.degraded] == [
        (DEGRADED_REASON_COMPLETION_FAILED, "a")
    ]
    assert [entry.candidate for entry in route.ledger.entries if entry.HasField("failure")] == ["a"]
    assert [(name, characters) for name, characters, _ in log.drafts if not characters] == [("a", 0)]


async def test_a_draft_in_reserve_is_taken_as_it_is() -> None:
    models = fake(a=FAILS, c=Model(words=["brief"]))
    _, drafts = await drafted(models)
    assert [(draft.candidate, draft.text) for draft in drafts] == [("b", "one two three four "), ("c", "brief")]
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]


async def test_fewer_drafts_where_nobody_is_left() -> None:
    _, drafts = await drafted(fake(a=FAILS, c=FAILS, d=FAILS))
    assert [draft.candidate for draft in drafts] == ["b"]


async def test_all_failing_names_each_failure() -> None:
    with pytest.raises(ServiceError) as caught:
        await drafted(fake(a=FAILS, b=FAILS, c=FAILS, d=FAILS))
    error = caught.value
    assert (error.code, error.reason) == (Code.UNAVAILABLE, ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert set(error.failures) == set(NAMES)


async def test_the_answers_limit_counts_boot_tokens_in() -> None:
    _, drafts = await drafted(fake(a=Model(words=[f"{number} " for number in range(50)])), k=1)
    assert drafts[0].text == "".join(f"{number} " for number in range(8))
    assert drafts[0].finish_reason == FINISH_REASON_LENGTH


async def test_boot_tokens_that_are_all_the_answer_may_have_make_a_draft() -> None:
    request = prompt()
    request.sampling.max_output_tokens = 2
    models = fake()
    _, drafts = await drafted(models, request=request)
    assert [draft.text for draft in drafts] == ["one two ", "one two "]
    assert models.asked(STAGE_COMPLETE) == []


async def test_a_draft_written_anew_is_whole_and_marked() -> None:
    pool = snapshot(pool_candidate("a", continuation=CONTINUATION_NONE), pool_candidate("b"))
    models = FakeModels(pool, a=Model(), b=Model())
    route, drafts = await drafted(models, k=1)
    assert drafts[0].text == "one two three four "
    assert route.ledger.entries[-1].restarted
    # The adapter adds the two boot tokens that are written again.
    assert models.calls[-1].sampling.max_output_tokens == 6


async def test_hidden_reasoning_that_ends_in_nothing_is_replaced() -> None:
    route, drafts = await drafted(fake(a=Model(words=[], hidden=3)), k=1)
    assert [draft.candidate for draft in drafts] == ["b"]
    line = next(entry for entry in route.ledger.entries if entry.stage == STAGE_COMPLETE and entry.candidate == "a")
    assert line.failure.reason == ERROR_REASON_EMPTY_OUTPUT


async def test_hidden_reasoning_becomes_visible() -> None:
    _, drafts = await drafted(fake(a=Model(hidden=2)), k=1)
    assert (drafts[0].text, drafts[0].finish_reason) == ("one two three four ", FINISH_REASON_STOP)


async def test_one_that_hangs_is_left_out_if_another_delivered(clock: Clock) -> None:
    models = fake(a=Model(hangs={STAGE_COMPLETE}))
    route, drafts = await clock.pass_after(models.hung(1), HALF_S, drafted(models, shares=HALVES))
    assert [draft.candidate for draft in drafts] == ["b"]
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_COMPLETION_FAILED]


async def test_one_that_hangs_alone_is_replaced(clock: Clock) -> None:
    models = fake(a=Model(hangs={STAGE_COMPLETE}))
    _, drafts = await clock.pass_after(models.hung(1), HALF_S, drafted(models, k=1, shares=HALVES))
    assert [draft.candidate for draft in drafts] == ["b"]


async def test_cancelling_cancels_every_call() -> None:
    models = fake(a=Model(hangs={STAGE_COMPLETE}), b=Model(hangs={STAGE_COMPLETE}))
    task = asyncio.create_task(drafted(models))
    await models.hung(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(models.cancelled) == ["a", "b"]
    assert models.running == 0
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]


async def test_the_ceiling_cuts_a_draft_short() -> None:
    # 27 tokens in and 2 out to boot; 29 in, 16 more that a template may add, and 6 out to complete.
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(words=[f"{number} " for number in range(8)]))
    route, drafts = await drafted(models, k=1, request=prompt(max_cost_nanousd=77))
    assert drafts[0].text == "0 1 2 3 4 "
    assert drafts[0].finish_reason == FINISH_REASON_LENGTH
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_COST_CEILING]
    assert sum(entry.cost_nanousd for entry in route.ledger.entries) == 77 - 16


async def test_a_ceiling_that_pays_for_reasoning_only_is_a_failure() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(hidden=3))
    with pytest.raises(ServiceError) as caught:
        await drafted(models, k=1, request=prompt(max_cost_nanousd=29))
    assert {name: each.reason for name, each in caught.value.failures.items()} == {"a": ERROR_REASON_EMPTY_OUTPUT}


async def test_the_ceiling_leaves_the_boot_text_as_the_draft() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model())
    route, drafts = await drafted(models, k=1, request=prompt(max_cost_nanousd=29))
    assert drafts[0].text == "one two "
    assert models.asked(STAGE_COMPLETE) == []
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_COST_CEILING]


async def test_what_one_that_hung_has_cost_is_not_known_and_stays_set_aside(clock: Clock) -> None:
    # 29 each to boot and 51 each to complete: with what the first may have cost, 50 are left for the second.
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")),
        a=Model(hangs={STAGE_COMPLETE}),
        b=Model(words=[f"{number} " for number in range(8)]),
    )
    request = prompt(max_cost_nanousd=159)
    completing = drafted(models, k=1, request=request, shares=HALVES)
    route, drafts = await clock.pass_after(models.hung(1), HALF_S, completing)
    assert [(draft.candidate, draft.text) for draft in drafts] == [("b", "0 1 2 3 4 5 6 ")]
    hung = route.ledger.entries[2]
    assert (hung.candidate, hung.cost_basis, hung.usage.output_tokens) == ("a", COST_BASIS_LOWER_BOUND, 0)
    assert sum(entry.cost_nanousd for entry in route.ledger.entries) == 159 - 51 - 16 + hung.cost_nanousd
    assert route.budget.left == 16
    assert DEGRADED_REASON_COST_CEILING in [each.reason for each in route.ledger.degraded]


async def test_a_boot_text_stands_in_where_the_money_reaches_for_no_replacement(clock: Clock) -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(hangs={STAGE_COMPLETE}), b=Model())
    request = prompt(max_cost_nanousd=109)
    completing = drafted(models, k=1, request=request, shares=HALVES)
    _, drafts = await clock.pass_after(models.hung(1), HALF_S, completing)
    assert [(draft.candidate, draft.text) for draft in drafts] == [("b", "one two ")]
    assert models.asked(STAGE_COMPLETE) == ["a"]


async def test_a_completion_that_hangs_is_not_waited_for_by_the_deadline() -> None:
    """The boot of two tokens took a millisecond: another six may take four, and eight at most."""
    models = fake(b=Model(hangs={STAGE_COMPLETE}, seconds=0.001))
    route = new_route(models, seconds=3600.0)
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    drafts = await complete(route, models, ranking, ranking.boots[:2])
    assert [draft.candidate for draft in drafts] == ["a"]
    assert models.cancelled == ["b"]
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]
    assert route.ledger.entries[-1].failure.reason == ERROR_REASON_STRAGGLER
    assert [(each.reason, each.candidate) for each in route.ledger.degraded] == [
        (DEGRADED_REASON_COMPLETION_FAILED, "b")
    ]


async def test_without_another_draft_a_slow_completion_is_waited_for() -> None:
    fails = Model(fails={STAGE_COMPLETE: failure()})
    models = fake(a=fails, c=fails, d=fails, b=Model(seconds=1e-9))
    _, drafts = await drafted(models)
    assert [draft.candidate for draft in drafts] == ["b"]


@pytest.mark.parametrize(("seconds", "grace_s", "expected"), [(0.5, 1.0, 4.0), (0.5, 9.0, 9.0), (0.0, 9.0, math.inf)])
async def test_a_completion_gets_twice_what_its_boot_lets_expect(
    seconds: float, grace_s: float, expected: float
) -> None:
    route = new_route(fake(), shares=Shares(grace_s=grace_s))
    candidate = route.admission.candidates[0]
    partial = Partial(candidate=candidate.name, text="one two ", finish_reason=FINISH_REASON_LENGTH)
    assert candidate.output_tokens == 8
    assert completion_limit_s(route, BootResult(candidate, partial, b"", 2, 2, seconds)) == expected


def test_what_going_on_may_take_is_known_by_the_pace_of_the_boot() -> None:
    candidate = RouteCandidate("a", pool_candidate("a"), ModelTarget(candidate="a"), boot_tokens=2, output_tokens=8)
    partial = Partial(candidate="a", text="one two ", finish_reason=FINISH_REASON_LENGTH)
    assert BootResult(candidate, partial, b"", 2, 2, 0.5).seconds_left == 2.0
    assert BootResult(candidate, partial, b"", 2, 2).seconds_left == math.inf
    assert BootResult.empty(candidate).seconds_left == math.inf
