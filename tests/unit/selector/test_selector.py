from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.selector.registry import strategies
from lightrouter.selector.selector import Selector
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AnswerPattern, SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from tests.unit.selector.fakes import LIMITS, FakeModels, partial, request, verdict

CONSENSUS = SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS
PRIOR = SelectorStrategy.SELECTOR_STRATEGY_PRIOR
RANDOM = SelectorStrategy.SELECTOR_STRATEGY_RANDOM
LEARNED = SelectorStrategy.SELECTOR_STRATEGY_LEARNED
ALL = [value for value in SelectorStrategy.values() if value]


async def moody(generation: Generation) -> str:
    labels = generation.messages[0].content.rpartition("exactly these: ")[2].partition(".")[0].split(", ")
    return verdict({label: (len(label), 10 - index % 10) for index, label in enumerate(labels)})


def selector(default: SelectorStrategy.ValueType = CONSENSUS) -> Selector:
    return Selector(strategies(FakeModels(moody), LIMITS, 0.05), default)


async def select(asked: SelectRequest) -> SelectResponse:
    return await selector().select(asked, Deadline.after(60))


def names(response: SelectResponse) -> list[str]:
    return [ranked.candidate for ranked in response.ranking.candidates]


PARTIALS = st.lists(
    st.builds(
        Partial,
        candidate=st.text(st.sampled_from("abcdef-"), min_size=1, max_size=4),
        text=st.text(max_size=60) | st.sampled_from(["", " ", "The answer is 4", "The answer is 5"]),
        prior=st.floats(0, 1),
        finish_reason=st.integers(0, 3),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: str(one.candidate),
)


@given(PARTIALS, st.sampled_from(ALL), st.booleans(), st.integers(0, 2**62))
async def test_any_partials_get_a_valid_ranking(
    partials: list[Partial], strategy: SelectorStrategy.ValueType, patterned: bool, seed: int
) -> None:
    asked = request(*partials, strategy=strategy, seed=seed)
    if patterned:
        asked.answer_pattern.CopyFrom(AnswerPattern(re2=r"\d"))
    response = await select(asked)
    assert sorted(names(response)) == sorted(one.candidate for one in partials)
    scores = [ranked.score for ranked in response.ranking.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert 0 <= response.ranking.agreement <= 1
    reasons = [one.reason for one in response.degraded]
    assert reasons == ([DegradedReason.DEGRADED_REASON_ARTIFACT_MISSING] if strategy == LEARNED else [])
    priors = {one.candidate: one.prior for one in partials}
    order = [(-ranked.score, -priors[ranked.candidate], ranked.candidate) for ranked in response.ranking.candidates]
    assert order == sorted(order)
    assert response == await select(asked)


async def test_consensus_prefers_what_the_others_say() -> None:
    asked = request(
        partial("alone", "The answer is 7 because I say so.", 0.9),
        partial("b", "The answer is 4, since 2 and 2 are 4.", 0.1),
        partial("a", "The answer is 4, as 2 and 2 are 4.", 0.1),
        strategy=CONSENSUS,
    )
    response = await select(asked)
    assert names(response) == ["a", "b", "alone"]
    assert response.ranking.candidates[0].rationale.startswith("Agrees with the others")
    assert 0 < response.ranking.agreement < 0.9
    assert response.strategy == CONSENSUS


async def test_the_prior_decides_between_equals_then_the_name() -> None:
    asked = request(
        partial("c", "4", 0.5, complete=True),
        partial("a", "4", 0.2, complete=True),
        partial("b", "4", 0.5, complete=True),
        strategy=CONSENSUS,
    )
    response = await select(asked)
    assert names(response) == ["b", "c", "a"]
    assert response.ranking.agreement == 1.0


async def test_an_answer_pattern_counts_answers_rather_than_words() -> None:
    asked = request(
        partial("a", "A long way about: it is 4"),
        partial("b", "Quickly said, this is 4"),
        partial("c", "A long way about: it is 5"),
        strategy=CONSENSUS,
    )
    asked.answer_pattern.re2 = r"is (\d+)"
    response = await select(asked)
    assert names(response) == ["a", "b", "c"]
    assert response.ranking.agreement == pytest.approx(1 / 3)


async def test_the_default_strategy_is_the_configured_one() -> None:
    asked = request(partial("a", "x", 0.1), partial("b", "y", 0.9), strategy=SelectorStrategy.ValueType(0))
    response = await selector(PRIOR).select(asked, Deadline.after(60))
    assert response.strategy == PRIOR
    assert [(one.candidate, one.score) for one in response.ranking.candidates] == [("b", 0.9), ("a", 0.1)]
    assert SelectorSettings().default_strategy == CONSENSUS


async def test_chance_follows_the_seed_and_never_leads_clearly() -> None:
    partials = [partial(name, "text") for name in "abcdef"]
    orders = set()
    for seed in range(30):
        response = await select(request(*partials, strategy=RANDOM, seed=seed))
        again = await select(request(*reversed(partials), strategy=RANDOM, seed=seed))
        assert names(response) == names(again)
        orders.add(tuple(names(response)))
        assert response.ranking.candidates[0].score - response.ranking.candidates[-1].score < 0.02
    assert len(orders) > 20


@pytest.mark.parametrize(
    ("partials", "agreement"),
    [
        ([partial("a", "x")], 1.0),
        ([partial("a", "")], 1.0),
        ([partial("a", "x"), partial("b", "")], 0.0),
        ([partial("a", ""), partial("b", "")], 0.0),
        ([partial("a", "x"), partial("b", "x"), partial("c", "")], 1.0),
    ],
)
async def test_silence_agrees_with_nothing(partials: list[Partial], agreement: float) -> None:
    assert (await select(request(*partials, strategy=CONSENSUS))).ranking.agreement == agreement


async def test_a_broken_pattern_is_refused() -> None:
    asked = request(partial("a", "x"), strategy=PRIOR)
    asked.answer_pattern.re2 = "(a"
    with pytest.raises(ServiceError) as caught:
        await select(asked)
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.violations[0].field == "answer_pattern.re2"


async def test_two_partials_of_one_candidate_are_refused() -> None:
    with pytest.raises(ServiceError) as caught:
        await select(request(partial("a", "x"), partial("a", "y")))
    assert caught.value.violations[0].field == "partials[1].candidate"


async def test_a_strategy_that_is_not_there_is_refused() -> None:
    with pytest.raises(ServiceError) as caught:
        await Selector({}, CONSENSUS).select(request(partial("a", "x")), Deadline.after(60))
    assert caught.value.violations[0].field == "strategy"


def test_every_strategy_of_the_proto_is_there() -> None:
    assert sorted(strategies(FakeModels(moody), LIMITS, 0.05)) == sorted(ALL)
