"""The step that is worth its money."""

from __future__ import annotations

import pytest

from lightrouter.learned.steps import Step, Terms, best_step

GOOD, CHEAP = Step(0.7, 1000), Step(0.6, 100)


@pytest.mark.parametrize(
    ("worth", "needed", "expected"),
    [(0, True, 1), (0, False, None), (8_000, True, 1), (10_000, True, 0), (100, False, None), (200, False, 1)],
)
def test_worth_decides_between_the_good_and_the_cheap(worth: float, needed: bool, expected: int | None) -> None:
    assert best_step([GOOD, CHEAP], worth, needed=needed) == expected


def test_without_steps_there_is_none() -> None:
    assert best_step([], 1e9, needed=True) is None


def test_cached_tokens_cost_their_own_price() -> None:
    terms = Terms(input_tokens=100, cached_tokens=60, input_price=10, cached_price=1, output_price=20)
    assert terms.cost(5) == 40 * 10 + 60 * 1 + 5 * 20
