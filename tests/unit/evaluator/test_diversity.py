"""Effective size, marginal values, and the homogeneous pool, on outcomes made for it."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.evaluator.diversity import Diversity, measure


def independent(count: int, prompts: int, quality: float, seed: int = 1) -> dict[str, dict[str, float | None]]:
    random = Random(seed)
    return {
        f"m{index}": {f"p{prompt}": float(random.random() < quality) for prompt in range(prompts)}
        for index in range(count)
    }


def copies(count: int, prompts: int, differs: float, seed: int = 1) -> dict[str, dict[str, float | None]]:
    """Candidates that make the same errors on all but a share of the prompts."""
    random = Random(seed)
    truth = [random.random() < 0.6 for _ in range(prompts)]
    return {
        f"m{index}": {f"p{at}": float(right != (random.random() < differs)) for at, right in enumerate(truth)}
        for index in range(count)
    }


def measured(scores: dict[str, dict[str, float | None]], least_gain: float = 0.02) -> Diversity:
    found = measure(scores, least_gain)
    assert found is not None
    return found


def test_a_pool_of_copies_is_homogeneous() -> None:
    found = measured(copies(3, 800, 0.0))
    assert found.homogeneous
    assert found.effective_size.value == pytest.approx(1.0)
    assert found.pair_gain.value == found.vote_gain.value == 0
    assert all(value.pair.value == 0 for value in found.marginal.values())
    assert "Add candidates of other model families" in found.message("m1")


def test_copies_are_not_called_homogeneous_on_few_prompts() -> None:
    assert not measured(copies(3, 60, 0.0)).homogeneous


def test_a_pool_that_errs_independently_is_none() -> None:
    found = measured(independent(4, 2_000, 0.6))
    assert not found.homogeneous
    assert found.effective_size.low < 4 <= found.effective_size.high + 1e-9
    assert found.effective_size.value == pytest.approx(4, abs=0.4)
    assert found.pair_gain.value == pytest.approx(0.4 * 0.6, abs=0.05)
    assert "Add candidates" not in found.message("m1")


def test_the_marginal_value_is_what_only_one_knows() -> None:
    """Two candidates know the first half, one knows the second: without the latter the best pair loses a half."""
    half = {f"p{at}": float(at < 500) for at in range(1_000)}
    found = measured({"a": dict(half), "b": dict(half), "c": {at: 1.0 - right for at, right in half.items()}})
    assert found.marginal["c"].pair.value == pytest.approx(0.5)
    assert found.marginal["a"].pair.value == found.marginal["b"].pair.value == 0
    low, high = found.marginal["c"].pair[1:]
    assert 0.4 < low < 0.5 < high < 0.6
    # The vote is the first half's; without a or b it is a tie everywhere.
    assert found.marginal["c"].vote.value == 0


def test_a_worthwhile_pair_is_called_worthless_as_rarely_as_stated() -> None:
    """The pair's true gain is what counts, just: over 200 seeded pools it may be overlooked in 5% at most."""
    wrong = 0
    for seed in range(200):
        random = Random(seed)
        first = {f"p{at}": float(random.random() < 0.6) for at in range(800)}
        # Each is right on 2% of the prompts on which the other is wrong.
        second = {
            at: 1 - right if random.random() < 0.02 / (0.6 if right else 0.4) else right for at, right in first.items()
        }
        wrong += measured({"a": dict(first), "b": dict(second)}, 0.02).homogeneous
    assert wrong <= 10


def test_only_common_prompts_count() -> None:
    scores: dict[str, dict[str, float | None]] = {
        "a": {"x": 1.0, "y": 0.0, "z": 1.0},
        "b": {"x": 1.0, "y": 1.0, "z": None, "w": 1.0},
    }
    assert measured(scores).prompts == 2


@pytest.mark.parametrize("scores", [{}, {"a": {"x": 1.0, "y": 1.0}}, {"a": {"x": 1.0}, "b": {"x": 1.0}}])
def test_too_little_says_nothing(scores: dict[str, dict[str, float | None]]) -> None:
    assert measure(scores) is None


@given(
    st.integers(2, 5).flatmap(
        lambda size: st.lists(st.lists(st.floats(0, 1), min_size=size, max_size=size), min_size=2, max_size=40)
    )
)
def test_any_scores_have_estimates_within_their_bounds(rows: list[list[float]]) -> None:
    size = len(rows[0])
    found = measured({f"m{index}": {str(at): row[index] for at, row in enumerate(rows)} for index in range(size)})
    estimates = [found.effective_size, found.pair_gain, found.vote_gain]
    estimates += [value for each in found.marginal.values() for value in (each.pair, each.vote)]
    for value, low, high in estimates:
        assert math.isfinite(value)
        assert low - 1e-9 <= value <= high + 1e-9
    assert 1 <= found.effective_size.value <= size


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 1, 1, 1]] * 3,
        [[0, 0]] * 2,
        [[1, 0, 1, 0]] * 2,
        [[1, 0, 1, 0], [0, 1, 0, 1]],
        [[1, 0] * 50] * 4,
    ],
)
def test_the_size_is_never_known_exactly(rows: list[list[float]]) -> None:
    scores = {f"c{number}": {f"q{n}": score for n, score in enumerate(row)} for number, row in enumerate(rows)}
    found = measure(scores)
    assert found
    size = found.effective_size
    assert 1 <= size.low <= size.value <= size.high <= len(rows)
    assert size.low < size.high


def test_more_prompts_make_the_size_surer() -> None:
    def width(count: int) -> float:
        row = {f"q{n}": float(n % 2) for n in range(count)}
        found = measure({"a": row, "b": row})
        assert found
        return found.effective_size.high - found.effective_size.low

    assert width(400) < width(20) < width(4)
