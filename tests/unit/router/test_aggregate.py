"""The aggregate stage: the answer of several drafts, with and without an aggregator."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lightrouter.router.context import Merged, RouteContext
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.stages.aggregate import aggregate
from lightrouter.runtime.errors import ServiceError, deadline_exceeded
from lightrouter.v1.aggregator_pb2 import AnswerChunk
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP, Usage
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_AGGREGATOR_FAILED,
    DEGRADED_REASON_AGGREGATOR_SLOW,
    DEGRADED_REASON_COST_CEILING,
    STAGE_AGGREGATE,
    DegradedReason,
    LedgerEntry,
)
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    AGGREGATOR_STRATEGY_VOTE,
    AnswerPattern,
)
from lightrouter.v1.router_pb2 import Prompt
from tests.unit.router.builders import failure, pool_candidate, prompt, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels
from tests.unit.router.test_boot import new_route

DRAFTS = [
    Draft(candidate="a", text="first", score=0.9, finish_reason=FINISH_REASON_LENGTH),
    Draft(candidate="b", text="second", score=0.8),
]
BEST = Merged("first", FINISH_REASON_LENGTH, ["a"], AGGREGATOR_STRATEGY_BEST)


async def merged(
    aggregator: FakeAggregator, request: Prompt | None = None, pool: PoolSnapshot | None = None
) -> tuple[RouteContext, EventLog, Merged]:
    log = EventLog()
    route = new_route(
        FakeModels(pool or snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c"))),
        request,
        events=log,
    )
    answer = await aggregate(route, DRAFTS, route.admission.candidates[:2], aggregator)
    assert log.text == answer.text
    return route, log, answer


def targets(aggregator: FakeAggregator) -> Sequence[str]:
    return [target.candidate for target in aggregator.requests[0].synthesizers]


async def test_the_aggregator_merges_piece_by_piece() -> None:
    aggregator = FakeAggregator()
    aggregator.entries = [LedgerEntry(stage=STAGE_AGGREGATE, candidate="a", cost_nanousd=3)]
    route, log, answer = await merged(aggregator)
    assert log.chunks == [("[first]", False), ("[second]", False)]
    assert answer == Merged(
        "[first][second]", FINISH_REASON_STOP, ["a", "b"], AGGREGATOR_STRATEGY_SYNTHESIZE, ["They differ."]
    )
    assert list(aggregator.requests[0].drafts) == DRAFTS
    assert aggregator.requests[0].sampling.max_output_tokens == 8
    assert route.ledger.entries[-1].cost_nanousd == 3
    assert not route.ledger.degraded


async def test_the_best_ranked_merge_unless_the_pool_names_one() -> None:
    aggregator = FakeAggregator()
    await merged(aggregator)
    assert targets(aggregator) == ["a", "b"]
    for named, expected in (("c", ["c", "a", "b"]), ("b", ["b", "a"])):
        aggregator = FakeAggregator()
        await merged(
            aggregator, pool=snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c"), synthesizer=named)
        )
        assert targets(aggregator) == expected


async def test_voting_needs_no_model() -> None:
    aggregator = FakeAggregator()
    request = prompt(aggregator=AGGREGATOR_STRATEGY_VOTE, answer_pattern=AnswerPattern(re2="x"))
    await merged(aggregator, request)
    assert targets(aggregator) == []
    assert aggregator.requests[0].answer_pattern.re2 == "x"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failure("it fell over"), DEGRADED_REASON_AGGREGATOR_FAILED),
        (deadline_exceeded("too late"), DEGRADED_REASON_AGGREGATOR_SLOW),
    ],
)
@pytest.mark.parametrize("after", [0, 1, 2])
async def test_the_best_draft_is_the_answer_without_an_aggregator(
    error: ServiceError, reason: DegradedReason.ValueType, after: int
) -> None:
    aggregator = FakeAggregator()
    aggregator.error, aggregator.error_after = error, after
    route, log, answer = await merged(aggregator)
    assert answer == BEST
    assert log.chunks[-1] == ("first", after > 0)
    assert [each.reason for each in route.ledger.degraded] == [reason]


@pytest.mark.parametrize("pieces", [[], [AnswerChunk(text=" ")], [AnswerChunk(text="x"), AnswerChunk(restart=True)]])
async def test_an_empty_answer_is_none(pieces: list[AnswerChunk]) -> None:
    aggregator = FakeAggregator()
    aggregator.pieces = pieces
    aggregator.entries = [LedgerEntry(stage=STAGE_AGGREGATE, candidate="a", cost_nanousd=3)]
    route, _, answer = await merged(aggregator)
    assert answer == BEST
    assert route.ledger.entries == aggregator.entries
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_AGGREGATOR_FAILED]


async def test_a_stream_without_a_result_is_a_failure() -> None:
    aggregator = FakeAggregator()
    aggregator.result = False
    _, _, answer = await merged(aggregator)
    assert answer == BEST


async def test_a_restart_voids_what_came_before() -> None:
    aggregator = FakeAggregator()
    aggregator.pieces = [AnswerChunk(text="void"), AnswerChunk(text="new ", restart=True), AnswerChunk(text="text")]
    _, log, answer = await merged(aggregator)
    assert answer.text == "new text"
    assert log.chunks == [("void", False), ("new ", True), ("text", False)]


async def test_merging_that_the_ceiling_does_not_pay_for_is_left_out() -> None:
    aggregator = FakeAggregator()
    route, _, answer = await merged(aggregator, prompt(max_cost_nanousd=400))
    assert answer == BEST
    assert not aggregator.requests
    assert [each.reason for each in route.ledger.degraded] == [DEGRADED_REASON_COST_CEILING]
    aggregator = FakeAggregator()
    await merged(aggregator, prompt(max_cost_nanousd=5000))
    assert targets(aggregator) == ["a"]


async def test_the_ledger_has_a_synthesis_that_was_written_before_the_aggregator_failed() -> None:
    aggregator = FakeAggregator()
    aggregator.error, aggregator.error_after = failure("it fell over"), 2
    route, _, _ = await merged(aggregator)
    line = route.ledger.entries[-1]
    assert (line.stage, line.candidate, line.failure.message) == (STAGE_AGGREGATE, "a", "it fell over")
    # 8 tokens of the prompt and 2 of the drafts; "[first][second]" has 5.
    assert (line.usage.input_tokens, line.usage.output_tokens, line.usage.estimated) == (10, 5, True)
    assert line.cost_nanousd == 15
    aggregator.error_after = 0
    route, _, _ = await merged(aggregator)
    assert not route.ledger.entries


async def test_a_failed_synthesizer_s_text_costs_its_price() -> None:
    aggregator = FakeAggregator()
    spent = Usage(input_tokens=20, output_tokens=5, estimated=True)
    aggregator.entries = [
        LedgerEntry(stage=STAGE_AGGREGATE, candidate="a", usage=spent, failure=failure().failure()),
        LedgerEntry(stage=STAGE_AGGREGATE, candidate="b", cost_nanousd=3),
    ]
    route, _, _ = await merged(aggregator, prompt(max_cost_nanousd=5000))
    assert [line.cost_nanousd for line in route.ledger.entries] == [25, 3]
    assert route.budget.left == 5000 - 3 * 29 - 28
