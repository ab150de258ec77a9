"""What a step is worth after its cost."""

from __future__ import annotations

from lightrouter.learned.steps import Step


def test_worth_decides_between_the_good_and_the_cheap() -> None:
    good, cheap = Step(0.7, 1000), Step(0.6, 100)
    assert good.value(8_000) < cheap.value(8_000)
    assert good.value(10_000) > cheap.value(10_000)
