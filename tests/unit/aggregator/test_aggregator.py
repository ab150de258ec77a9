from __future__ import annotations

from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.registry import strategies
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.aggregator.vote import winners
from lightrouter.answers.extract import extract
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern
from tests.unit.aggregator.fakes import (
    BEST,
    DRAFTS,
    END,
    HANG,
    LIMITS,
    SYNTHESIZE,
    VOTE,
    FakeModels,
    aggregate,
    draft,
    request,
)
from tests.unit.workers import NotedWorkers

ALL = [value for value in AggregatorStrategy.values() if value]
PATTERN = AnswerPattern(re2=r"is (\w+)")


@pytest.mark.parametrize("strategy", ALL)
@pytest.mark.parametrize(
    ("drafts", "pattern"),
    [
        ([draft("x", "It is 4.")], None),
        ([draft("x", "It is 4."), draft("y", "it is four")], None),
        ([draft("x", "It is 4."), draft("y", "After a very long way about we find that it is 4.0, indeed")], PATTERN),
    ],
)
async def test_drafts_that_agree_cost_nothing(
    strategy: AggregatorStrategy.ValueType, drafts: list[Draft], pattern: AnswerPattern | None
) -> None:
    asked = request(*drafts, strategy=strategy)
    if pattern:
        asked.answer_pattern.re2 = r"is (?:four|([\d.]+\d|\d))"
    models = FakeModels()
    text, result, restarts = await aggregate(models, asked)
    assert text == "It is 4."
    assert restarts == [False]
    assert (result.strategy, list(result.candidates)) == (BEST, ["x"])
    assert not models.asked
    assert not result.degraded
    assert not result.contradictions


async def test_alike_drafts_with_different_answers_do_not_agree() -> None:
    padding = "Much is said about it in the same words by both, and only the end differs. " * 5
    asked = request(draft("x", padding + "So it is four"), draft("y", padding + "So it is vier"))
    asked.answer_pattern.re2 = r"it is (\w+)"
    _, result, _ = await aggregate(FakeModels(["4", END]), asked)
    assert result.strategy == SYNTHESIZE


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("You may take it.", "You must take it."),
        ("Fly from Paris to Rome.", "Fly to Paris from Rome."),
        ("他是医生。", "他不是医生。"),
        ("यह सही है।", "यह सही नहीं है।"),
    ],
)
async def test_opposite_drafts_do_not_agree(left: str, right: str) -> None:
    padding = "Much is said about it in the same words by both, and only the end differs. " * 5
    _, result, _ = await aggregate(
        FakeModels(["4", END]), request(draft("x", padding + left), draft("y", padding + right))
    )
    assert result.strategy == SYNTHESIZE


@pytest.mark.parametrize("finish", [each for each in FinishReason.values() if each != FinishReason.FINISH_REASON_STOP])
async def test_drafts_that_are_not_whole_do_not_agree(finish: FinishReason.ValueType) -> None:
    cut = draft("y", "It is four apples")
    cut.finish_reason = finish
    asked = request(draft("x", "It is four apples."), cut)
    _, result, _ = await aggregate(FakeModels(["4", END]), asked)
    assert result.strategy == SYNTHESIZE
    asked.answer_pattern.re2 = r"(\w+)$"
    _, result, _ = await aggregate(FakeModels(["4", END]), asked)
    assert result.strategy == SYNTHESIZE
    # Of one text there is nothing to merge, and it stays what it is.
    cut.text = "It is four apples."
    cut.candidate = "x"
    asked = request(cut, draft("y", "It is four apples."))
    _, result, _ = await aggregate(FakeModels(), asked)
    assert (result.strategy, result.finish_reason) == (BEST, finish)


async def test_an_answer_at_the_cut_has_no_vote() -> None:
    cut = draft("a", "I say it is 4", 0.9)
    cut.finish_reason = FinishReason.FINISH_REASON_LENGTH
    asked = request(cut, draft("b", "it is 42", 0.1), strategy=VOTE)
    asked.answer_pattern.re2 = r"is (\d+)"
    text, result, _ = await aggregate(FakeModels(), asked)
    assert (text, list(result.candidates)) == ("it is 42", ["b"])


async def test_best_is_the_first_draft() -> None:
    text, result, _ = await aggregate(FakeModels(), request(strategy=BEST))
    assert text == DRAFTS[0].text
    assert (result.strategy, list(result.candidates)) == (BEST, ["x"])
    assert len(result.contradictions) == 1
    assert not result.degraded


async def test_votes_are_weighted_by_score() -> None:
    drafts = draft("a", "it is 5", 0.6), draft("b", "I say it is 4", 0.4), draft("c", "so it is 4.0!", 0.3)
    asked = request(*drafts, strategy=VOTE)
    asked.answer_pattern.re2 = r"is ([\d.]*\d)"
    text, result, _ = await aggregate(FakeModels(), asked)
    assert text == "I say it is 4"
    assert (result.strategy, list(result.candidates)) == (VOTE, ["b", "c"])
    assert result.contradictions[0] == "a answers “5”, but b and c answer “4”."


@pytest.mark.parametrize(
    ("scores", "names"),
    [((0.3, 0.1, 0.2), ["a"]), ((0.0, 0.0, 0.0), ["b", "c"]), ((0.0, 0.1, 0.0), ["b", "c"]), ((0.9, 0.1, 0.0), ["a"])],
)
def test_a_tie_goes_to_the_higher_ranked(scores: tuple[float, ...], names: list[str]) -> None:
    drafts = [draft(name, name, score) for name, score in zip("abc", scores, strict=True)]
    assert [one.candidate for one in winners(drafts, ["5", "4", "4"])] == names


@pytest.mark.parametrize("pattern", ["", r"(\d+) apples"])
async def test_the_best_draft_wins_if_there_is_nothing_to_vote_on(pattern: str) -> None:
    asked = request(strategy=VOTE)
    if pattern:
        asked.answer_pattern.re2 = pattern
    text, result, _ = await aggregate(FakeModels(), asked)
    assert text == DRAFTS[0].text
    assert result.strategy == BEST
    assert [one.reason for one in result.degraded] == [DegradedReason.DEGRADED_REASON_VOTE_IMPOSSIBLE]


_DRAFTS = st.lists(
    st.builds(
        Draft,
        candidate=st.text(st.sampled_from("abcdef"), min_size=1, max_size=3),
        text=st.text(min_size=1, max_size=40) | st.sampled_from(["it is 4", "it is 5", "well, it is 5", "it is four"]),
        score=st.floats(0, 1),
        finish_reason=st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: str(one.candidate),
)


@given(_DRAFTS, st.sampled_from([VOTE, BEST]))
async def test_the_answer_is_always_one_of_the_drafts(
    drafts: list[Draft], strategy: AggregatorStrategy.ValueType
) -> None:
    asked = request(*drafts, strategy=strategy)
    asked.answer_pattern.CopyFrom(PATTERN)
    text, result, restarts = await aggregate(FakeModels(), asked)
    assert restarts == [False]
    by_name = {one.candidate: one for one in drafts}
    assert text == by_name[result.candidates[0]].text
    assert result.finish_reason == by_name[result.candidates[0]].finish_reason
    if result.strategy == VOTE:
        answers = {extract(by_name[name].text, PATTERN) for name in result.candidates}
        assert answers
        assert None not in answers
    else:
        assert text == drafts[0].text


@given(_DRAFTS)
async def test_any_drafts_can_be_synthesized(drafts: list[Draft]) -> None:
    models = FakeModels(["an ", "answer", END])
    text, result, _ = await aggregate(models, request(*drafts))
    assert text == ("an answer" if models.asked else drafts[0].text)
    assert result.strategy == (SYNTHESIZE if models.asked else BEST)


async def refused(asked: AggregateRequest) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await aggregate(FakeModels(), asked)
    assert caught.value.code == Code.INVALID_ARGUMENT
    return caught.value


@pytest.mark.parametrize("pattern", [None, PATTERN])
async def test_many_long_drafts_are_compared_off_the_event_loop(pattern: AnswerPattern | None) -> None:
    workers = NotedWorkers()
    drafts = (draft(f"c{number}", " ".join(f"{number}{word}" for word in range(1000))) for number in range(20))
    asked = request(*drafts, strategy=VOTE)
    if pattern:
        asked.answer_pattern.CopyFrom(pattern)
    aggregator = Aggregator(strategies(FakeModels(), LIMITS), VOTE, 0.9, workers=workers)
    async for _ in aggregator.aggregate(asked, Deadline.after(600)):
        pass
    assert workers.long() == (3 if pattern else 2)


async def test_bad_requests_name_their_field() -> None:
    asked = request(strategy=BEST)
    asked.answer_pattern.re2 = "(a"
    assert (await refused(asked)).violations[0].field == "answer_pattern.re2"
    repeated = await refused(request(draft("x", "a"), draft("x", "b")))
    assert repeated.violations[0].field == "drafts[1].candidate"
    with pytest.raises(ServiceError) as caught:
        await anext(Aggregator({}, BEST, 0.9).aggregate(request(), Deadline.after(60)))
    assert caught.value.violations[0].field == "strategy"


async def test_the_default_strategy_is_the_configured_one() -> None:
    asked = request(strategy=AggregatorStrategy.ValueType(0))
    _, result, _ = await aggregate(FakeModels(["4", END]), asked)
    assert result.strategy == SYNTHESIZE
    assert AggregatorSettings().default_strategy == SYNTHESIZE


def test_every_strategy_of_the_proto_is_there() -> None:
    assert sorted(strategies(FakeModels(), LIMITS)) == sorted(ALL)


async def test_an_answer_shows_that_its_aggregator_lives_while_the_model_is_slow() -> None:
    models = FakeModels([HANG])
    aggregator = Aggregator(strategies(models, LIMITS), SYNTHESIZE, 0.9, heartbeat_seconds=0.0)
    async with aclosing(aggregator.aggregate(request(), Deadline.after(3600))) as events:
        for _ in range(5):
            event = await anext(events)
            assert event.HasField("chunk")
            assert (event.chunk.text, event.chunk.restart) == ("", False)
    assert models.open == 0
