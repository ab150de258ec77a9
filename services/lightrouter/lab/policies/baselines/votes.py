"""Whose text wins among finished ones: by the answers that a pattern finds, else by what the texts have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lightrouter.answers.agreement import pairwise


def winner(answers: Sequence[str | None], texts: Sequence[str], weights: Sequence[float], order: Sequence[int]) -> int:
    """Returns the index of the text that wins.

    Where at least one answer is there, the answer with the most weight wins, and of those who gave it the one that
    stands first in `order`. Where there is none, as in free text, the text that agrees most with all others by their
    words wins: the least risky one, as minimum Bayes risk decoding has it. Ties go to the first in `order`.

    Args:
        answers: What each text answers; None where that is not known.
        texts: The texts.
        weights: How much each one's word counts.
        order: All indices, best first.
    """
    totals: dict[str, float] = defaultdict(float)
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] += weight
    rank = {index: position for position, index in enumerate(order)}
    if totals:
        holders = [index for index in order if answers[index] is not None]
        return max(holders, key=lambda index: (round(totals[answers[index] or ""], 9), -rank[index]))
    likeness = pairwise(texts, [True] * len(texts))
    scores = [sum(weight * value for weight, value in zip(weights, row, strict=True)) for row in likeness]
    return max(order, key=lambda index: (round(scores[index], 9), -rank[index]))
