"""The vote among finished texts: by the answers that a pattern finds, else by the words that the texts share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lightrouter.answers.agreement import compare
from lightrouter.answers.pieces import at_once
from lightrouter.lab.dataset.questions import Questions


def voted(questions: Questions, index: int, voters: Sequence[int], weights: Sequence[float]) -> int:
    """Returns the model that wins the vote of these, best first, on the prompt at `index`."""
    answers = [questions.answers[index][model] for model in voters]
    texts = [questions.texts[index][model] for model in voters]
    return voters[winner(answers, texts, weights, range(len(voters)), questions.messages(index))]


def winner(
    answers: Sequence[str | None],
    texts: Sequence[str],
    weights: Sequence[float],
    order: Sequence[int],
    messages: Sequence[str] = (),
) -> int:
    """Returns the index of the text that wins.

    If there is an answer, the one with the most weight wins, by the first text in `order` that gave it. Otherwise, as
    in free text, the text that agrees most with all others by their words wins: minimum Bayes risk decoding (Kumar and
    Byrne, 2004). Of these, refusals and other evasions have no vote, as in a route. Ties go to the first in `order`.

    Args:
        answers: The answer of each text; None if it has none.
        texts: The texts.
        weights: The weight of each vote.
        order: All indices, best first.
        messages: The prompt's messages, to detect echoes of them.
    """
    totals: dict[str, float] = defaultdict(float)
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] += weight
    rank = {index: position for position, index in enumerate(order)}
    if totals:
        holders = [index for index in order if answers[index] is not None]
        return max(holders, key=lambda index: (round(totals[answers[index] or ""], 9), -rank[index]))
    compared = at_once(compare(texts, [True] * len(texts), messages=messages))
    scores = {
        index: sum(weights[voter] * compared.agreement[index][voter] for voter in compared.voters)
        for index in compared.voters
    }
    return max(scores, key=lambda index: (round(scores[index], 9), -rank[index]))
