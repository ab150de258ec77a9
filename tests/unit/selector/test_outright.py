"""What the selector says of asking candidates outright: gains, costs, and the order by what they are worth."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.learned import followups
from lightrouter.learned.gain import NAMES, Gains
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Example, Priors
from lightrouter.learned.trees import Tree
from lightrouter.learned.words import hashed_words
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.selector.assemble import build_selector
from lightrouter.selector.outright import asked_outright
from lightrouter.selector.selector import Selector
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.candidate_pb2 import (
    ACTION_ASK,
    ActionValue,
    CallTerms,
    Partial,
    Prices,
    PromptTier,
    RankedCandidate,
)
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP, ROLE_USER, ChatMessage
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_LEARNED, SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistCandidate, ShortlistRequest
from tests.unit.selector.fakes import FakeModels, scripted

MESSAGES = [ChatMessage(role=ROLE_USER, content="What is it?")]
DEAR = Prices(
    input_nanousd_per_million=1_000_000_000,
    cached_input_nanousd_per_million=100_000_000,
    output_nanousd_per_million=4_000_000_000,
    cache_write_nanousd_per_million=1_250_000_000,
    tiers=[
        PromptTier(
            above_input_tokens=1000,
            input_nanousd_per_million=2_000_000_000,
            cached_input_nanousd_per_million=200_000_000,
            output_nanousd_per_million=6_000_000_000,
        )
    ],
)
MOST = 2**63 - 1


def stump(feature: str, threshold: float, low: float, high: float) -> Tree:
    return Tree([NAMES.index(feature), -1, -1], [threshold, low, high], [1, 0, 0], [2, 0, 0])


def model(gains: Gains | None) -> Model:
    """`strong` is right on three prompts of four, `weak` on one; their answers have 400 and 40 characters."""
    examples = [
        Example(hashed_words(f"prompt w{number}"), [float(number % 4 > 0), float(number % 4 == 0)], [400, 40])
        for number in range(100)
    ]
    return Model(Priors(("strong", "weak"), examples), [Tree([-1], [0.0], [0], [0])], 0.5, gains=gains)


GAINS = Gains(first=[stump("expected", 0.5, 0.25, 0.75)], later=[Tree([-1], [0.1], [0], [0])])
KNOWING = model(GAINS)


def selector(known: Model | None) -> Selector:
    return build_selector(SelectorSettings(listen="unix:/unused"), FakeModels(scripted()), lambda: known)


def candidate(name: str, **terms: object) -> ShortlistCandidate:
    made = CallTerms(**({"prices": DEAR, "input_tokens": 100} | terms))  # type: ignore[arg-type]  # passed on as they are
    return ShortlistCandidate(candidate=name, prior=0.5, terms=made)


async def shortlist(
    *candidates: ShortlistCandidate, worth: int | None = 10**9, known: Model | None = KNOWING
) -> Sequence[RankedCandidate]:
    request = ShortlistRequest(messages=MESSAGES, candidates=candidates, worth_nanousd=worth)
    return (await selector(known).shortlist(request)).candidates


def ask(*candidates: ShortlistCandidate, worth: int = 10**9) -> ActionValue:
    (action,) = asked_outright(KNOWING, "What is it?", (), candidates, worth)[0].actions
    return action


async def select(
    *unasked: ShortlistCandidate,
    worth: int | None = 10**9,
    strategy: SelectorStrategy.ValueType = SELECTOR_STRATEGY_LEARNED,
) -> SelectResponse:
    partial = Partial(candidate="strong", text="It is so.", finish_reason=FINISH_REASON_STOP)
    request = SelectRequest(
        messages=MESSAGES, partials=[partial], strategy=strategy, worth_nanousd=worth, unasked=unasked
    )
    return await selector(KNOWING).select(request, Deadline.after(60))


FOLLOWED = GAINS._replace(
    # One of two further answers is asked for, if more than one may be; it adds .1.
    further_cost=[Tree([followups.NAMES.index("most_further"), -1, -1], [1.5, 0.25, 0.5], [1, 0, 0], [2, 0, 0])],
    further_gain=[Tree([-1], [0.1], [0], [0])],
)


@pytest.mark.parametrize(
    ("answers", "worth", "gains", "gain", "cost"),
    [
        # The weak one is asked after the strong one. It costs .00014 dollars.
        (3, 10**9, FOLLOWED, 0.1, 70_000),
        (2, 10**9, FOLLOWED, 0.1, 35_000),
        (1, 10**9, FOLLOWED, 0.0, 0),
        (3, 0, FOLLOWED, 0.0, 0),
        (0, 10**9, FOLLOWED, None, None),
        (3, 10**9, GAINS, None, None),
    ],
)
async def test_the_first_step_tells_what_is_expected_of_the_answers_after_it(
    answers: int, worth: int, gains: Gains, gain: float | None, cost: int | None
) -> None:
    request = ShortlistRequest(
        messages=MESSAGES,
        candidates=[candidate("weak"), candidate("strong")],
        worth_nanousd=worth,
        most_answers=answers,
    )
    first, second = (await selector(model(gains)).shortlist(request)).candidates
    found = first.actions[0]
    assert not second.actions[0].HasField("further_gain")
    assert (found.further_gain if found.HasField("further_gain") else None) == gain
    assert (found.further_cost_nanousd if found.HasField("further_cost_nanousd") else None) == cost


async def test_without_prices_further_answers_have_no_cost() -> None:
    request = ShortlistRequest(
        messages=MESSAGES,
        candidates=[candidate("weak", prices=None), candidate("strong", prices=None)],
        worth_nanousd=10**9,
        most_answers=3,
    )
    found = (await selector(model(FOLLOWED)).shortlist(request)).candidates[0].actions[0]
    assert (found.further_gain, found.further_cost_nanousd) == (0.1, 0)


@pytest.mark.parametrize(
    ("worth", "first"),
    # The strong one costs .0005 dollars, the weak one .00014; the one is right .5 more often.
    [(0, "weak"), (700_000, "weak"), (740_000, "strong"), (MOST, "strong")],
)
async def test_the_order_is_by_quality_times_worth_less_money(worth: int, first: str) -> None:
    ranked = await shortlist(candidate("weak"), candidate("strong"), worth=worth)
    assert ranked[0].candidate == first
    assert [each.actions[0].action for each in ranked] == [ACTION_ASK, ACTION_ASK]


@pytest.mark.parametrize(
    ("terms", "cost", "tokens"),
    [
        ({}, 100_000 + 4000 * 100, 100),
        ({"cached_input_tokens": 60}, 40_000 + 6_000 + 400_000, 100),
        ({"cached_input_tokens": 600}, 10_000 + 400_000, 100),
        ({"cache_write_tokens": 40}, 60_000 + 50_000 + 400_000, 100),
        ({"cached_input_tokens": 60, "cache_write_tokens": 30}, 10_000 + 6_000 + 37_500 + 400_000, 100),
        ({"cached_input_tokens": 60, "cache_write_tokens": 600}, 6_000 + 50_000 + 400_000, 100),
        ({"input_tokens": 1000}, 1_000_000 + 400_000, 100),
        ({"input_tokens": 2000}, 4_000_000 + 600_000, 100),
        ({"input_tokens": 2000, "cached_input_tokens": 1000}, 2_200_000 + 600_000, 100),
        ({"input_tokens": 2000, "cache_write_tokens": 500}, 4_000_000 + 600_000, 100),
        ({"reasoning_tokens": 50}, 100_000 + 400_000, 100),
        ({"max_output_tokens": 10}, 100_000 + 40_000, 10),
        ({"input_tokens": 0}, 400_000, 100),
        ({"prices": Prices()}, 0, 100),
    ],
)
def test_the_cost_is_that_of_what_is_read_and_expected_to_be_written(
    terms: dict[str, object], cost: int, tokens: float
) -> None:
    action = ask(candidate("strong", **terms))
    assert action.output_tokens == pytest.approx(tokens, rel=1e-6)
    assert action.cost_nanousd == pytest.approx(cost, rel=1e-3)
    assert action.net_value == pytest.approx(0.75 * 10**9 - action.cost_nanousd, rel=1e-6)


async def test_tokens_stand_in_for_prices_that_nobody_stated() -> None:
    action = ask(candidate("strong", prices=None))
    assert action.cost_nanousd == 0
    assert 0.75 * 10**9 - 200_000 < action.net_value < 0.75 * 10**9
    # So a small worth still asks for the one that writes less.
    cheapest = await shortlist(candidate("strong", prices=None), candidate("weak", prices=None), worth=0)
    assert cheapest[0].candidate == "weak"


async def test_a_stranger_among_known_ones_is_weighed_by_its_prior() -> None:
    ranked = await shortlist(candidate("strong"), candidate("weak"), candidate("stranger"))
    assert {each.candidate for each in ranked} == {"strong", "weak", "stranger"}
    stranger = next(each for each in ranked if each.candidate == "stranger")
    # Its length is unknown: the mean of the known ones.
    assert stranger.actions[0].output_tokens == pytest.approx((100 + 10) / 2, rel=1e-6)
    thinking = await shortlist(candidate("strong"), candidate("stranger", reasoning_tokens=50))
    tokens = {each.candidate: each.actions[0].output_tokens for each in thinking}
    assert tokens == pytest.approx({"strong": 100, "stranger": 150}, rel=1e-6)


@pytest.mark.parametrize(
    ("names", "known", "worth"),
    [
        (["strong", "weak"], model(None), 10**9),
        (["strong", "weak"], None, 10**9),
        (["one", "other"], KNOWING, 10**9),
        (["one", "other", "strong"], KNOWING, 10**9),
        (["strong", "weak"], KNOWING, None),
    ],
)
async def test_a_ranking_without_gains_or_worth_has_no_actions(
    names: Sequence[str], known: Model | None, worth: int | None
) -> None:
    ranked = await shortlist(*map(candidate, names), worth=worth, known=known)
    assert {each.candidate for each in ranked} == set(names)
    assert not any(each.actions for each in ranked)


async def test_a_ranking_tells_what_the_others_would_gain() -> None:
    response = await select(candidate("weak"))
    assert response.expected_quality == response.ranking.candidates[0].score == 0.5
    (weak,) = response.unasked
    assert weak.candidate == "weak"
    assert weak.actions[0].gain == 0.1
    assert weak.actions[0].net_value == pytest.approx(0.1 * 10**9 - weak.actions[0].cost_nanousd)


async def test_a_ranking_without_worth_or_by_another_strategy_tells_none() -> None:
    assert not (await select(candidate("weak"), worth=None)).unasked
    by_consensus = await select(candidate("weak"), strategy=SELECTOR_STRATEGY_CONSENSUS)
    assert not by_consensus.unasked
    assert not by_consensus.HasField("expected_quality")
    assert not (await select()).unasked


@pytest.mark.parametrize("names", [["weak", "weak"], ["strong"]])
async def test_a_candidate_is_asked_about_once(names: Sequence[str]) -> None:
    with pytest.raises(ServiceError, match=r"is named twice"):
        await select(*map(candidate, names))


ANY = st.integers(0, MOST)


@given(ANY, ANY, ANY, st.floats(0, 1e9), ANY, ANY, ANY, ANY)
def test_numbers_do_not_overflow(
    read: int, cached: int, most: int, reasoning: float, fresh: int, cheap: int, out: int, worth: int
) -> None:
    prices = Prices(
        input_nanousd_per_million=fresh, cached_input_nanousd_per_million=cheap, output_nanousd_per_million=out
    )
    terms = {
        "prices": prices,
        "input_tokens": read,
        "cached_input_tokens": cached,
        "max_output_tokens": most,
        "reasoning_tokens": reasoning,
    }
    action = ask(candidate("strong", **terms), worth=worth)
    assert 0 <= action.cost_nanousd <= MOST
