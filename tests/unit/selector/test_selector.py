from __future__ import annotations

import asyncio
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned.artifact import GENERAL, load
from lightrouter.learned.model import Model
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.selector.registry import strategies
from lightrouter.selector.selector import Selector
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AnswerPattern, SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistCandidate, ShortlistRequest
from tests.unit.selector.fakes import LIMITS, FakeModels, partial, request, verdict
from tests.unit.workers import NotedWorkers

CONSENSUS = SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS
PRIOR = SelectorStrategy.SELECTOR_STRATEGY_PRIOR
RANDOM = SelectorStrategy.SELECTOR_STRATEGY_RANDOM
LEARNED = SelectorStrategy.SELECTOR_STRATEGY_LEARNED
ALL = [value for value in SelectorStrategy.values() if value]


async def moody(generation: Generation) -> str:
    labels = generation.messages[0].content.rpartition("exactly these: ")[2].partition(".")[0].split(", ")
    return verdict({label: (len(label), 10 - index % 10) for index, label in enumerate(labels)})


def selector(default: SelectorStrategy.ValueType = CONSENSUS, model: CurrentModel = no_model) -> Selector:
    return Selector(strategies(FakeModels(moody), LIMITS, 0.05, model), default, model)


async def select(asked: SelectRequest, model: CurrentModel = no_model) -> SelectResponse:
    return await selector(model=model).select(asked, Deadline.after(60))


@cache
def general() -> Model:
    return load(GENERAL).model


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


@given(PARTIALS, st.sampled_from(ALL), st.booleans(), st.integers(0, 2**62), st.sampled_from([general, no_model]))
async def test_any_partials_get_a_valid_ranking(
    partials: list[Partial], strategy: SelectorStrategy.ValueType, patterned: bool, seed: int, model: CurrentModel
) -> None:
    asked = request(*partials, strategy=strategy, seed=seed)
    if patterned:
        asked.answer_pattern.CopyFrom(AnswerPattern(re2=r"\d"))
    response = await select(asked, model)
    assert sorted(names(response)) == sorted(one.candidate for one in partials)
    scores = [ranked.score for ranked in response.ranking.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert 0 <= response.ranking.agreement <= 1
    reasons = [one.reason for one in response.degraded]
    assert reasons == (
        [DegradedReason.DEGRADED_REASON_ARTIFACT_MISSING] if strategy == LEARNED and model is no_model else []
    )
    priors = {one.candidate: one.prior for one in partials}
    order = [(-ranked.score, -priors[ranked.candidate], ranked.candidate) for ranked in response.ranking.candidates]
    assert order == sorted(order)
    assert response == await select(asked, model)
    learned = strategy == LEARNED and model is general
    assert all(ranked.HasField("gain") == learned for ranked in response.ranking.candidates)


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
    # They have been cut: what they share ranks them, but is no agreement yet.
    assert response.ranking.agreement == 0.0
    assert response.strategy == CONSENSUS
    for each in asked.partials:
        each.finish_reason = FinishReason.FINISH_REASON_STOP
    assert 0 < (await select(asked)).ranking.agreement < 0.9


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
        partial("a", "A long way about: it is 4 since"),
        partial("b", "Quickly said, this is 4 for"),
        partial("c", "A long way about: it is 5 since"),
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
        ([partial("a", "x", complete=True), partial("b", "x", complete=True), partial("c", "")], 1.0),
        ([partial("a", "x"), partial("b", "x")], 0.0),
    ],
)
async def test_silence_agrees_with_nothing(partials: list[Partial], agreement: float) -> None:
    assert (await select(request(*partials, strategy=CONSENSUS))).ranking.agreement == agreement


@pytest.mark.parametrize("strategy", [CONSENSUS, PRIOR, RANDOM])
@pytest.mark.parametrize("finish", FinishReason.values())
async def test_only_what_is_known_to_be_whole_agrees(
    strategy: SelectorStrategy.ValueType, finish: FinishReason.ValueType
) -> None:
    partials = [Partial(candidate=name, text="It is safe.", finish_reason=finish) for name in "abc"]
    response = await select(request(*partials, strategy=strategy))
    assert response.ranking.agreement == float(finish == FinishReason.FINISH_REASON_STOP)


async def test_an_answer_at_the_cut_is_none_yet() -> None:
    asked = request(*(partial(name, "Let's think step by step. The answer is 4") for name in "abc"), strategy=CONSENSUS)
    asked.answer_pattern.re2 = r"answer is (\d+)"
    assert (await select(asked)).ranking.agreement == 0.0
    for each in asked.partials:
        each.text += " because"
    assert (await select(asked)).ranking.agreement == 1.0


NOTHING = [
    "I'm sorry, but I can't help with that.",
    "抱歉\uff0c我无法回答这个问题。",
    "Sure! Let me think.",
    "Question: What is the sum of two and two apples?",
    "503 Service Unavailable",
]


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize("strategy", [CONSENSUS, LEARNED])
@pytest.mark.parametrize("complete", [True, False])
async def test_evasions_rank_behind_answers(nothing: str, strategy: SelectorStrategy.ValueType, complete: bool) -> None:
    asked = request(
        *(partial(name, nothing, 1.0, complete=complete) for name in "abc"),
        partial("x", "It comes to four apples.", 0.0, complete=True),
        partial("y", "Six pears, as everybody knows.", 0.0, complete=True),
        strategy=strategy,
    )
    asked.messages[0].content = "What is the sum of two and two apples?"
    response = await select(asked)
    assert names(response) == ["x", "y", "a", "b", "c"]
    assert all("no answer" in each.rationale for each in response.ranking.candidates[2:])
    assert response.ranking.agreement < 0.1


async def test_others_do_not_agree_on_the_refusal_that_leads() -> None:
    partials = [partial(name, "It comes to four apples.", 0.1, complete=True) for name in "abcdefgh"]
    for text, least, most in ((NOTHING[0], 0.0, 0.0), ("It may be six.", 28 / 36, 0.9)):
        leader = partial("leader", text, 0.9, complete=True)
        response = await select(request(*partials, leader, strategy=PRIOR))
        assert names(response)[0] == "leader"
        assert least <= response.ranking.agreement <= most


@pytest.mark.parametrize("nothing", NOTHING)
async def test_all_texts_are_compared_if_none_answers(nothing: str) -> None:
    asked = request(*(partial(name, nothing, complete=True) for name in "abc"), strategy=CONSENSUS)
    asked.messages[0].content = "What is the sum of two and two apples?"
    response = await select(asked)
    assert response.ranking.agreement == 1.0
    assert response.ranking.candidates[0].score > 0.9


async def test_an_extracted_answer_is_one_however_it_begins() -> None:
    refusing = "I'm sorry, but I can't help with that. The answer is 4."
    asked = request(
        *(partial(name, refusing, complete=True) for name in "ab"),
        partial("c", "The answer is 5.", complete=True),
        strategy=CONSENSUS,
    )
    asked.answer_pattern.re2 = r"answer is (\d+)"
    assert names(await select(asked)) == ["a", "b", "c"]


async def test_others_have_their_turn_while_many_partials_are_compared() -> None:
    partials = [partial(str(i), " ".join(f"w{(i * k) % 997}" for k in range(300))) for i in range(64)]
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await select(request(*partials, strategy=CONSENSUS))
    beside.cancel()
    assert turns > 5


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


async def test_learned_ranks_by_what_it_knows_of_a_model() -> None:
    known, guessed = partial("b", "We refer to articles", 0.1), partial("a", "We refer to articles", 0.9)
    known.model = "gemini-1.5-flash-002"
    response = await select(request(guessed, known, strategy=LEARNED), general)
    assert names(response) == ["b", "a"]
    assert response.strategy == LEARNED
    first, second = response.ranking.candidates
    assert first.gain == pytest.approx(first.score)
    assert second.gain < second.score
    assert first.expected_tokens > 0
    assert not second.HasField("expected_tokens")


async def test_consensus_ranks_without_an_artifact_and_the_response_says_so() -> None:
    response = await select(request(partial("a", "x", 0.1), partial("b", "y", 0.9), strategy=LEARNED))
    assert response.strategy == CONSENSUS
    assert [one.reason for one in response.degraded] == [DegradedReason.DEGRADED_REASON_ARTIFACT_MISSING]


async def test_many_long_partials_are_ranked_off_the_event_loop() -> None:
    workers = NotedWorkers()
    texts = (" ".join(f"{number}{word}" for word in range(200)) for number in range(40))
    asked = request(*(partial(f"c{number}", text) for number, text in enumerate(texts)), strategy=LEARNED)
    ranking = Selector(strategies(FakeModels(moody), LIMITS, 0.05, general, workers), CONSENSUS, general, workers)
    await ranking.select(asked, Deadline.after(600))
    assert workers.long() == 2  # the comparison and the model
    listed = ShortlistRequest(messages=asked.messages, candidates=[ShortlistCandidate(candidate="a")])
    await ranking.shortlist(listed)
    assert workers.long() == 3


async def test_the_shortlist_knows_who_is_good_at_prompts_like_this() -> None:
    candidates = [
        ShortlistCandidate(candidate="weak", prior=0.9, model="mathstral-7b"),
        ShortlistCandidate(candidate="strong", prior=0.1, model="gemini-1.5-flash-002"),
        ShortlistCandidate(candidate="unknown", prior=0.9, evaluated_prompts=10_000),
    ]
    asked = ShortlistRequest(messages=request(partial("a")).messages, candidates=candidates)
    assert [one.candidate for one in (await selector(model=general).shortlist(asked)).candidates] == [
        "unknown",
        "strong",
        "weak",
    ]
    assert [one.candidate for one in (await selector().shortlist(asked)).candidates] == ["weak", "unknown", "strong"]
    asked.candidates[1].candidate = "weak"
    with pytest.raises(ServiceError) as caught:
        await selector().shortlist(asked)
    assert caught.value.violations[0].field == "candidates[1].candidate"
