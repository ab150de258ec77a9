"""The select stage, with and without a selector."""

from __future__ import annotations

import pytest

from lightrouter.router.context import BootRanking, RouteContext
from lightrouter.router.stages.boot import boot
from lightrouter.router.stages.select import select
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.ledger import AT_THE_DOOR
from lightrouter.v1.candidate_pb2 import RankedCandidate, Ranking
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_INTERNAL,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
    ErrorReason,
    Failure,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SELECTOR_SLOW,
    STAGE_SELECT,
    DegradedReason,
    LedgerEntry,
)
from lightrouter.v1.policy_pb2 import (
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LLM,
    SELECTOR_STRATEGY_PRIOR,
    AnswerPattern,
)
from lightrouter.v1.router_pb2 import Prompt
from lightrouter.v1.selector_pb2 import SelectResponse
from tests.unit.router.builders import failure, pool_candidate, prompt, snapshot
from tests.unit.router.fakes import FakeModels, FakeSelector, Model
from tests.unit.router.test_boot import new_route

POOL = snapshot(pool_candidate("a", prior=0.2), pool_candidate("b", prior=0.9), pool_candidate("c", prior=0.4))


async def ranked(
    selector: FakeSelector, request: Prompt | None = None, *, hidden: int = 0
) -> tuple[RouteContext, BootRanking, list[str]]:
    fake = FakeModels(POOL, **{name: Model(hidden=hidden) for name in POOL.candidates})
    route = new_route(fake, request)
    ranking = await select(route, await boot(route, fake), selector)
    return route, ranking, [each.candidate.name for each in ranking.boots]


async def test_the_selector_ranks() -> None:
    selector = FakeSelector({"a": 0.9, "c": 0.8, "b": 0.1}, agreement=0.4)
    selector.entries = [LedgerEntry(stage=STAGE_SELECT, candidate="b", cost_nanousd=5)]
    request = prompt(answer_pattern=AnswerPattern(re2="x"))
    request.sampling.seed = 11
    route, ranking, names = await ranked(selector, request)
    assert names == ["a", "c", "b"]
    assert ranking.strategy == SELECTOR_STRATEGY_CONSENSUS
    assert abs(ranking.proto.agreement - 0.4) < 1e-9
    asked = selector.requests[0]
    assert [(partial.candidate, partial.text) for partial in asked.partials] == [
        ("a", "one two "),
        ("b", "one two "),
        ("c", "one two "),
    ]
    assert (asked.seed, asked.answer_pattern.re2, asked.messages[0].content) == (11, "x", "What is it?")
    assert not asked.HasField("judge")
    assert route.ledger.entries[-1].cost_nanousd == 5


async def test_the_judge_goes_with_an_llm() -> None:
    selector = FakeSelector()
    await ranked(selector, prompt(selector=SELECTOR_STRATEGY_LLM))
    assert selector.requests[0].judge == POOL.targets["b"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failure("it fell over"), DEGRADED_REASON_SELECTOR_FAILED),
        (deadline_exceeded("too late"), DEGRADED_REASON_SELECTOR_SLOW),
    ],
)
async def test_priors_rank_without_a_selector_and_the_answer_says_so(
    error: ServiceError, reason: DegradedReason.ValueType
) -> None:
    selector = FakeSelector()
    selector.error = error
    route, ranking, names = await ranked(selector)
    assert names == ["b", "c", "a"]
    assert [each.score for each in ranking.proto.candidates] == [0.9, 0.4, 0.2]
    assert ranking.strategy == SELECTOR_STRATEGY_PRIOR
    assert ranking.proto.agreement == 0.0
    assert [each.reason for each in route.ledger.degraded] == [reason]
    assert error.message in route.ledger.degraded[0].message


@pytest.mark.parametrize(
    ("reason", "is_back"),
    [
        *((reason, True) for reason in sorted(AT_THE_DOOR)),
        # Its judge may have been asked.
        (ERROR_REASON_INTERNAL, False),
        (ERROR_REASON_UPSTREAM_UNAVAILABLE, False),
        (ERROR_REASON_DEADLINE_EXCEEDED, False),
    ],
)
async def test_the_money_of_a_judge_that_was_not_asked_is_there_again(
    reason: ErrorReason.ValueType, is_back: bool
) -> None:
    asked = FakeSelector()
    asked.error = ServiceError(Code.UNAVAILABLE, reason, "no")
    with_judge, _, _ = await ranked(asked, prompt(selector=SELECTOR_STRATEGY_LLM, max_cost_nanousd=100_000))
    without, _, _ = await ranked(asked, prompt(selector=SELECTOR_STRATEGY_CONSENSUS, max_cost_nanousd=100_000))
    assert (with_judge.budget.left == without.budget.left) is is_back
    assert with_judge.budget.left <= without.budget.left


@pytest.mark.parametrize("given", [[], ["a", "b"], ["a", "b", "b"], ["a", "b", "c", "d"]])
async def test_a_ranking_of_others_is_no_ranking(given: list[str]) -> None:
    selector = FakeSelector()
    ranking = Ranking(candidates=[RankedCandidate(candidate=name) for name in given])
    spent = LedgerEntry(stage=STAGE_SELECT, candidate="b", cost_nanousd=5)
    selector.response = SelectResponse(ranking=ranking, entries=[spent])
    route, _, names = await ranked(selector)
    assert names == ["b", "c", "a"]
    assert route.ledger.entries[-1] == spent
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_SELECTOR_FAILED]


async def test_hidden_reasoning_is_not_judged_on_nothing() -> None:
    selector = FakeSelector()
    route, ranking, names = await ranked(selector, hidden=4)
    assert names == ["b", "c", "a"]
    assert ranking.strategy == SELECTOR_STRATEGY_PRIOR
    assert not selector.requests
    assert not route.ledger.degraded


async def test_one_alone_needs_no_ranking() -> None:
    selector = FakeSelector()
    _, ranking, names = await ranked(selector, prompt(candidates=["c"]))
    assert names == ["c"]
    assert ranking.proto.agreement == 1.0
    assert not selector.requests


async def test_a_judge_that_the_ceiling_does_not_pay_for_is_left_out() -> None:
    selector = FakeSelector()
    route, _, _ = await ranked(selector, prompt(selector=SELECTOR_STRATEGY_LLM, max_cost_nanousd=300))
    assert selector.requests[0].strategy == SELECTOR_STRATEGY_CONSENSUS
    assert not selector.requests[0].HasField("judge")
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_COST_CEILING]
    route, _, _ = await ranked(selector, prompt(selector=SELECTOR_STRATEGY_LLM, max_cost_nanousd=100_000))
    assert selector.requests[1].strategy == SELECTOR_STRATEGY_LLM
    assert not route.ledger.degraded


@pytest.mark.parametrize(
    ("reason", "kept"),
    [(ERROR_REASON_DEADLINE_EXCEEDED, True), (ERROR_REASON_CANCELLED, True), (ERROR_REASON_INTERNAL, False)],
)
async def test_the_possible_cost_of_a_judge_that_was_cut_off_stays_reserved(
    reason: ErrorReason.ValueType, kept: bool
) -> None:
    selector = FakeSelector()
    selector.entries = [LedgerEntry(stage=STAGE_SELECT, candidate="a", failure=Failure(reason=reason))]
    request = prompt(selector=SELECTOR_STRATEGY_LLM, max_cost_nanousd=100_000)
    route, _, _ = await ranked(selector, request)
    # 29 each to boot.
    assert (route.budget.left < 100_000 - 3 * 29) is kept
