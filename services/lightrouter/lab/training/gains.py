"""Trains the gain of one more answer on outcomes: on sequences of recorded answers, and the one picked after each."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import lightgbm
import numpy as np

from lightrouter.lab.dataset.questions import Floats
from lightrouter.lab.training.cases import Cases
from lightrouter.lab.training.quality import STRANGERS, Held, Situation, trees_of
from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.featurizer import answer_in
from lightrouter.learned.gain import Answered, Gains, Known, rows
from lightrouter.learned.joint import Joint
from lightrouter.learned.model import Model
from lightrouter.learned.trees import Tree

# Drawn sequences of a prompt, and the answers after which the last gain is learned.
_SEQUENCES: Final = 3
_DEEPEST: Final = 3
_ROUNDS: Final = 120
_OPTIONS: Final[Mapping[str, Any]] = {
    "objective": "l2",
    "num_leaves": 12,
    "learning_rate": 0.06,
    "lambda_l2": 20.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
# A leaf holds at least one row in 500, and never fewer than 20.
_ROWS_PER_LEAF: Final = 500
_LEAST_LEAF: Final = 20


class Sample(NamedTuple):
    """One more answer in a sequence, as a row to learn from.

    Attributes:
        row: The features of the candidate before it is asked.
        rise: The rise in quality of the picked answer.
        length: The characters of its answer.
        expected: The characters that are expected of it by neighbours; None of a stranger.
    """

    row: list[float]
    rise: float
    length: int
    expected: float | None


def fit_gains(cases: Cases, held: Iterable[Held], seed: int) -> Gains:
    """Returns the trees that predict gains.

    Args:
        cases: The prompts.
        held: All of them, each with a model that has not seen it: no state may know the outcomes of its own prompt, nor
            a quality that was learned from it.
        seed: Decides the drawn sequences and the trees.
    """
    found = list(steps(cases, held, seed))
    first, later = (
        _trees(part, [sample.rise for sample in part], [1.0] * len(part), seed)
        for part in ([sample for sample in found if bool(sample.row[0]) == after] for after in (False, True))
    )
    told = [sample for sample in found if sample.expected]
    # Weighted by what is expected, so that sums of lengths are right, as money is a sum.
    expected = [sample.expected or 0.0 for sample in told]
    shares = [sample.length / likely for sample, likely in zip(told, expected, strict=True)]
    return Gains(first, later, _trees(told, shares, expected, seed))


def steps(cases: Cases, held: Iterable[Held], seed: int) -> Iterator[Sample]:
    """Yields the steps of drawn sequences on every prompt. See `fit_gains`."""
    drawn = random.Random(seed)  # noqa: S311 - reproducible by intent, and no secret
    for model, indices in held:
        joint = Joint(model.priors.examples)
        for index in indices:
            situation = Situation(cases.cases[index], model.featurizer)
            own = {place: Candidate(name, 0.0, 0) for place, name in enumerate(cases.candidates)}
            strange = drawn.random() < STRANGERS
            yield from Sequences(situation, model, joint, situation.strangers(drawn) if strange else own).steps(drawn)


class Sequences:
    """The answers to one prompt, asked for in different orders."""

    def __init__(self, situation: Situation, model: Model, joint: Joint, candidates: Mapping[int, Candidate]) -> None:
        """Takes a prompt, a model and joint outcomes that did not see it, and the candidates by their positions."""
        self._situation = situation
        self._case = situation.case
        self._model = model
        self._known = Known.of(model.featurizer.question(self._case.text), model.featurizer, joint)
        self._candidates = candidates
        self._answered: dict[frozenset[int], list[Answered]] = {frozenset(): []}

    def steps(self, drawn: random.Random) -> Iterator[Sample]:
        """Yields the steps from each state on a few drawn sequences; equal states once."""
        asked: set[frozenset[int]] = set()
        for _ in range(_SEQUENCES):
            order = self._situation.shortlist(len(self._candidates), drawn)
            asked.update(frozenset(order[:count]) for count in range(min(_DEEPEST + 1, len(order))))
        for state in sorted(asked, key=sorted):
            yield from self.after(state)

    def after(self, state: frozenset[int]) -> Iterator[Sample]:
        """Yields the step of each candidate that is not among those asked, by their positions."""
        answered = self._answers(state)
        unasked = [index for index in self._case.present if index not in state]
        before = self._picked(state, answered)
        found = rows(self._known, answered, [self._candidates[index] for index in unasked])
        for index, row in zip(unasked, found, strict=True):
            after = state | {index}
            length = self._model.priors.expected_length(self._candidates[index].name, self._known.asked.neighbours)
            rise = self._picked(after, self._answers(after)) - before
            yield Sample(row, rise, self._case.example.length[index], length)

    def _picked(self, state: frozenset[int], answered: Sequence[Answered]) -> float:
        """Returns the quality of the answer that is picked; 0 if there is none."""
        pick = max(zip(sorted(state), answered, strict=True), key=lambda pair: pair[1].quality, default=None)
        return 0.0 if pick is None else self._case.example.quality[pick[0]] or 0.0

    def _answers(self, state: frozenset[int]) -> list[Answered]:
        """Returns the answers of these candidates, in the order of their positions."""
        if state not in self._answered:
            places = sorted(state)
            case = self._case
            partials = [
                PartialAnswer(self._candidates[index], case.texts[index] or "", complete=True) for index in places
            ]
            seen = self._model.featurizer.rows(case.text, partials, case.pattern)
            self._answered[state] = [
                Answered(
                    each.candidate,
                    self._model.quality(row),
                    answer_in(each.text, case.pattern, self._known.asked),
                    len(each.text),
                )
                for each, row in zip(partials, seen, strict=True)
            ]
        return self._answered[state]


def _trees(found: Sequence[Sample], values: Sequence[float], weights: Sequence[float], seed: int) -> list[Tree]:
    """Returns the trees that predict a value of each sample; none without samples."""
    if not found:
        return []
    seen: Floats = np.array([sample.row for sample in found], dtype=np.float64)
    parameters = {**_OPTIONS, "seed": seed, "min_data_in_leaf": max(_LEAST_LEAF, len(found) // _ROWS_PER_LEAF)}
    data = lightgbm.Dataset(seen, np.array(values, dtype=np.float64), weight=np.array(weights, dtype=np.float64))
    return trees_of(lightgbm.train(parameters, data, _ROUNDS))
