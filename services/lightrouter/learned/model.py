"""The learned model: predicts each candidate's quality before it writes and from its partial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.featurizer import Featurizer
from lightrouter.learned.linear import Linear
from lightrouter.learned.priors import Neighbours, Priors
from lightrouter.learned.trees import Tree, probability
from lightrouter.v1.policy_pb2 import AnswerPattern

# The usual estimate for English text.
_CHARACTERS_PER_TOKEN = 4.0


class Estimate(NamedTuple):
    """The estimate for a candidate.

    Attributes:
        quality: Quality of its answer, 0 to 1: a calibrated probability if quality is right or wrong.
        gain: Expected gain in the answer's quality, 0 to 1, if it goes on in addition to the better candidates and
            those that have finished.
        tokens: Expected tokens to finish its answer; None if its answers are unknown.
    """

    quality: float
    gain: float
    tokens: float | None


class Model:
    """A trained model.

    Attributes:
        priors: The known outcomes.
        featurizer: Makes the features that the model reads.
        trees: The trees that predict quality from a partial.
        linear: The linear model beside the trees, for sparse data; None if the trees are used alone.
        gain_share: Share of the cases with a right second draft and a wrong first one in which the right one is found.
        pattern: Where the comparable answer is in its training texts; None if there was none, or more than one.
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
        self.featurizer = Featurizer(priors)

    def expected(self, prompt: str, candidates: Sequence[Candidate]) -> list[float]:
        """Returns each candidate's expected quality before it has written anything, 0 to 1."""
        neighbours = self.featurizer.question(prompt).neighbours
        return [self.featurizer.prior(each, neighbours).expected for each in candidates]

    def estimates(
        self, prompt: str, partials: Sequence[PartialAnswer], pattern: AnswerPattern | None = None
    ) -> list[Estimate]:
        """Returns the estimate for each candidate that wrote, or was about to write; there is at least one.

        Args:
            prompt: The conversation.
            partials: What the candidates wrote.
            pattern: Where the comparable answer is; None: as in training.
        """
        rows = self.featurizer.rows(prompt, partials, pattern or self.pattern)
        neighbours = self.featurizer.question(prompt).neighbours
        return self._of_qualities(neighbours, partials, [self.quality(row) for row in rows])

    def quality(self, row: Sequence[float]) -> float:
        """Returns the quality predicted from these features, 0 to 1."""
        by_trees = probability(self.trees, row)
        if self.linear is None:
            return by_trees
        return by_trees + self.linear.share * (self.linear.quality(row) - by_trees)

    def _of_qualities(
        self, neighbours: Neighbours, partials: Sequence[PartialAnswer], qualities: Sequence[float]
    ) -> list[Estimate]:
        """Returns the estimates for expected qualities."""
        found: dict[int, Estimate] = {}
        finished = max((quality for each, quality in zip(partials, qualities, strict=True) if each.complete), default=0)
        before = 0.0
        for index in sorted(range(len(partials)), key=lambda index: -qualities[index]):
            each, quality = partials[index], qualities[index]
            best = before if each.complete else max(before, finished)
            gain = self.gain_share * quality * (1 - best) if best else quality
            found[index] = Estimate(quality, gain, self._tokens(neighbours, each))
            before = max(before, quality)
        return [found[index] for index in range(len(partials))]

    def _tokens(self, neighbours: Neighbours, each: PartialAnswer) -> float | None:
        if each.complete:
            return 0.0
        length = self.priors.expected_length(each.candidate.name, neighbours)
        if length is None:
            return None
        # An answer near or beyond its expected length is assumed to need a quarter of that length more.
        left = max(length - len(each.text), length / 4, 1.0)
        return left / _CHARACTERS_PER_TOKEN
