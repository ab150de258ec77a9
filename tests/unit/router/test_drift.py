"""The change detector: false alarms are as rare as stated, and changes are found as soon as its bets allow."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.router.pool.drift import Change, Comparison, Detector, Figure, Mean

RUN_LENGTH = 1_000.0
TOLERANCE = 0.05


def runs_until(figure: Figure, mean: float, random: Random, most: int, change: Change) -> int | None:
    """Returns the number of observations until the change; None if there was no change."""
    for count in range(1, most + 1):
        seen = figure.observe(float(random.random() < mean))
        if seen is not None:
            assert seen is change
            return count
    return None


def learned(mean: float, random: Random, observations: int) -> Figure:
    figure = Figure(TOLERANCE, RUN_LENGTH)
    assert runs_until(figure, mean, random, observations, Change.DRIFTED) is None
    return figure


@pytest.mark.parametrize("border", [0.05, 0.3, 0.9])
def test_false_alarms_at_the_border_itself_are_as_rare_as_stated(border: float) -> None:
    """The worst case that is no change: a mean exactly at the border, over 40 seeded runs."""
    lengths = []
    for seed in range(40):
        random, detector = Random(seed), Detector(RUN_LENGTH)
        length = 1
        # A longer run counts as four times the stated length.
        while not detector.alarms(float(random.random() < border), border) and length < 4 * RUN_LENGTH:
            length += 1
        lengths.append(length)
    assert sum(lengths) / len(lengths) >= RUN_LENGTH


@pytest.mark.parametrize("mean", [0.0, 0.01, 0.2, 0.5, 0.9, 1.0])
def test_a_figure_that_stays_what_it_was_is_left_alone(mean: float) -> None:
    for seed in range(5):
        learned(mean, Random(seed), 4_000)


@pytest.mark.parametrize(("usual", "worse"), [(0.01, 0.3), (0.0, 1.0), (0.3, 0.6), (0.75, 0.95)])
def test_a_change_is_found_and_so_is_its_end(usual: float, worse: float) -> None:
    for seed in range(5):
        random = Random(seed)
        figure = learned(usual, random, 3_000)
        border = figure.history.upper(3.1) + TOLERANCE
        # All stakes weigh the same, so that the gain of the best one bounds the time of detection.
        growth = max(_growth(worse, border, stake) for stake in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 7 / 8))
        needed = math.log(5 * RUN_LENGTH) / growth
        found = runs_until(figure, worse, random, 20_000, Change.DRIFTED)
        assert found is not None
        assert found <= 4 * needed
        late, rests_on = figure.since_change()
        assert late > border
        assert rests_on > 0
        assert figure.history.value == pytest.approx(usual, abs=0.05)
        assert runs_until(figure, usual, random, 5_000, Change.RETURNED) is not None
        assert not figure.drifted


def _growth(mean: float, border: float, stake: float) -> float:
    won, lost = math.log1p(stake * (1 - border) / border), math.log1p(-stake)
    return mean * won + (1 - mean) * lost


def test_a_figure_at_the_border_does_not_flap() -> None:
    random = Random(1)
    figure = learned(0.1, random, 3_000)
    border = figure.history.upper(3.1) + TOLERANCE
    assert runs_until(figure, 0.9, random, 100, Change.DRIFTED) is not None
    changes = [figure.observe(float(random.random() < border)) for _ in range(2_000)]
    assert sum(change is not None for change in changes) <= 1


def test_a_change_does_not_become_history_while_it_is_suspected() -> None:
    figure = learned(0.02, Random(1), 2_000)
    before = figure.history.value
    for _ in range(3):
        assert figure.observe(1.0) is None
    assert figure.history.value == before
    assert figure.since_change() == (1.0, 3)


def test_no_figure_leaves_an_empty_history() -> None:
    figure = Figure(TOLERANCE, RUN_LENGTH)
    assert all(figure.observe(1.0) is None for _ in range(1_000))
    assert figure.history.value == 1.0


def test_later_observations_count_more() -> None:
    mean = Mean(10)
    for observation in [0.0] * 100 + [1.0] * 10:
        mean.add(observation)
    assert mean.value == pytest.approx(1 - 0.9**10, abs=0.01)
    assert mean.weight == pytest.approx(10, abs=0.01)


@given(st.lists(st.floats(0, 1), max_size=200), st.floats(0, 1), st.integers(10, 10**6))
def test_any_observations_make_figures_between_0_and_1(
    observations: list[float], tolerance: float, run_length: float
) -> None:
    figure = Figure(tolerance, run_length)
    for observation in observations:
        figure.observe(observation)
        assert 0 <= figure.history.value <= 1 + 1e-9
        assert 0 <= figure.recent.value <= 1 + 1e-9
        assert 0 <= figure.history.upper(3.0) <= 1
        assert 0 <= figure.since_change()[0] <= 1 + 1e-9


def compared() -> Comparison:
    """Returns a figure that is 0.8 beside rivals, and 0.2 without them."""
    figure = Comparison(lambda: Figure(TOLERANCE, RUN_LENGTH))
    random = Random(1)
    for _ in range(3_000):
        for cohort, mean in (("rivals", 0.8), ("few", 0.2)):
            assert figure.observe(cohort, float(random.random() < mean)) is None
    return figure


def changes(figure: Comparison, cohort: str, mean: float, observations: int = 3_000) -> list[Change]:
    random = Random(2)
    seen = (figure.observe(cohort, float(random.random() < mean)) for _ in range(observations))
    return [change for change in seen if change]


def test_a_cohort_that_comes_and_goes_changes_nobody() -> None:
    figure = compared()
    for cohort, mean in (("few", 0.2), ("rivals", 0.8), ("new", 1.0), ("few", 0.2), ("new", 0.9)):
        assert not changes(figure, cohort, mean)
    assert figure.departed is None
    assert figure.recent.value == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize("returns_in", ["few", "rivals"])
def test_a_change_in_one_company_ends_in_any(returns_in: str) -> None:
    """The cohort in which it left its history may never boot together again."""
    figure = compared()
    assert changes(figure, "few", 0.6, 500) == [Change.DRIFTED]
    assert figure.departed
    assert figure.departed.history.value == pytest.approx(0.2, abs=0.05)
    # It is no better in another cohort.
    assert not changes(figure, "rivals", 0.99)
    assert changes(figure, returns_in, {"few": 0.2, "rivals": 0.8}[returns_in]) == [Change.RETURNED]
    for cohort, mean in (("few", 0.2), ("rivals", 0.8)):
        assert not changes(figure, cohort, mean)
    assert changes(figure, "few", 0.6, 500) == [Change.DRIFTED]


def test_company_without_a_history_is_judged_by_what_was_left() -> None:
    figure = compared()
    assert changes(figure, "few", 0.9, 500) == [Change.DRIFTED]
    assert not changes(figure, "new", 0.9)
    assert changes(figure, "new", 0.1) == [Change.RETURNED]


def test_companies_that_were_met_last_are_remembered() -> None:
    figure = compared()
    for each in range(6):
        assert not changes(figure, f"other {each}", 0.1, 10)
        assert not changes(figure, "few", 0.2, 10)
    assert changes(figure, "few", 0.6, 500) == [Change.DRIFTED]
    figure = compared()
    for each in range(8):
        assert not changes(figure, f"other {each}", 0.1, 10)
    assert not changes(figure, "few", 0.6, 500)
