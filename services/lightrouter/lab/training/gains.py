"""Trains the gain of one more answer on outcomes: on sequences of recorded answers, and the one picked after each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Final, NamedTuple

import numpy as np

from lightrouter.lab.dataset.questions import Floats
from lightrouter.lab.training.boosting import Boosting
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.forest import Forest
from lightrouter.lab.training.quality import STRANGERS, Held, Situation
from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.gain import Answered, Gains, Known, rows
from lightrouter.learned.joint import Joint
from lightrouter.learned.model import Model
from lightrouter.learned.trees import Tree

# Drawn sequences of a prompt, and the answers after which the last gain is learned.
_SEQUENCES: Final = 3
_DEEPEST: Final = 3
_ROUNDS: Final = 120
_BOOSTING: Final = Boosting(
    {"objective": "l2", "num_leaves": 12, "learning_rate": 0.06, "lambda_l2": 20.0, "feature_fraction": 0.6},
    rows_per_leaf=500,
)
# The weights of the trees for the first answer that are tried.
_SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


class Sample(NamedTuple):
    """One more answer in a sequence, as a row to learn from.

    Attributes:
        prompt: The prompt.
        row: The features of the candidate before it is asked.
        rise: The rise in quality of the picked answer.
        length: The characters of its answer.
        expected: The characters that are expected of it by neighbours; None of a stranger.
    """

    prompt: str
    row: list[float]
    rise: float
    length: int
    expected: float | None


def fit_gains(folds: Sequence[Sequence[Sample]], seed: int) -> Gains:
    """Returns the trees that predict gains, learned from the samples of `steps` in each fold."""
    found = list(chain.from_iterable(folds))
    first = [[sample for sample in fold if not sample.row[0]] for fold in folds]
    later = [sample for sample in found if sample.row[0]]
    told = [sample for sample in found if sample.expected]
    # Weighted by what is expected, so that sums of lengths are right, as money is a sum.
    expected = [sample.expected or 0.0 for sample in told]
    shares = [sample.length / likely for sample, likely in zip(told, expected, strict=True)]
    return Gains(
        first=_rises(list(chain.from_iterable(first)), seed),
        later=_rises(later, seed),
        length=trees([sample.row for sample in told], shares, expected, seed),
        first_share=_first_share(first, seed),
    )


def _first_share(folds: Sequence[Sequence[Sample]], seed: int) -> float:
    """Returns the weight of the trees for the first answer against the mean quality of its candidate.

    It is the smallest one whose choice of a candidate is, on folds that the trees have not seen, within one standard
    error of the best one's: the rule of "Classification and Regression Trees" (Breiman et al., 1984).
    """
    chosen: list[list[float]] = []
    for number, fold in enumerate(folds):
        others = _rises([sample for other, part in enumerate(folds) if other != number for sample in part], seed)
        for _, samples in groupby(fold, key=lambda sample: sample.prompt):
            chosen.append(_chosen(others, list(samples)))
    if not chosen:
        return 0.0
    quality: Floats = np.array(chosen)
    means = quality.mean(axis=0)
    short = quality[:, [int(means.argmax())]] - quality
    within = short.mean(axis=0) <= short.std(axis=0) / len(quality) ** 0.5
    return _SHARES[int(within.argmax())]


def _chosen(first: Sequence[Tree], samples: Sequence[Sample]) -> list[float]:
    """Returns the quality of the first answer to a prompt, by each of `_SHARES`."""
    found: list[float] = []
    for share in _SHARES:
        gains = Gains(first, (), first_share=share)
        found.append(max(samples, key=lambda sample: gains.gain(sample.row)).rise)
    return found


def steps(cases: Cases, held: Held, seed: int) -> Iterator[Sample]:
    """Yields the steps of drawn sequences on prompts, with a model that has not seen them.

    Otherwise a state would know the outcomes of its own prompt, or a quality that was learned from it.
    """
    drawn = random.Random(seed)  # noqa: S311 - reproducible by intent, and no secret
    teacher = Teacher(held.model)
    for index in held.indices:
        situation = Situation(cases.cases[index], held.model.featurizer)
        strangers = situation.strangers(drawn) if drawn.random() < STRANGERS else None
        yield from Sequences(situation, teacher, strangers).steps(drawn)


class Teacher:
    """A model with what every prompt needs of it.

    Attributes:
        model: The model.
        joint: The joint outcomes that it knows.
        forest: Scores many rows at once.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.joint = Joint(model.priors.examples)
        self.forest = Forest(model)


class Sequences:
    """The answers to one prompt, asked for in different orders.

    Attributes:
        known: What is known of the prompt before anyone answers.
    """

    def __init__(
        self, situation: Situation, teacher: Teacher, candidates: Mapping[int, Candidate] | None = None
    ) -> None:
        """Takes a prompt, and a teacher that has not seen it.

        Args:
            situation: The prompt.
            teacher: Predicts the quality of answers.
            candidates: The candidates by their positions; None: those whose outcomes the teacher knows.
        """
        model = teacher.model
        self._situation = situation
        self._case = situation.case
        self._model = model
        self._forest = teacher.forest
        self.known = Known.of(model.featurizer.question(self._case.text), model.featurizer, teacher.joint)
        self._answered: dict[frozenset[int], list[Answered]] = {frozenset(): []}
        known = {place: Candidate(name, 0.0, 0) for place, name in enumerate(model.priors.candidates)}
        self._candidates = known if candidates is None else candidates

    def steps(self, drawn: random.Random) -> Iterator[Sample]:
        """Yields the steps from each state on a few drawn sequences; equal states once."""
        asked: set[frozenset[int]] = set()
        for _ in range(_SEQUENCES):
            order = self._situation.shortlist(len(self._candidates), drawn)
            asked.update(frozenset(order[:count]) for count in range(min(_DEEPEST + 1, len(order))))
        present = self._case.present
        self._read({state | {index} for state in asked for index in present} | asked)
        for state in sorted(asked, key=sorted):
            yield from self.after(state)

    def after(self, state: frozenset[int]) -> Iterator[Sample]:
        """Yields the step of each candidate that is not among those asked, by their positions."""
        before = self.picked(state)
        for index, row in self.rows(state).items():
            length = self._model.priors.expected_length(self._candidates[index].name, self.known.asked.neighbours)
            rise = self.picked(state | {index}) - before
            yield Sample(self._case.text, row, rise, self._case.example.length[index], length)

    def rows(self, state: frozenset[int]) -> dict[int, list[float]]:
        """Returns the features of each candidate that is not among those asked, by their positions."""
        unasked = [index for index in self._case.present if index not in state]
        if not unasked:
            return {}
        found = rows(self.known, self._answers(state), [self._candidates[index] for index in unasked])
        return dict(zip(unasked, found, strict=True))

    def picked(self, state: frozenset[int]) -> float:
        """Returns the quality of the answer that is picked from these candidates'; 0 if there is none."""
        pick = max(
            zip(sorted(state), self._answers(state), strict=True), key=lambda pair: pair[1].quality, default=None
        )
        return 0.0 if pick is None else self._case.example.quality[pick[0]] or 0.0

    def _answers(self, state: frozenset[int]) -> list[Answered]:
        """Returns the answers of these candidates, in the order of their positions."""
        self._read([state])
        return self._answered[state]

    def _read(self, states: Iterable[frozenset[int]]) -> None:
        """Finds the answers of each state with their expected qualities, all at once."""
        partials = {state: self._partials(state) for state in states if state not in self._answered}
        if not partials:
            return
        case, featurizer = self._case, self._model.featurizer
        seen = [row for each in partials.values() for row in featurizer.rows(case.text, each, case.pattern)]
        quality = iter(self._forest.qualities(seen))
        for state, each in partials.items():
            read = featurizer.readings(case.text, each, case.pattern)
            self._answered[state] = [
                Answered(partial.candidate, next(quality), reading.answer, len(partial.text))
                for partial, reading in zip(each, read, strict=True)
            ]

    def _partials(self, state: frozenset[int]) -> list[PartialAnswer]:
        texts = self._case.texts
        return [PartialAnswer(self._candidates[index], texts[index] or "", complete=True) for index in sorted(state)]


def _rises(samples: Sequence[Sample], seed: int) -> list[Tree]:
    """Returns the trees that predict the rise of each sample."""
    return trees([sample.row for sample in samples], [sample.rise for sample in samples], [1.0] * len(samples), seed)


def trees(rows: Sequence[Sequence[float]], values: Sequence[float], weights: Sequence[float], seed: int) -> list[Tree]:
    """Returns the trees that predict the value of each row; none without two rows, which LightGBM needs."""
    if len(rows) < 2:
        return []
    return _BOOSTING.trees(np.array(rows, dtype=np.float64), values, _ROUNDS, seed, np.array(weights, dtype=np.float64))
