"""The learned model: what is expected of each candidate before it writes, and of what it has written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.learned.features import Contender, Question, features, question, surface, tentative_answer
from lightrouter.learned.linear import Linear
from lightrouter.learned.priors import Neighbours, Prior, Priors
from lightrouter.learned.trees import Tree, probability
from lightrouter.v1.policy_pb2 import AnswerPattern

# Conversations whose neighbours are remembered: the shortlist and each ranking of a route ask for the same.
_REMEMBERED = 256
_CHARACTERS_PER_TOKEN = 4.0


class Estimate(NamedTuple):
    """What is expected of a candidate.

    Attributes:
        quality: How good its answer is, 0 to 1: a calibrated probability where quality is right or wrong.
        gain: How much better the answer is expected to be, 0 to 1, where it goes on besides those that are expected
            to be better and those that have finished.
        tokens: Tokens that finishing its answer is expected to take; None where its answers are not known.
    """

    quality: float
    gain: float
    tokens: float | None


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


class Model:
    """What was learned.

    Attributes:
        priors: The known outcomes.
        trees: What tells a good partial answer.
        linear: What tells it where data are thin, beside the trees; None where the trees do alone.
        gain_share: Share of the cases in which a second draft is right and the first is not, that is found out.
    """

    def __init__(self, priors: Priors, trees: Sequence[Tree], gain_share: float, linear: Linear | None = None) -> None:
        self.priors = priors
        self.trees = trees
        self.linear = linear
        self.gain_share = gain_share
        self._question = lru_cache(maxsize=_REMEMBERED)(self._asked)

    def _asked(self, prompt: str) -> Question:
        return question(prompt, self.priors.neighbours(prompt))

    def answer(self, text: str, pattern: AnswerPattern | None, prompt: str) -> str | None:
        """Returns the comparable answer in a text: the option that it is for, else what `pattern` finds."""
        return answer_in(text, pattern, self._question(prompt))

    def expected(self, prompt: str, candidates: Sequence[Stranger]) -> list[float]:
        """Returns the quality that is expected of each candidate before it has written anything, 0 to 1."""
        neighbours = self._question(prompt).neighbours
        return [prior_of(self.priors, each, neighbours).expected for each in candidates]

    def estimates(self, prompt: str, contenders: Sequence[Contender]) -> list[Estimate]:
        """Returns what is expected of each contender, of which there is at least one."""
        asked = self._question(prompt)
        known = [
            prior_of(self.priors, Stranger(each.name, each.prior, each.evaluated), asked.neighbours)
            for each in contenders
        ]
        rows = features(asked, contenders, [surface(each.text) for each in contenders], known, self.priors)
        return self.of_qualities(asked, contenders, [self.quality(row) for row in rows])

    def quality(self, row: Sequence[float]) -> float:
        """Returns the quality that these features promise, 0 to 1."""
        by_trees = probability(self.trees, row)
        if self.linear is None:
            return by_trees
        return by_trees + self.linear.share * (self.linear.quality(row) - by_trees)

    def of_qualities(
        self, asked: Question, contenders: Sequence[Contender], qualities: Sequence[float]
    ) -> list[Estimate]:
        """Returns the estimates that expected qualities amount to."""
        found: dict[int, Estimate] = {}
        finished = max(
            (quality for each, quality in zip(contenders, qualities, strict=True) if each.complete), default=0
        )
        before = 0.0
        for index in sorted(range(len(contenders)), key=lambda place: -qualities[place]):
            each, quality = contenders[index], qualities[index]
            best = before if each.complete else max(before, finished)
            gain = self.gain_share * quality * (1 - best) if best else quality
            found[index] = Estimate(quality, gain, self._tokens(asked, each))
            before = max(before, quality)
        return [found[index] for index in range(len(contenders))]

    def _tokens(self, asked: Question, contender: Contender) -> float | None:
        if contender.complete:
            return 0.0
        length = self.priors.expected_length(contender.name, asked.neighbours)
        if length is None:
            return None
        # An answer that is longer than expected already has as much before it as it is beyond, but a little.
        left = max(length - len(contender.text), length / 4, 1.0)
        return left / _CHARACTERS_PER_TOKEN


def prior_of(priors: Priors, candidate: Stranger, neighbours: Neighbours) -> Prior:
    """Returns what is known of a candidate, from the pool where its outcomes are not known."""
    if priors.known(candidate.name):
        return priors.prior(candidate.name, neighbours)
    return priors.prior_of_stranger(candidate.prior, candidate.evaluated)


def answer_in(text: str, pattern: AnswerPattern | None, asked: Question) -> str | None:
    """Returns the comparable answer in a text: the letter of the option that it is for, else what `pattern` finds."""
    if asked.options:
        return tentative_answer(text, asked.options)
    found = extract(text, pattern)
    return None if found is None else canonical(found)
