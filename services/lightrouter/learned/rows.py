"""The rows that a model is trained on and the rows that it is served with: made by one function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.learned.features import Contender, Question, features, surface, tentative_answer
from lightrouter.learned.priors import Neighbours, Prior, Priors
from lightrouter.v1.policy_pb2 import AnswerPattern


class Stranger(NamedTuple):
    """What the pool says of a candidate.

    Attributes:
        name: Its model's name, by which its outcomes may be known, or its own.
        prior: Its quality, 0 to 1.
        evaluated: Evaluated prompts that this rests on.
    """

    name: str
    prior: float
    evaluated: int


class Written(NamedTuple):
    """A candidate with what it has written so far.

    Attributes:
        name: The name by which its outcomes may be known.
        prior: What the pool knows of its quality, 0 to 1.
        evaluated: Evaluated prompts that `prior` rests on.
        text: What it wrote; may be empty.
        complete: Whether that is its whole answer.
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
        pattern: Where the comparable answer stands in a text; None if nobody says.
        priors: The known outcomes.
    """
    contenders = [
        Contender(each.name, each.prior, each.evaluated, each.text, each.complete, answer_in(each.text, pattern, asked))
        for each in written
    ]
    known = [prior_of(priors, Stranger(each.name, each.prior, each.evaluated), asked.neighbours) for each in written]
    return features(asked, contenders, [surface(each.text) for each in written], known, priors)


def prior_of(priors: Priors, candidate: Stranger, neighbours: Neighbours) -> Prior:
    """Returns what is known of a candidate, from the pool where its outcomes are not known."""
    if priors.known(candidate.name):
        return priors.prior(candidate.name, neighbours)
    return priors.prior_of_stranger(candidate.prior, candidate.evaluated)


def answer_in(text: str, pattern: AnswerPattern | None, asked: Question) -> str | None:
    """Returns the comparable answer in a text; None if there is none.

    What `pattern` finds is the answer, whatever the prompt looks like. Without a pattern it is the option that the text
    is for, where the prompt offers options. The letter of an option that is offered is returned as the prompt has it.
    """
    if pattern is None:
        return tentative_answer(text, asked.options)
    found = extract(text, pattern)
    if found is None:
        return None
    answer = canonical(found)
    return answer.upper() if answer.upper() in asked.options else answer
