"""The learned model: what is expected of each candidate before it writes, and of what it has written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.learned.excerpt import digest
from lightrouter.learned.features import Question, question
from lightrouter.learned.linear import Linear
from lightrouter.learned.priors import Priors
from lightrouter.learned.rows import Stranger, Written, prior_of, rows_of
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
        tokens: Tokens that finishing its answer is expected to take; None if its answers are not known.
    """

    quality: float
    gain: float
    tokens: float | None


class Model:
    """What was learned.

    Attributes:
        priors: The known outcomes.
        trees: What tells a good partial answer.
        linear: What tells it where data are thin, beside the trees; None if the trees do alone.
        gain_share: Share of the cases in which a second draft is right and the first is not, that is found out.
        pattern: Where the comparable answer stood in the texts that it was trained on; None if there was none, or
            more than one.
    """

    def __init__(
        self,
        priors: Priors,
        trees: Sequence[Tree],
        gain_share: float,
        linear: Linear | None = None,
        pattern: AnswerPattern | None = None,
    ) -> None:
        self.priors = priors
        self.trees = trees
        self.linear = linear
        self.gain_share = gain_share
        self.pattern = pattern
        self._questions: dict[bytes, Question] = {}

    def _question(self, prompt: str) -> Question:
        """Returns what a prompt looks like, remembered by its digest: the prompts themselves may be megabytes long."""
        key = digest(prompt)
        found = self._questions.pop(key, None)
        if found is None:
            found = question(prompt, self.priors.neighbours(prompt))
            while len(self._questions) >= _REMEMBERED:
                del self._questions[next(iter(self._questions))]
        self._questions[key] = found
        return found

    def expected(self, prompt: str, candidates: Sequence[Stranger]) -> list[float]:
        """Returns the quality that is expected of each candidate before it has written anything, 0 to 1."""
        neighbours = self._question(prompt).neighbours
        return [prior_of(self.priors, each, neighbours).expected for each in candidates]

    def estimates(
        self, prompt: str, written: Sequence[Written], pattern: AnswerPattern | None = None
    ) -> list[Estimate]:
        """Returns what is expected of each candidate that wrote, or was about to; there is at least one.

        Args:
            prompt: The conversation.
            written: The candidates.
            pattern: Where the comparable answer stands; None: where it stood in training.
        """
        asked = self._question(prompt)
        rows = rows_of(asked, written, pattern or self.pattern, self.priors)
        return self._of_qualities(asked, written, [self.quality(row) for row in rows])

    def quality(self, row: Sequence[float]) -> float:
        """Returns the quality that these features promise, 0 to 1."""
        by_trees = probability(self.trees, row)
        if self.linear is None:
            return by_trees
        return by_trees + self.linear.share * (self.linear.quality(row) - by_trees)

    def _of_qualities(self, asked: Question, written: Sequence[Written], qualities: Sequence[float]) -> list[Estimate]:
        """Returns the estimates that expected qualities amount to."""
        found: dict[int, Estimate] = {}
        finished = max((quality for each, quality in zip(written, qualities, strict=True) if each.complete), default=0)
        before = 0.0
        for index in sorted(range(len(written)), key=lambda place: -qualities[place]):
            each, quality = written[index], qualities[index]
            best = before if each.complete else max(before, finished)
            gain = self.gain_share * quality * (1 - best) if best else quality
            found[index] = Estimate(quality, gain, self._tokens(asked, each))
            before = max(before, quality)
        return [found[index] for index in range(len(written))]

    def _tokens(self, asked: Question, each: Written) -> float | None:
        if each.complete:
            return 0.0
        length = self.priors.expected_length(each.name, asked.neighbours)
        if length is None:
            return None
        # An answer that is longer than expected already has as much before it as it is beyond, but a little.
        left = max(length - len(each.text), length / 4, 1.0)
        return left / _CHARACTERS_PER_TOKEN
