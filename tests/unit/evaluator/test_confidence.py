"""Intervals that hold at every look."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.evaluator.confidence import Tally, interval
from tests.unit.evaluator.predictions import prompts_needed

RATES = (0.2, 0.05, 0.001)


@given(st.lists(st.floats(0, 1), max_size=60), st.sampled_from(RATES))
def test_an_interval_holds_the_mean_and_narrows_with_the_certainty_that_is_asked_for(
    scores: list[float], rate: float
) -> None:
    tally = Tally()
    for score in scores:
        tally = tally.and_(score)
    low, high = interval(tally, rate)
    assert 0 <= low <= tally.mean + 1e-9
    assert tally.mean - 1e-9 <= high <= 1
    wider = interval(tally, rate / 10)
    assert wider.low <= low + 1e-9
    assert wider.high >= high - 1e-9


def test_an_interval_without_observations_is_open() -> None:
    assert interval(Tally(), 0.05) == (0, 1)


def test_a_known_interval() -> None:
    # 10 of 10: M(p) = B(11, 1) / p^10 = 1 / (11 p^10), which reaches 20 at p = 220^-0.1.
    low, high = interval(Tally(10, 10.0), 0.05)
    assert low == pytest.approx(220**-0.1, abs=1e-6)
    assert high == 1


@pytest.mark.parametrize("quality", [0.02, 0.3, 0.5, 0.9])
def test_the_truth_is_hardly_ever_outside_at_any_look(quality: float) -> None:
    # 500 sequences of 300 looks each: 5% may ever be wrong, and some margin for the chance of the draw (3 sigma).
    chance, wrong = Random(f"bounds:{quality}"), 0
    for _ in range(500):
        tally, missed = Tally(), False
        for seen in range(300):
            tally = tally.and_(float(chance.random() < quality))
            if seen % 8 == 7 and not missed:
                low, high = interval(tally, 0.05)
                missed = not low <= quality <= high
        wrong += missed
    assert wrong / 500 <= 0.05 + 3 * (0.05 * 0.95 / 500) ** 0.5


def test_scores_between_0_and_1_are_no_less_sure() -> None:
    chance, wrong = Random(3), 0
    for _ in range(300):
        tally, missed = Tally(), False
        for seen in range(160):
            tally = tally.and_(chance.choice((0.0, 0.5, 0.5, 1.0)))
            if seen % 8 == 7 and not missed:
                low, high = interval(tally, 0.05)
                missed = not low <= 0.5 <= high
        wrong += missed
    assert wrong / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_the_number_of_prompts_that_a_decision_takes() -> None:
    needed = prompts_needed(0.25, 0.15, 0.05)
    low, high = interval(Tally(needed, 0.25 * needed), 0.05)
    assert high - 0.25 < 0.15
    assert interval(Tally(needed - 1, 0.25 * (needed - 1)), 0.05).high - 0.25 >= 0.15
    assert low < 0.25
    assert prompts_needed(0.25, 0.1, 0.05) > needed
