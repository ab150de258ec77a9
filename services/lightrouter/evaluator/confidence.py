"""Always-valid intervals for a mean quality: they hold at every look, so an evaluation may stop at any time.

For scores in [0, 1] with mean p, after n scores with the sum s, the Beta-binomial mixture

    M_n(p) = B(1 + s, 1 + n - s) / (B(1, 1) p^s (1 - p)^(n - s)),

the ratio of prior to posterior density of a uniform Beta prior, is a supermartingale that starts at 1: exactly for
scores of 0 and 1, and for scores between them because the likelihood ratio is convex in the score. By Ville's
inequality it reaches 1/a at any time with a probability of at most a. So the p with M_n(p) < 1/a are a confidence
sequence: they contain the true mean at all n together with a probability of at least 1 - a (Robbins 1970, Ann. Math.
Statist. 41(5); Waudby-Smith and Ramdas 2020, arXiv 2006.04347, section 2.2 for this form).

The condition: each prompt is drawn at random, independently of the earlier ones. A validation set in random order
fulfils it for the quality on the kind of prompts that the set was drawn from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

# A choice: each step halves the range, so that 40 steps give 1e-12, far below the effect of one prompt.
_STEPS = 40


class Interval(NamedTuple):
    """The interval of a mean, 0 to 1."""

    low: float
    high: float


class Tally(NamedTuple):
    """The number of scores and their sum."""

    seen: int = 0
    total: float = 0.0

    @property
    def mean(self) -> float:
        """The mean score; 0 if there is none."""
        return self.total / self.seen if self.seen else 0.0

    def and_(self, score: float) -> Tally:
        """Returns the tally with one more score, 0 to 1."""
        return Tally(self.seen + 1, self.total + score)


def interval(tally: Tally, error_rate: float) -> Interval:
    """Returns the interval of the true mean.

    Over all looks at a growing tally, the probability that the true mean is ever outside is at most `error_rate`.
    """
    count, total = tally
    if not count:
        return Interval(0.0, 1.0)
    # The log-likelihood at which M reaches 1/error_rate.
    bound = math.lgamma(1 + total) + math.lgamma(1 + count - total) - math.lgamma(2 + count) + math.log(error_rate)

    def outside(p: float) -> bool:
        return _times_log(total, p) + _times_log(count - total, 1 - p) <= bound

    return Interval(_edge(outside, 0.0, tally.mean), _edge(outside, 1.0, tally.mean))


def _times_log(weight: float, value: float) -> float:
    if weight <= 0:
        return 0.0
    return weight * math.log(value) if value > 0 else -math.inf


def _edge(outside: Callable[[float], bool], far: float, inside: float) -> float:
    """Returns the border between `far` and `inside`, from its outer side; `far` if that is not outside."""
    if not outside(far):
        return far
    for _ in range(_STEPS):
        middle = (far + inside) / 2
        far, inside = (middle, inside) if outside(middle) else (far, middle)
    return far
