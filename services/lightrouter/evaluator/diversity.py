"""The diversity of a pool: how far its candidates make different errors, the reason to ask several.

Measured from their scores on the same prompts, without any text. A pool is homogeneous if neither its best pair nor its
vote can be worth more than its best candidate alone: merging does not repair drafts that are wrong together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, fmean
from typing import Final, NamedTuple

from lightrouter.evaluator.confidence import Tally, interval

LEAST_GAIN: Final = 0.02
"""Default of the smallest gain in quality, 0 to 1, that makes a second draft worthwhile. A choice."""

# The usual 95% of an interval: a choice.
_ERROR_RATE: Final = 0.05
# Rounding error of a zero in binary floating point.
_NO_ERROR: Final = 1e-9


class Estimate(NamedTuple):
    """A value with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Returns `0.12 (0.08 to 0.17)`."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class MarginalValue:
    """The quality that the pool loses without a candidate.

    Attributes:
        pair: Loss of the best pair, if the better draft of a pair is always taken.
        vote: Loss of the vote, which is right if more than half of the candidates are.
    """

    pair: Estimate
    vote: Estimate


@dataclass(frozen=True, slots=True)
class Diversity:
    """The diversity of a pool.

    Attributes:
        prompts: Prompts on which every candidate has a score.
        effective_size: Number of candidates with independent errors that would vary as much together: n²/Var of the
            sum of the n standardized errors, which is n/(1 + (n - 1) r) for a mean correlation r.
        marginal: The marginal value of each candidate.
        best: The best candidate.
        pair_gain: Gain of the best pair over the best candidate, if the better draft is always taken.
        vote_gain: Gain of the vote over the best candidate.
        homogeneous: Whether neither gain reaches the smallest worthwhile gain.
        decided: Whether it is certain that a gain reaches it, or that none does.
    """

    prompts: int
    effective_size: Estimate
    marginal: Mapping[str, MarginalValue]
    best: str
    pair_gain: Estimate
    vote_gain: Estimate
    homogeneous: bool
    decided: bool

    def message(self, candidate: str) -> str:
        """Returns sentences on a candidate's value in its pool, and advice."""
        own, size = self.marginal[candidate], len(self.marginal)
        said = (
            f"On {self.prompts} prompts, the pool's {size} candidates are worth {self.effective_size} candidates with "
            f"independent errors. Without {candidate}, the best pair loses {own.pair} quality, and the vote {own.vote}."
        )
        return f"{said} {self.advice}" if self.homogeneous else said

    @property
    def advice(self) -> str:
        """Advice on a homogeneous pool."""
        most = f"{self.pair_gain.high:.3f}"
        return (
            f"The candidates make the same errors: the best two reach at most {most} more quality than {self.best} "
            "alone, so the router continues only one. Add candidates of other model families, or remove those without "
            "a marginal value."
        )


def measure(scores: Mapping[str, Mapping[str, float | None]], least_gain: float = LEAST_GAIN) -> Diversity | None:
    """Returns a pool's diversity; None for fewer than two candidates or fewer than two common prompts.

    Args:
        scores: The scores, 0 to 1, by candidate and prompt.
        least_gain: Smallest gain in quality, 0 to 1, that makes a second draft worthwhile.
    """
    names = list(scores)
    common = [
        prompt
        for prompt in (scores[names[0]] if names else ())
        if all(scores[n].get(prompt) is not None for n in names)
    ]
    if len(names) < 2 or len(common) < 2:
        return None
    rows = {name: [float(scores[name][prompt] or 0.0) for prompt in common] for name in names}
    best = max(names, key=lambda name: fmean(rows[name]))
    pairs = _pairs(rows)
    gains = [_difference(taken, rows[best]) for _, taken in pairs]
    # The upper bound covers every pair, not only the one that looks best.
    pair_gain = Estimate(gains[0].value, gains[0].low, max(gain.high for gain in gains))
    votes = _votes(rows)
    vote_gain = _difference(votes, rows[best])
    homogeneous = max(pair_gain.high, vote_gain.high) < least_gain
    return Diversity(
        prompts=len(common),
        effective_size=_effective_size(rows),
        marginal={name: _marginal(name, rows, pairs, votes) for name in names},
        best=best,
        pair_gain=pair_gain,
        vote_gain=vote_gain,
        homogeneous=homogeneous,
        decided=homogeneous or max(pair_gain.low, vote_gain.low) >= least_gain,
    )


_Rows = Mapping[str, Sequence[float]]
_Pair = tuple[tuple[str, str], Sequence[float]]


def _pairs(rows: _Rows) -> list[_Pair]:
    """Returns each pair with its better score on each prompt, the best pair first."""
    pairs = [
        ((left, right), [max(two) for two in zip(rows[left], rows[right], strict=True)])
        for left, right in combinations(rows, 2)
    ]
    return sorted(pairs, key=lambda pair: -fmean(pair[1]))


def _votes(rows: _Rows) -> list[float]:
    """Returns for each prompt whether more than half of the candidates are right: 1, 0, or 0.5 for a tie."""
    majorities = (sum(1 if score > 0.5 else -1 for score in each) for each in zip(*rows.values(), strict=True))
    return [0.5 if not majority else float(majority > 0) for majority in majorities]


def _marginal(name: str, rows: _Rows, pairs: Sequence[_Pair], votes: Sequence[float]) -> MarginalValue:
    others = {other: row for other, row in rows.items() if other != name}
    without = next((taken for members, taken in pairs if name not in members), None)
    if without is None:
        # A pool of two leaves one candidate, which has no pair.
        (without,) = others.values()
    return MarginalValue(pair=_difference(pairs[0][1], without), vote=_difference(votes, _votes(others)))


def _difference(scores: Sequence[float], others: Sequence[float]) -> Estimate:
    """Returns the mean difference over prompts, -1 to 1.

    Gains and losses have separate bounds: if most prompts make no difference, these are much narrower than the bounds
    of a mean between -1 and 1.
    """
    differences = [score - other for score, other in zip(scores, others, strict=True)]
    gained = Tally(len(differences), sum(max(0.0, each) for each in differences))
    lost = Tally(len(differences), sum(max(0.0, -each) for each in differences))
    gain, loss = interval(gained, _ERROR_RATE / 2), interval(lost, _ERROR_RATE / 2)
    return Estimate(gained.mean - lost.mean, gain.low - loss.high, gain.high - loss.low)


def _standardized(row: Sequence[float]) -> list[float]:
    centre = fmean(row)
    deviation = math.sqrt(fmean((score - centre) ** 2 for score in row))
    return [(score - centre) / deviation if deviation else 0.0 for score in row]


def _effective_size(rows: _Rows) -> Estimate:
    """Returns n²/Var of the sum of the standardized errors, with the interval of that variance; 1 to n."""
    size = len(rows)
    standardized = [_standardized(row) for row in rows.values()]
    squares = [sum(each) ** 2 for each in zip(*standardized, strict=True)]
    most = sum(max(map(abs, row)) for row in standardized) ** 2
    low, high = _variance_within(squares, most)
    return Estimate(_effective(size, fmean(squares)), _effective(size, high), _effective(size, low))


def _effective(size: int, variance: float) -> float:
    return min(float(size), max(1.0, size**2 / variance)) if variance > 0 else float(size)


def _variance_within(squares: Sequence[float], most: float) -> tuple[float, float]:
    """Returns the interval of the mean of squares, each at most `most`."""
    variance = fmean(squares)
    error = math.sqrt(fmean((square - variance) ** 2 for square in squares) / len(squares))
    if error > _NO_ERROR * (1 + variance):
        reach = NormalDist().inv_cdf(1 - _ERROR_RATE / 2) * error
        return variance - reach, variance + reach
    # Equal values on a few prompts do not prove that all prompts give the same value.
    if not most:
        return 0.0, math.inf
    within = interval(Tally(len(squares), sum(squares) / most), _ERROR_RATE)
    return within.low * most, within.high * most
