"""Intervals for a mean quality that hold at every look at once, so that an evaluation may stop as soon as it is sure.

For scores in [0, 1] with mean p, of which n have been seen with the sum s, the Beta-binomial mixture

    M_n(p) = B(1 + s, 1 + n - s) / (B(1, 1) p^s (1 - p)^(n - s)),

the ratio of prior to posterior density of a uniform Beta prior, is a supermartingale that begins at 1: exactly so for
scores of 0 and 1, and for those between because the likelihood ratio is convex in the score. By Ville's inequality it
ever reaches 1/a with a probability of at most a. So the p with M_n(p) < 1/a are a confidence sequence: they hold the
true mean at all n together with a probability of at least 1 - a (Robbins 1970, Ann. Math. Statist. 41(5); Waudby-Smith
and Ramdas 2020, arXiv 2006.04347, section 2.2 for this form).

What it takes: each prompt is drawn by chance, whatever the earlier ones were. The prompts of a validation set in random
order are that, for the quality over the kind of prompts that the set was drawn from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

# Each step halves the range: far below what one prompt moves.
_STEPS = 40


class Interval(NamedTuple):
    """Where a mean lies, 0 to 1."""

    low: float
    high: float


class Tally(NamedTuple):
    """How many scores were seen, and their sum."""

    seen: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float:
        """The mean score; 0 where there is none."""
        return self.total / self.seen if self.seen else 0.0

    def and_(self, score: float) -> Tally:
        """Returns the tally with one more score, 0 to 1."""
        return Tally(self.seen + 1, self.total + score)


def interval(tally: Tally, error_rate: float) -> Interval:
    """Returns where the true mean lies.

    Over all looks at a growing tally together the true mean is ever outside with a probability of at most `error_rate`.
    """
    count, total = tally
    if not count:
        return Interval(0.0, 1.0)
    # The logarithm of the likelihood at which M reaches 1/error_rate.
    bound = math.lgamma(1 + total) + math.lgamma(1 + count - total) - math.lgamma(2 + count) + math.log(error_rate)

    def outside(p: float) -> bool:
        return _times_log(total, p) + _times_log(count - total, 1 - p) <= bound

    return Interval(_edge(outside, 0.0, tally.mean), _edge(outside, 1.0, tally.mean))


def prompts_needed(quality: float, distance: float, error_rate: float) -> int:
    """Returns after how many prompts an interval around `quality` reaches less than `distance` to either side.

    It predicts how long a decision takes: for the scores that are expected, without their chance.
    """
    low, high = 0, 1
    while _reach(quality, high, error_rate) >= distance:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _reach(quality, middle, error_rate) >= distance else (low, middle)
    return high


def _reach(quality: float, count: int, error_rate: float) -> float:
    low, high = interval(Tally(count, quality * count), error_rate)
    return max(quality - low, high - quality)


def _times_log(weight: float, value: float) -> float:
    if weight <= 0:
        return 0.0
    return weight * math.log(value) if value > 0 else -math.inf


def _edge(outside: Callable[[float], bool], far: float, inside: float) -> float:
    """Returns the border between `far` and `inside`, on the side that is outside where there is one."""
    if not outside(far):
        return far
    for _ in range(_STEPS):
        middle = (far + inside) / 2
        far, inside = (middle, inside) if outside(middle) else (far, middle)
    return far
