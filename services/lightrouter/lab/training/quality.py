"""Trains the quality of an answer, whole or begun, on recorded outcomes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from lightrouter.lab.dataset.questions import Floats
from lightrouter.lab.training.boosting import Boosting
from lightrouter.lab.training.cases import Case, Cases
from lightrouter.learned.features import NAMES, Candidate, PartialAnswer
from lightrouter.learned.featurizer import Featurizer
from lightrouter.learned.linear import Linear
from lightrouter.learned.model import Model
from lightrouter.learned.options import CUES
from lightrouter.runtime.tokens import cut

GAIN_SHARE: Final = 0.35
"""Assumed share of second drafts that are right and recognized as such when the first is wrong. It sets the scale of
`min_gain`, whose values were found with it. The real share is smaller; `validate` measures it."""
STRANGERS: Final = 0.1
"""Share of what is learned from in which no candidate's outcomes are known."""
# No row sees the outcomes of its own prompt: outcomes come from the other folds.
_INNER_FOLDS = 5
# Views of a prompt in which candidates have booted, and views of whole answers alone.
_VIEWS = 6
_WHOLE_VIEWS = 5
_ROUNDS = 400
_POOLS = (2, 3, 3, 3, 4, 5, 8, 8)
_ANSWERS = (1, 2, 2, 3, 3, 4, 5, 8)
# Spreads of the noise on expected quality that decides who answers.
_SPREADS = (0.03, 0.1, 0.5)
_STRANGERS_PROMPTS = (20, 50, 200)
_BOOSTING: Final = Boosting(
    {
        "objective": "cross_entropy",
        "num_leaves": 31,
        "learning_rate": 0.03,
        "lambda_l2": 10.0,
        "feature_fraction": 0.5,
    },
    rows_per_leaf=250,
)
# A linear model is blended with the trees; at this number of prompts both have the same weight. With hundreds of
# prompts trees overfit, with thousands they find what a linear model cannot.
_LINEAR_PROMPTS = 1000
_RIDGE = 300.0
_CUES: Final = [NAMES.index(name) for name in CUES]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """The settings of a training.

    Attributes:
        boot_tokens: Boot lengths in the training rows, in tokens.
        rounds: Number of trees.
        cues: Whether the model sees how an option looks among the others.
        gains: Whether the gain of one more answer is learned too, which takes a few times as long.
        boots: Whether what boots give is learned with the gains.
    """

    boot_tokens: tuple[int, ...] = (5, 10, 20, 40, 100, 200)
    rounds: int = _ROUNDS
    cues: bool = True
    gains: bool = True
    boots: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """A prompt with the outcomes of other prompts.

    Attributes:
        case: The prompt.
        featurizer: Makes features from the outcomes of the other prompts.
    """

    case: Case
    featurizer: Featurizer

    @property
    def expected(self) -> dict[int, float]:
        """The expected quality of each candidate with a scored answer, by its index."""
        priors, neighbours = self.featurizer.priors, self.featurizer.question(self.case.text).neighbours
        return {index: priors.prior(priors.candidates[index], neighbours).expected for index in self.case.present}

    def shortlist(self, most: int, drawn: random.Random | None = None) -> list[int]:
        """Returns the indices of the candidates with the highest expected quality, best first.

        `drawn` draws noise on the expected quality: from as much as a policy makes to any order.
        """
        expected = self.expected
        if drawn is not None:
            spread = drawn.choice(_SPREADS)
            expected = {index: value + drawn.gauss(0, spread) for index, value in expected.items()}
        return sorted(expected, key=lambda index: -expected[index])[:most]

    def strangers(self, drawn: random.Random) -> dict[int, Candidate]:
        """Returns all candidates as strangers, by their indices: each is known only by its mean over a few prompts."""
        found: dict[int, Candidate] = {}
        for index in self.case.present:
            evaluated = drawn.choice(_STRANGERS_PROMPTS)
            outcomes = [each.quality[index] for each in drawn.choices(self.featurizer.priors.examples, k=evaluated)]
            known = [quality for quality in outcomes if quality is not None]
            found[index] = Candidate("", sum(known) / max(1, len(known)), len(known))
        return found

    def rows(
        self, shown: Mapping[int, int | None], strangers: Mapping[int, Candidate] = MappingProxyType({})
    ) -> list[list[float]]:
        """Returns the features of candidates.

        Args:
            shown: Tokens at which the text of the candidate at each index is cut; None leaves it whole.
            strangers: Candidates whose outcomes are hidden, by the same indices.
        """
        names = self.featurizer.priors.candidates
        partials: list[PartialAnswer] = []
        for index, tokens in shown.items():
            whole = self.case.texts[index] or ""
            text = whole if tokens is None else cut(whole, tokens)
            candidate = strangers.get(index, Candidate(names[index], 0.0, 0))
            partials.append(PartialAnswer(candidate, text, len(text) == len(whole)))
        return self.featurizer.rows(self.case.text, partials, self.case.pattern)


class Held(NamedTuple):
    """Prompts with a model that has not seen them.

    Attributes:
        model: The model.
        indices: Indices of the prompts.
    """

    model: Model
    indices: Sequence[int]


def cross_fitted(cases: Cases, options: TrainingOptions, seed: int, count: int) -> Iterator[Held]:
    """Yields the prompts of each of `count` folds with the model of the others; empty folds are left out."""
    folds = cases.folds(count, seed)
    for fold in sorted(set(folds)):
        others = [index for index, own in enumerate(folds) if own != fold] or range(len(folds))
        yield Held(fit(cases.take(others), options, seed), [index for index, own in enumerate(folds) if own == fold])


def fit(cases: Cases, options: TrainingOptions, seed: int, gain_share: float = GAIN_SHARE) -> Model:
    """Returns the model of these prompts."""
    rows, quality = _training_rows(cases, options, seed)
    trees = _BOOSTING.trees(rows, quality, options.rounds, seed)
    linear = _ridge(rows, quality, 1 / (1 + (len(cases.cases) / _LINEAR_PROMPTS) ** 2))
    return Model(cases.priors(), trees, gain_share, linear, cases.pattern)


def _ridge(rows: Floats, quality: Floats, share: float) -> Linear:
    """Returns the ridge regression of quality on standardized features, as a sum of the features as they are."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    # A constant feature gets the weight 0.
    spread[spread == 0] = np.inf
    scaled = (rows - mean) / spread
    gram = scaled.T @ scaled + _RIDGE * np.eye(rows.shape[1])
    weights = np.linalg.solve(gram, scaled.T @ (quality - quality.mean())) / spread
    return Linear([float(weight) for weight in weights], float(quality.mean() - weights @ mean), share)


def situations(cases: Cases, seed: int) -> list[Situation]:
    """Returns each prompt with the outcomes of the prompts in the other folds, never with its own."""
    folds = cases.folds(_INNER_FOLDS, seed)
    found: dict[int, Situation] = {}
    for fold in sorted(set(folds)):
        others = [index for index, own in enumerate(folds) if own != fold]
        featurizer = Featurizer(cases.take(others or range(len(folds))).priors())
        for index, own in enumerate(folds):
            if own == fold:
                found[index] = Situation(cases.cases[index], featurizer)
    return [found[index] for index in range(len(folds))]


def _training_rows(cases: Cases, options: TrainingOptions, seed: int) -> tuple[Floats, Floats]:
    drawn = random.Random(seed)  # noqa: S311 - reproducible by intent, and no secret
    rows: list[list[float]] = []
    quality: list[float] = []
    for situation in situations(cases, seed):
        for shown in _views(situation, options, drawn):
            strange = drawn.random() < STRANGERS
            rows.extend(situation.rows(shown, situation.strangers(drawn) if strange else {}))
            quality.extend(situation.case.example.quality[index] or 0.0 for index in shown)
    seen = np.array(rows, dtype=np.float64)
    if not options.cues:
        # Trees do not split on a constant feature, and its linear weight is 0.
        seen[:, _CUES] = 0.0
    return seen, np.array(quality, dtype=np.float64)


def _views(situation: Situation, options: TrainingOptions, drawn: random.Random) -> Iterator[dict[int, int | None]]:
    """Yields views of a selector: some of the best or of all candidates, booted or finished; then whole answers."""
    for _ in range(_VIEWS):
        tokens = drawn.choice(options.boot_tokens)
        indices = situation.shortlist(drawn.choice(_POOLS))
        if drawn.random() < 1 / 4:
            indices = drawn.sample(situation.case.present, len(indices))
        finished = indices[: drawn.choice((0, 0, 1, 2, len(indices)))]
        if drawn.random() < 1 / 2:
            finished = drawn.sample(indices, len(finished))
        yield {index: None if index in finished else tokens for index in indices}
    for _ in range(_WHOLE_VIEWS):
        yield dict.fromkeys(sorted(situation.shortlist(drawn.choice(_ANSWERS), drawn)))
