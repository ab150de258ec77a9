"""The feature rows for training and for serving, made by one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.learned.features import Contender, Question, features, surface, tentative_answer
from lightrouter.learned.priors import Neighbours, Prior, Priors
from lightrouter.v1.policy_pb2 import AnswerPattern


class Stranger(NamedTuple):
    """A candidate as the pool describes it.

    Attributes:
        name: Its model's name, by which its outcomes are found, or its own.
        prior: Its quality, 0 to 1.
        evaluated: Number of evaluated prompts behind it.
    """

    name: str
    prior: float
    evaluated: int


class Written(NamedTuple):
    """A candidate with its text so far.

    Attributes:
        name: The name by which its outcomes are found.
        prior: Its expected quality from the pool, 0 to 1.
        evaluated: Number of evaluated prompts behind `prior`.
        text: Its text; may be empty.
        complete: Whether the text is its whole answer.
    """

    name: str
    prior: float
    evaluated: int
    text: str
    complete: bool


def rows_of(
    asked: Question, written: Sequence[Written], pattern: AnswerPattern | None, priors: Priors
) -> list[list[float]]:
    """Returns the features of each candidate, in the order of `features.NAMES`.

    Args:
        asked: The prompt.
        written: The candidates, at least one.
        pattern: Where the comparable answer is in a text; None if unknown.
        priors: The known outcomes.
    """
    contenders = [
        Contender(each.name, each.prior, each.evaluated, each.text, each.complete, answer_in(each.text, pattern, asked))
        for each in written
    ]
    known = [prior_of(priors, Stranger(each.name, each.prior, each.evaluated), asked.neighbours) for each in written]
    return features(asked, contenders, [surface(each.text) for each in written], known, priors)


def prior_of(priors: Priors, candidate: Stranger, neighbours: Neighbours) -> Prior:
    """Returns the priors of a candidate, from the pool if its outcomes are unknown."""
    if priors.known(candidate.name):
        return priors.prior(candidate.name, neighbours)
    return priors.prior_of_stranger(candidate.prior, candidate.evaluated)


def answer_in(text: str, pattern: AnswerPattern | None, asked: Question) -> str | None:
    """Returns the comparable answer in a text; None if there is none.

    With `pattern`, its match is the answer, whatever the prompt. Without one, the answer is the option that the text
    supports, if the prompt offers options. The letter of an offered option is returned in the prompt's form.
    """
    if pattern is None:
        return tentative_answer(text, asked.options)
    found = extract(text, pattern)
    if found is None:
        return None
    answer = canonical(found)
    return answer.upper() if answer.upper() in asked.options else answer
