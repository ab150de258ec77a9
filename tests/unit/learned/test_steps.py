"""What a step costs, and what it is worth after its cost."""

from __future__ import annotations

from lightrouter.learned.steps import Step, Terms


def test_worth_decides_between_the_good_and_the_cheap() -> None:
    good, cheap = Step(0.7, 1000), Step(0.6, 100)
    assert good.value(8_000) < cheap.value(8_000)
    assert good.value(10_000) > cheap.value(10_000)


def test_cached_tokens_cost_their_own_price() -> None:
    terms = Terms(input_tokens=100, cached_tokens=60, input_price=10, cached_price=1, output_price=20)
    assert terms.cost(5) == 40 * 10 + 60 * 1 + 5 * 20
