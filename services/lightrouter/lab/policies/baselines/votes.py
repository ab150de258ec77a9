"""The vote among finished texts: by the answers that a pattern finds, else by the words that the texts share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lightrouter.answers.agreement import pairwise


def winner(answers: Sequence[str | None], texts: Sequence[str], weights: Sequence[float], order: Sequence[int]) -> int:
    """Returns the index of the text that wins.

    If there is an answer, the one with the most weight wins, by the first text in `order` that gave it. Otherwise, as
    in free text, the text that agrees most with all others by their words wins: minimum Bayes risk decoding (Kumar and
    Byrne, 2004). Ties go to the first in `order`.

    Args:
        answers: The answer of each text; None if it has none.
        texts: The texts.
        weights: The weight of each vote.
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
