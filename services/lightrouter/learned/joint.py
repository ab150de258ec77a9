"""How candidates are right and wrong together: over all prompts, and over prompts like this one.

Candidates are not independent: a prompt that one gets wrong is harder for the others too. Answers that agree or
differ then say more than each candidate's own record. With the outcomes of known prompts as samples, what is right
follows by Bayes' rule: among the prompts on which exactly the candidates that agree here were right, how often was
another candidate right too?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from lightrouter.learned.priors import Example, Neighbours

# As for the quality of a single candidate, see `priors`.
_NEAR: Final = 50
_WIDE: Final = 400
_SHRINK_NEAR: Final = 2.0
_SHRINK_WIDE: Final = 4.0
# The quality from which an answer counts as right.
_RIGHT: Final = 0.5
# The share of prompts for a case that no known prompt shows: a choice, less than one of 10,000.
_FLOOR: Final = 5e-5


class Outcome(NamedTuple):
    """Which candidates were right on a prompt, as bits by their positions.

    Attributes:
        known: The candidates with a scored answer.
        right: Those of them whose answer was right.
    """

    known: int
    right: int


class Posterior(NamedTuple):
    """The chances that answers are right, given which candidates agree. The shares are of 1.

    Attributes:
        groups: The chance of each group of equal answers that it is right.
        none: The chance that no answer is right.
        others: For each candidate that has not answered, the chance that it is right together with each group, and
            last the chance that it is right and no group is.
    """

    groups: Sequence[float]
    none: float
    others: Sequence[Sequence[float]]

    def right(self, other: int) -> float:
        """Returns the chance that a candidate without an answer is right."""
        return sum(self.others[other])


class Joint:
    """The joint outcomes of known candidates."""

    def __init__(self, examples: Sequence[Example]) -> None:
        """Learns from prompts with known outcomes, at least one."""
        self._outcomes = [_outcome(example) for example in examples]
        self.overall: Mapping[Outcome, float] = _shares(dict.fromkeys(self._outcomes, 0.0), self._outcomes)
        """The share of each outcome in all prompts."""

    def near(self, neighbours: Neighbours) -> dict[Outcome, float]:
        """Returns the share of each outcome in prompts like the one with these neighbours."""
        found = dict.fromkeys(self.overall, 0.0)
        for most, shrink in ((_WIDE, _SHRINK_WIDE), (_NEAR, _SHRINK_NEAR)):
            similarities = neighbours.similarities[:most]
            scale = 0.5 / (sum(similarities) + shrink)
            for outcome, share in self.overall.items():
                found[outcome] += share * shrink * scale
            for place, similarity in zip(neighbours.examples, similarities, strict=False):
                found[self._outcomes[place]] += similarity * scale
        return found


def posterior(shares: Mapping[Outcome, float], groups: Sequence[int], others: Sequence[int]) -> Posterior:
    """Returns the chances that answers are right, given which candidates agree.

    Args:
        shares: The share of each outcome in prompts like this one.
        groups: The candidates with equal answers, as bits by their positions; each candidate is in one group at most.
        others: The positions of the candidates that have not answered.
    """
    asked = sum(groups)
    place = {group: index for index, group in enumerate(groups)} | {0: len(groups)}
    count = len(place)
    needed = asked | sum(1 << other for other in others)
    total = [0.0] * count
    right = [[_FLOOR] * count for _ in others]
    for (known, outcome), share in shares.items():
        at = place.get(outcome & asked)
        # Prompts without an outcome of one of them say nothing about their agreement.
        if at is None or known & needed != needed:
            continue
        total[at] += share
        for other, row in zip(others, right, strict=True):
            if outcome >> other & 1:
                row[at] += share
    total = [share + 2 * _FLOOR for share in total]
    scale = 1 / sum(total)
    *held, none = [share * scale for share in total]
    return Posterior(held, none, [[share * scale for share in row] for row in right])


def _outcome(example: Example) -> Outcome:
    known = sum(1 << place for place, quality in enumerate(example.quality) if quality is not None)
    right = sum(1 << place for place, quality in enumerate(example.quality) if (quality or 0.0) >= _RIGHT)
    return Outcome(known, right)


def _shares(counts: dict[Outcome, float], outcomes: Sequence[Outcome]) -> dict[Outcome, float]:
    for outcome in outcomes:
        counts[outcome] += 1 / len(outcomes)
    return counts
