"""A text that its provider interrupted never beats a whole one, in any stage of the route."""

from __future__ import annotations

import pytest

from lightrouter.router.events import Events
from lightrouter.router.finish import complete_first, is_interrupted
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_CONTENT_FILTER,
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FINISH_REASON_UNKNOWN,
    FINISH_REASON_UNSPECIFIED,
    FinishReason,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_ANSWER_NOT_WHOLE,
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_COMPLETION_FAILED,
    STAGE_BOOT,
    STAGE_COMPLETE,
    Stage,
)
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, AGGREGATOR_STRATEGY_SYNTHESIZE
from lightrouter.v1.router_pb2 import Answer
from tests.unit.router.builders import pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector, Model

WHOLE = "one two three four "
OTHER = ("eins ", "zwei ", "drei ", "vier ")
INTERRUPTED = [FINISH_REASON_CONTENT_FILTER, FINISH_REASON_UNKNOWN]
SCORES = {"a": 0.9, "b": 0.3, "c": 0.2}


def degraded(answer: Answer) -> list[tuple[int, str]]:
    return [(each.reason, each.candidate) for each in answer.degraded]


@pytest.mark.parametrize(
    ("reason", "interrupted"),
    [
        (FINISH_REASON_STOP, False),
        (FINISH_REASON_LENGTH, False),
        (FINISH_REASON_CONTENT_FILTER, True),
        (FINISH_REASON_UNKNOWN, True),
        (FINISH_REASON_UNSPECIFIED, True),
        # A value of a newer adapter counts as an unknown reason.
        (99, True),
    ],
)
def test_interrupted_texts(reason: FinishReason.ValueType, interrupted: bool) -> None:
    assert is_interrupted(reason) == interrupted


@pytest.mark.parametrize(
    ("reasons", "order"),
    [
        ([FINISH_REASON_LENGTH, FINISH_REASON_STOP], "ba"),
        ([FINISH_REASON_CONTENT_FILTER, FINISH_REASON_LENGTH], "b"),
        ([FINISH_REASON_UNKNOWN, FINISH_REASON_LENGTH, FINISH_REASON_STOP], "cb"),
        ([FINISH_REASON_STOP, FINISH_REASON_STOP], "ab"),
        ([FINISH_REASON_CONTENT_FILTER, FINISH_REASON_UNKNOWN], "ab"),
    ],
)
def test_whole_drafts_come_first(reasons: list[FinishReason.ValueType], order: str) -> None:
    drafts = [Draft(candidate=name, finish_reason=reason) for name, reason in zip("abc", reasons, strict=False)]
    assert "".join(draft.candidate for draft in complete_first(drafts)) == order


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize("reason", INTERRUPTED)
async def test_a_whole_draft_wins(reason: FinishReason.ValueType, stage: Stage.ValueType, text: bool, k: int) -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(words=OTHER, ends={stage: reason}), b=Model()
    )
    log = EventLog() if text else Events()
    request = prompt(k=k, margin=1.0)
    answer = await router(models, FakeSelector(SCORES)).route(request, Deadline.after(60), log)
    assert (answer.text, list(answer.candidates), answer.finish_reason) == (WHOLE, ["b"], FINISH_REASON_STOP)
    assert not any(reason == DEGRADED_REASON_ANSWER_NOT_WHOLE for reason, _ in degraded(answer))
    said = DEGRADED_REASON_COMPLETION_FAILED if stage == STAGE_COMPLETE else DEGRADED_REASON_CANDIDATE_FAILED
    assert degraded(answer) == [(said, "a")]
    if stage == STAGE_BOOT:
        assert answer.selection.chosen[0] == "b"
    if isinstance(log, EventLog):
        assert log.text == WHOLE


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize("reason", INTERRUPTED)
async def test_the_best_draft_is_given_and_reported_if_none_is_whole(
    reason: FinishReason.ValueType, stage: Stage.ValueType, text: bool, k: int
) -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")),
        a=Model(words=OTHER, ends={stage: reason}),
        b=Model(ends={stage: reason}),
    )
    log = EventLog() if text else Events()
    answer = await router(models, FakeSelector(SCORES)).route(prompt(k=k, margin=1.0), Deadline.after(60), log)
    words = OTHER if stage == STAGE_COMPLETE else OTHER[:2]
    assert list(answer.candidates)[:1] == ["a"]
    assert "".join(words) in answer.text
    assert answer.finish_reason == reason
    assert (DEGRADED_REASON_ANSWER_NOT_WHOLE, "") in degraded(answer)
    if isinstance(log, EventLog):
        assert log.text == answer.text


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("reason", INTERRUPTED)
async def test_a_replacement_without_text_does_not_make_an_interrupted_text_whole(
    reason: FinishReason.ValueType, text: bool, k: int
) -> None:
    mute = Model(words=(), ends={STAGE_BOOT: FINISH_REASON_LENGTH, STAGE_COMPLETE: FINISH_REASON_STOP})
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(words=OTHER, ends={STAGE_COMPLETE: reason}), b=mute
    )
    log = EventLog() if text else Events()
    answer = await router(models, FakeSelector(SCORES)).route(prompt(k=k, margin=1.0), Deadline.after(60), log)
    assert (answer.text, list(answer.candidates), answer.finish_reason) == ("".join(OTHER), ["a"], reason)
    assert degraded(answer)[-1] == (DEGRADED_REASON_ANSWER_NOT_WHOLE, "")
    if isinstance(log, EventLog):
        assert log.text == answer.text


@pytest.mark.parametrize("text", [False, True])
async def test_a_text_that_ended_at_the_limit_loses_to_a_complete_one(text: bool) -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(words=["x "] * 20), b=Model())
    request = prompt(aggregator=AGGREGATOR_STRATEGY_BEST, margin=1.0)
    log = EventLog() if text else Events()
    answer = await router(models, FakeSelector(SCORES)).route(request, Deadline.after(60), log)
    assert (answer.text, answer.finish_reason) == (WHOLE, FINISH_REASON_STOP)


@pytest.mark.parametrize("reason", [*INTERRUPTED, FINISH_REASON_LENGTH])
async def test_a_merged_text_that_is_not_whole_loses_against_a_draft_that_is(reason: FinishReason.ValueType) -> None:
    aggregator, log = FakeAggregator(), EventLog()
    aggregator.finish_reason = reason
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model(words=OTHER))
    request = prompt(aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE, margin=1.0)
    answer = await router(models, FakeSelector(SCORES), aggregator).route(request, Deadline.after(60), log)
    assert (answer.text, log.text, answer.finish_reason) == (WHOLE, WHOLE, FINISH_REASON_STOP)
    assert len(answer.degraded) == 1


@pytest.mark.parametrize("reason", INTERRUPTED)
async def test_gains_do_not_count_what_was_withheld_as_a_draft(reason: FinishReason.ValueType) -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(words=OTHER, ends={STAGE_BOOT: reason}), b=Model()
    )
    selector = FakeSelector(SCORES)
    selector.gains = {"a": 0.0, "b": 0.0}
    answer = await router(models, selector).route(prompt(min_gain=1.0), Deadline.after(60), Events())
    assert (answer.text, list(answer.candidates)) == (WHOLE, ["b"])
