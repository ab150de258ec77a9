"""The decision how many go on: at most k, at most all that delivered, one if one suffices."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.router.budget import Budget
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import BootRanking
from lightrouter.router.stages.decide import decide, finished_of, next_by_gain
from lightrouter.v1.candidate_pb2 import ModelTarget, Partial, RankedCandidate, Ranking
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_CONTENT_FILTER,
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FINISH_REASON_UNKNOWN,
    FinishReason,
)
from lightrouter.v1.policy_pb2 import (
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LEARNED,
    SELECTOR_STRATEGY_RANDOM,
    Policy,
    SelectorStrategy,
)
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_AGREEMENT,
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_GAIN,
    SELECTION_REASON_HOMOGENEOUS_POOL,
    SELECTION_REASON_MARGIN,
    SELECTION_REASON_ONLY_ONE,
    SELECTION_REASON_POLICY,
    Selection,
)
from tests.unit.router.builders import pool_candidate


def booted(name: str, price: int = 1_000_000) -> BootResult:
    entry = pool_candidate(name, price=price)
    candidate = RouteCandidate(
        name, entry, ModelTarget(candidate=name, address="unix:/x"), boot_tokens=2, output_tokens=8
    )
    return BootResult(candidate, Partial(candidate=name, text="text", finish_reason=FINISH_REASON_LENGTH), b"", 2)


def ranking(
    scores: Sequence[float],
    agreement: float = 0.0,
    strategy: SelectorStrategy.ValueType = SELECTOR_STRATEGY_CONSENSUS,
) -> BootRanking:
    ranked = tuple(booted(f"c{index}") for index in range(len(scores)))
    candidates = [RankedCandidate(candidate=f"c{index}", score=score) for index, score in enumerate(scores)]
    return BootRanking(Ranking(candidates=candidates, agreement=agreement), strategy, ranked)


def all_paid(ranked: Sequence[BootResult], k: int) -> Sequence[BootResult]:
    return ranked[:k]


def decided(scores: Sequence[float], k: int = 2, **changed: object) -> Selection:
    of = ranking(scores, **changed)  # type: ignore[arg-type]  # passed on as they are
    return decide(of, Policy(k=k, margin=0.3, agreement=0.95), all_paid)[0]


def test_one_goes_on_where_merging_would_buy_nothing() -> None:
    policy = Policy(k=3, margin=0.3, agreement=0.95)
    selection, chosen = decide(ranking([0.9, 0.8, 0.7]), policy, all_paid, homogeneous=True)
    assert selection.reason == SELECTION_REASON_HOMOGENEOUS_POOL
    assert [each.candidate.name for each in chosen] == ["c0"]
    # If one candidate suffices for another reason, that is the reason.
    selection, _ = decide(ranking([0.9, 0.8], agreement=1.0), policy, all_paid, homogeneous=True)
    assert selection.reason == SELECTION_REASON_AGREEMENT


def test_the_policys_k_go_on() -> None:
    selection = decided([0.9, 0.8, 0.7])
    assert list(selection.chosen) == ["c0", "c1"]
    assert selection.reason == SELECTION_REASON_POLICY


def test_more_than_there_are_means_all() -> None:
    selection = decided([0.9, 0.8], k=64)
    assert list(selection.chosen) == ["c0", "c1"]
    assert selection.reason == SELECTION_REASON_POLICY


def test_a_clear_lead_needs_one() -> None:
    selection = decided([0.9, 0.5, 0.4], k=3)
    assert list(selection.chosen) == ["c0"]
    assert selection.reason == SELECTION_REASON_MARGIN
    assert abs(selection.margin - 0.4) < 1e-9


def test_a_lead_by_chance_is_none() -> None:
    selection = decided([0.9, 0.1, 0.1], strategy=SELECTOR_STRATEGY_RANDOM)
    assert selection.reason == SELECTION_REASON_POLICY


def test_partials_that_say_the_same_need_one() -> None:
    selection = decided([0.9, 0.1], agreement=0.95)
    assert list(selection.chosen) == ["c0"]
    assert selection.reason == SELECTION_REASON_AGREEMENT


def test_only_one_delivered() -> None:
    selection = decided([0.4], agreement=1.0)
    assert selection.reason == SELECTION_REASON_ONLY_ONE
    assert abs(selection.margin - 0.4) < 1e-9


def with_gains(*gains: float | None, tokens: float | None = None) -> BootRanking:
    """Returns a ranking in which each candidate has this gain and expects these tokens."""
    of = ranking([0.9, 0.8, 0.7][: len(gains)], strategy=SELECTOR_STRATEGY_LEARNED)
    for ranked, gain in zip(of.proto.candidates, gains, strict=True):
        if gain is not None:
            ranked.gain = gain
        if tokens is not None:
            ranked.expected_tokens = tokens
    return of


@pytest.mark.parametrize(
    ("gains", "min_gain", "reason"),
    [
        ((0.5, 0.1, 0.1), 1.0, SELECTION_REASON_GAIN),
        ((0.5, 0.1), 1.0, SELECTION_REASON_GAIN),
        # Nothing is weighed: there is one candidate, one of them has no gain, or the policy asks for none.
        ((0.5,), 1.0, SELECTION_REASON_ONLY_ONE),
        ((0.5, None, 0.1), 1.0, SELECTION_REASON_POLICY),
        ((0.5, 0.1, 0.1), 0.0, SELECTION_REASON_POLICY),
    ],
)
def test_gains_decide_where_all_of_several_candidates_have_one(
    gains: tuple[float | None, ...], min_gain: float, reason: int
) -> None:
    policy = Policy(k=2, margin=0.3, agreement=0.95, min_gain=min_gain)
    assert decide(with_gains(*gains), policy, all_paid)[0].reason == reason


@pytest.mark.parametrize(
    ("ends", "chosen"),
    [
        # Finished candidates come before interrupted ones, and only the first of them is an answer.
        ((FINISH_REASON_UNKNOWN, FINISH_REASON_STOP, FINISH_REASON_STOP), ["c1", "c2"]),
        ((FINISH_REASON_STOP, FINISH_REASON_STOP, FINISH_REASON_STOP), ["c0", "c1"]),
        ((FINISH_REASON_UNKNOWN, FINISH_REASON_CONTENT_FILTER, FINISH_REASON_STOP), ["c2"]),
        ((FINISH_REASON_CONTENT_FILTER, FINISH_REASON_UNKNOWN, FINISH_REASON_UNKNOWN), ["c0"]),
    ],
)
def test_finished_texts_are_chosen_if_all_have_ended(ends: Sequence[FinishReason.ValueType], chosen: list[str]) -> None:
    of = with_gains(0.5, 0.1, 0.1)
    for boot, end in zip(of.boots, ends, strict=True):
        boot.partial.finish_reason = end
    selection, going = decide(of, Policy(k=2, min_gain=1.0), all_paid)
    assert [boot.candidate.name for boot in going] == chosen
    assert list(selection.chosen) == chosen


def test_a_text_that_has_not_ended_is_no_draft() -> None:
    boots = ranking([0.9, 0.8, 0.7]).boots
    assert finished_of(boots, 2) == []
    boots[2].partial.finish_reason = FINISH_REASON_UNKNOWN
    assert finished_of(boots, 2) == [boots[2]]


@pytest.mark.parametrize(
    ("tokens", "goes_on"),
    [
        # A draft may have 8 tokens and 2 are written, so that 6 cost 0.06 at 10 for each 1,000.
        (None, False),
        (6.0, False),
        (4.0, True),
        # More tokens are expected than the limit allows: only the limit can be spent.
        (1e6, False),
    ],
)
def test_a_draft_costs_the_tokens_that_are_expected_at_most_its_limit(tokens: float | None, goes_on: bool) -> None:
    of = with_gains(0.0, 0.05, 0.0, tokens=tokens)
    of.boots[0].partial.finish_reason = FINISH_REASON_STOP
    assert (next_by_gain(of, Policy(min_gain=10.0)) is not None) == goes_on


def test_the_limit_of_a_draft_bounds_the_price_of_an_expectation() -> None:
    of = with_gains(0.0, 0.07, 0.0, tokens=1e6)
    of.boots[0].partial.finish_reason = FINISH_REASON_STOP
    assert next_by_gain(of, Policy(min_gain=10.0)) is of.boots[1]


def test_the_ceiling_pays_for_fewer() -> None:
    # A completion takes 10 + 2 tokens in and 6 out; merging costs more than both.
    budget = Budget(40, prompt_tokens=10)
    selection, chosen = decide(
        ranking([0.9, 0.8]),
        Policy(k=2, margin=0.3, agreement=0.95),
        lambda ranked, k: budget.choose(ranked, k, None, merging=True),
    )
    assert selection.reason == SELECTION_REASON_COST_CEILING
    assert [each.candidate.name for each in chosen] == ["c0"]


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=12).map(lambda found: sorted(found, reverse=True)),
    k=st.integers(1, 64),
    margin=st.floats(0, 1),
    agreement=st.floats(0, 1),
    agreed=st.floats(0, 1),
    ceiling=st.none() | st.integers(1, 10**4),
    prices=st.lists(st.integers(0, 10**9), min_size=12, max_size=12),
    merging=st.booleans(),
)
def test_never_more_than_k_nor_than_delivered(
    scores: list[float],
    k: int,
    margin: float,
    agreement: float,
    agreed: float,
    ceiling: int | None,
    prices: list[int],
    merging: bool,
) -> None:
    of = ranking(scores, agreed)
    for each, price in zip(of.boots, prices, strict=False):
        each.candidate.spec.prices.output_nanousd_per_million = price
    budget = Budget(ceiling, prompt_tokens=10)
    selection, chosen = decide(
        of,
        Policy(k=k, margin=margin, agreement=agreement),
        lambda ranked, wanted: budget.choose(ranked, wanted, None, merging=merging),
    )
    names = [each.candidate.name for each in chosen]
    assert names == list(selection.chosen)
    assert 1 <= len(names) <= min(k, len(scores))
    assert len(set(names)) == len(names)
    order = [each.candidate for each in selection.ranking.candidates]
    assert names == sorted(names, key=order.index)
    one_suffices = {SELECTION_REASON_AGREEMENT, SELECTION_REASON_MARGIN, SELECTION_REASON_ONLY_ONE}
    if selection.reason in one_suffices:
        assert len(names) == 1
    if ceiling is None:
        assert selection.reason != SELECTION_REASON_COST_CEILING
    elif len(names) > 1:
        assert sum(map(budget.completion_cost, chosen)) <= ceiling
