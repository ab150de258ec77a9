"""The learned model: predicts each candidate's quality before it writes and from its partial."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from lightrouter.learned.boots import BootShare
from lightrouter.learned.excerpt import digest
from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.featurizer import Featurizer, Recent
from lightrouter.learned.followups import Followups, Offer, followups
from lightrouter.learned.gain import Answered, Gains, Known, rows
from lightrouter.learned.joint import Joint
from lightrouter.learned.linear import Linear
from lightrouter.learned.priors import Neighbours, Priors
from lightrouter.learned.reasons import Reasons
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
        reasons: The strongest reasons of the quality, as a part of a sentence; only the best candidate has them,
            because they take as long as a prediction.
    """

    quality: float
    gain: float
    tokens: float | None
    reasons: str = ""


class Outlook(NamedTuple):
    """What asking a candidate outright is expected to give.

    Attributes:
        gain: Expected rise in the quality of the answer that is picked, -1 to 1; its quality if it is the first.
        tokens: Expected tokens of its answer; None if its answers are unknown.
    """

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
        gains: The trees that predict the gain of one more answer; None if they were not trained.
        characters_per_token: Mean characters of a token of each candidate's answers, by name.
        boots: What boots give before anyone has answered; empty if that was not trained.
    """

    def __init__(
        self,
        priors: Priors,
        trees: Sequence[Tree],
        gain_share: float,
        linear: Linear | None = None,
        pattern: AnswerPattern | None = None,
        gains: Gains | None = None,
        characters_per_token: Mapping[str, float] | None = None,
        boots: Sequence[BootShare] = (),
    ) -> None:
        self.priors = priors
        self.trees = trees
        self.linear = linear
        self.gain_share = gain_share
        self.pattern = pattern
        self.gains = gains
        self.characters_per_token = characters_per_token or {}
        self.boots = boots
        self.featurizer = Featurizer(priors)
        self._qualities = Recent[float]()
        self._known = Recent[Known]()

    @cached_property
    def _reasons(self) -> Reasons:
        return Reasons(self.trees)

    @cached_property
    def _joint(self) -> Joint:
        return Joint(self.priors.examples)

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
        found = self._of_qualities(neighbours, partials, [self.quality(row) for row in rows])
        best = max(range(len(found)), key=lambda index: found[index].quality)
        found[best] = found[best]._replace(reasons=self._reasons.sentence(rows[best]))
        return found

    def outlooks(
        self,
        prompt: str,
        answers: Sequence[PartialAnswer],
        unasked: Sequence[Candidate],
        pattern: AnswerPattern | None = None,
    ) -> list[Outlook] | None:
        """Returns what asking each of the other candidates outright is expected to give; None without trained gains.

        Args:
            prompt: The conversation.
            answers: The whole answers so far; may be empty.
            unasked: The candidates that have not been asked, at least one.
            pattern: Where the comparable answer is; None: as in training.
        """
        if self.gains is None:
            return None
        pattern = pattern or self.pattern
        known = self._known_of(prompt)
        seen = self.featurizer.rows(prompt, answers, pattern) if answers else []
        read = self.featurizer.readings(prompt, answers, pattern)
        answered = [
            Answered(each.candidate, self.quality(row), reading.answer, len(each.text))
            for each, row, reading in zip(answers, seen, read, strict=True)
        ]
        found, neighbours = rows(known, answered, unasked), known.asked.neighbours
        return [
            Outlook(self.gains.gain(row), self._whole_tokens(neighbours, each.name, self.gains.length_share(row)))
            for each, row in zip(unasked, found, strict=True)
        ]

    def followups(self, prompt: str, offers: Sequence[Offer], worth: int, most: int) -> Followups | None:
        """Returns what the answers after the first one are expected to come to; None if that was not trained.

        Args:
            prompt: The conversation.
            offers: The candidate that is asked first, then all others.
            worth: What a right answer is worth, in nano-dollars, 0 or more.
            most: Most answers that may follow the first one.
        """
        return None if self.gains is None else followups(self._known_of(prompt), self.gains, offers, worth, most)

    def _known_of(self, prompt: str) -> Known:
        return self._known.get(
            digest(prompt), lambda: Known.of(self.featurizer.question(prompt), self.featurizer, self._joint)
        )

    def _whole_tokens(self, neighbours: Neighbours, name: str, share: float) -> float | None:
        """Returns the expected tokens of a candidate's whole answer; None if its answers are unknown.

        Args:
            neighbours: The neighbours of the prompt.
            name: The candidate.
            share: The length as a share of the one expected by neighbours.
        """
        length = self.priors.expected_length(name, neighbours)
        return None if length is None else share * length / self.characters_per_token.get(name, _CHARACTERS_PER_TOKEN)

    def quality(self, row: Sequence[float]) -> float:
        """Returns the quality predicted from these features, 0 to 1; remembered, for rankings and outlooks need it."""
        return self._qualities.get(array("d", row).tobytes(), lambda: self._predicted(row))

    def _predicted(self, row: Sequence[float]) -> float:
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
        return left / self.characters_per_token.get(each.candidate.name, _CHARACTERS_PER_TOKEN)
