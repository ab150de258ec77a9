"""The answers that follow the first one: what they are expected to add and to cost, before anyone is asked.

Which candidates are asked after the first one depends on its answer, which nobody knows yet. So a few answers are
imagined, from one that is likely to be wrong to one that is likely to be right, and the best next step after each is
described. Trees that were trained on whole routes make of it what the further answers come to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final, NamedTuple

from lightrouter.learned.features import Candidate
from lightrouter.learned.gain import Answered, Gains, Known, rows
from lightrouter.learned.trees import total

# The imagined answers: their expected qualities, and whether a comparable answer is in them. A choice: one that gives
# none, a wrong one, a doubtful one and a right one.
_IMAGINED: Final = ((0.25, False), (0.25, True), (0.5, True), (0.75, True))
_OF_AN_ANSWER: Final = ("value", "gain", "price")
NAMES: Final[tuple[str, ...]] = (
    "first_gain",
    "most_further",
    *(f"{name}_after_{number}" for number in range(len(_IMAGINED)) for name in _OF_AN_ANSWER),
    "first_price",
    "mean_price",
    "least_price",
    "others",
    "prompt_length",
    "options",
    "neighbour_similarity",
)
"""The features of a route whose first candidate is chosen, in their order. Prices are logarithms of shares of the
worth; the last three are shares of the unit of `row`."""
# The least share: its logarithm is finite for a candidate that costs nothing.
_LEAST_PRICE: Final = 1e-9


class Offer(NamedTuple):
    """A candidate and the expected cost of its whole answer, in nano-dollars."""

    candidate: Candidate
    cost: float


class Followups(NamedTuple):
    """What the answers after the first one are expected to come to.

    Attributes:
        gain: The rise in the quality of the answer that is picked, -1 to 1.
        cost: Their cost in nano-dollars, 0 or more.
    """

    gain: float
    cost: float

    def value(self, worth: float) -> float:
        """Returns what they are worth after their cost, in nano-dollars; at least 0: each is asked only if it pays."""
        return max(0.0, self.gain * worth - self.cost)


def row(known: Known, gains: Gains, offers: Sequence[Offer], worth: float, most: int) -> tuple[list[float], float]:
    """Returns the features of a route, in the order of `NAMES`, and the unit in which its further cost is learned.

    The unit is the mean cost, in nano-dollars, of the candidates that would be the next after the imagined answers.

    Args:
        known: What is known of the prompt.
        gains: The trees that predict gains.
        offers: The candidate that is asked first, then all others, at least one.
        worth: What a right answer is worth, in nano-dollars, above 0.
        most: Most answers that may follow the first one.
    """
    first, others = offers[0].candidate, offers[1:]
    candidates = [each.candidate for each in others]
    costs = [each.cost for each in others]
    shares = [cost / worth for cost in costs]
    length = round(known.featurizer.priors.expected_length(first.name, known.asked.neighbours) or 0.0)
    unit = 0.0
    found = [gains.gain(rows(known, [], [first, *candidates])[0]), float(most)]
    for quality, answers in _IMAGINED:
        # Free texts give no comparable answer; of one, only who agrees with it would count.
        answer = Answered(first, quality, "" if answers and known.asked.options else None, length)
        after = map(gains.gain, rows(known, [answer], candidates))
        gain, share = max(zip(after, shares, strict=True), key=lambda pair: pair[0] - pair[1])
        found += [gain - share, gain, _log(share)]
        unit += share * worth / len(_IMAGINED)
    features = [
        *found,
        *(
            _log(share * worth / unit if unit else 1.0)
            for share in (offers[0].cost / worth, fmean(shares), min(shares))
        ),
        float(len(others)),
        known.asked.length,
        float(len(known.asked.options)),
        known.asked.neighbours.nearest,
    ]
    return features, unit


def followups(known: Known, gains: Gains, offers: Sequence[Offer], worth: float, most: int) -> Followups | None:
    """Returns what the answers after the first one are expected to come to; None if the gains were trained without.

    For the arguments see `row`.
    """
    if not gains.further_cost:
        return None
    if not (worth and most and offers[1:]):
        return Followups(0.0, 0.0)
    seen, unit = row(known, gains, offers, worth, most)
    gain = min(max(total(gains.further_gain, seen), -1.0), 1.0)
    return Followups(gain, max(total(gains.further_cost, seen), 0.0) * unit)


def _log(share: float) -> float:
    return math.log(max(share, _LEAST_PRICE))
