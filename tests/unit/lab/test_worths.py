"""What a worth buys on prompts that nothing was learned from."""

from __future__ import annotations

from statistics import fmean

import pytest

from lightrouter.lab.policies.lightrouter import WORTHS
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.training.gains import fit_gains, steps
from lightrouter.lab.training.quality import cross_fitted
from lightrouter.lab.training.worths import Bought, Point, bought, curve, recommended
from lightrouter.recording.prices import Price, PriceList
from tests.unit.lab.test_gains import OPTIONS, cases

PRICES = PriceList(
    other=Price(input=100, output=100),
    models={"weak": Price(input=10, output=10), "strong": Price(input=3000, output=3000)},
)


def test_worth_buys_first_the_cheap_one_and_then_the_strong_one() -> None:
    learned = cases(100)
    held = list(cross_fitted(learned, OPTIONS, 0, 2))
    routes: list[list[Bought]] = []
    for own, other in zip(held, reversed(held), strict=True):
        routes += bought(learned, own, fit_gains([list(steps(learned, other, 0))], 0), PRICES).values()
    assert len(routes) == 100
    least, most = [each[0] for each in routes], [each[-1] for each in routes]
    # Each answer has 9 tokens and each prompt 10; `weak` is right on half of the prompts, `strong` on nine in ten.
    assert {each.asked for each in least} == {1}
    assert fmean(each.booked_usd for each in least) == pytest.approx(19 * 10e-6)
    assert fmean(each.planned_usd for each in least) == pytest.approx(19 * 10e-6, rel=0.05)
    assert fmean(each.quality for each in least) < 0.7
    assert fmean(each.booked_usd for each in most) >= 19 * 3000e-6
    assert fmean(each.quality for each in most) > 0.8
    costs = [fmean(each[number].planned_usd for each in routes) for number in range(len(WORTHS))]
    assert costs == sorted(costs)


def test_a_curve_has_a_point_for_each_worth() -> None:
    prompts = [[Bought(quality, 1e-4, 3e-4, 2e-4, 1.0)] * len(WORTHS) for quality in (0.0, 1.0, 1.0, 0.0)]
    points = curve(prompts, ["a", "b", "c", "d"], 0)
    assert [point.worth_usd for point in points] == list(WORTHS)
    assert {point.quality.mean for point in points} == {0.5}
    assert points[0].error == pytest.approx(0.25)
    assert points[0].row == {
        "worth_usd": WORTHS[0],
        "quality": [0.5, 0.0, 1.0],
        "usd_per_1000": 0.2,
        "planned_usd_per_1000": 0.1,
        "quoted_usd_per_1000": 0.3,
        "asked": 1.0,
    }


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [((0.5, 0.6, 0.7), 2), ((0.5, 0.695, 0.7), 1), ((0.7, 0.7, 0.6), 0), ((0.6, 0.7, 0.695), 1)],
)
def test_the_least_worth_that_cannot_be_told_from_the_best_is_recommended(
    qualities: tuple[float, ...], expected: int
) -> None:
    points = [Point(worth, Estimate.of(mean), 0, 0, 0, 1, 0.01) for worth, mean in enumerate(qualities)]
    assert recommended(points) == points[expected]
