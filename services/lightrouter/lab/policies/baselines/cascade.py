"""FrugalGPT-style cascade: asks one model after the other until a scorer accepts the answer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Ridge

from lightrouter.lab.dataset.questions import Floats, Ints, LabelledData, Questions
from lightrouter.lab.dataset.splits import folds
from lightrouter.lab.policies.baselines.single import Baseline, whole
from lightrouter.lab.policies.decision import Decision

# FrugalGPT's own experiments use chains of three (arXiv 2305.05176).
_LONGEST_CHAIN = 3
# Choices: thresholds around the middle of a quality of 0 to 1; a penalty that keeps single words from deciding; scores
# to three digits; more columns than a recording has words, so that few words share one.
_THRESHOLDS = np.linspace(0.3, 0.8, 11)
_ALPHA = 3.0
_TOLERANCE = 1e-3
_WORDS = 2**17
# A choice: only chains of the best models are tried, because all chains of many models would take minutes.
_MOST_MODELS = 6


class Cascade(Baseline):
    """A cascade whose chain and threshold are the best ones on the training prompts."""

    name = "frugalgpt-style"
    about = (
        f"Up to {_LONGEST_CHAIN} models answer one after the other, until a scorer that reads the prompt and the "
        "answer accepts one. The chain and the threshold are the best on the training prompts."
    )

    def fit(self, train: LabelledData) -> None:
        """Trains the scorer, and chooses the chain on prompts that the scorer has not seen."""
        features = _features(train.questions)
        scores = np.empty_like(train.quality)
        for seen, unseen in folds(train.questions.prompts, 2, seed=0):
            scorer = _Scorer([each[seen] for each in features], train.quality[seen])
            scores[unseen] = scorer.scores([each[unseen] for each in features])
        self._chain, self._threshold = _best_chain(scores, train.quality, train.questions.output_tokens)
        self._scorer = _Scorer(features, train.quality)

    def decide(self, questions: Questions) -> list[Decision]:
        """Runs the chain on each prompt."""
        scores = self._scorer.scores(_features(questions))
        return [self._descend(questions, index, scores[index]) for index in range(len(questions))]

    def _descend(self, questions: Questions, index: int, scores: Floats) -> Decision:
        asked: list[int] = []
        for model in self._chain:
            asked.append(model)
            if scores[model] >= self._threshold:
                break
        answer = asked[-1] if scores[asked[-1]] >= self._threshold else max(asked, key=lambda model: scores[model])
        return Decision([[whole(questions, index, model)] for model in asked], answer, len(asked))


class _Scorer:
    """Predicts the quality of a model's answer from its features."""

    def __init__(self, features: Sequence[csr_matrix], quality: Floats) -> None:
        """Learns from the features of each model's answers, and their quality, one column a model."""
        self._ridges = [
            Ridge(alpha=_ALPHA, tol=_TOLERANCE).fit(each, quality[:, model]) for model, each in enumerate(features)
        ]

    def scores(self, features: Sequence[csr_matrix]) -> Floats:
        """Returns the predicted quality of each answer, one row a prompt."""
        return np.stack([ridge.predict(each) for ridge, each in zip(self._ridges, features, strict=True)], axis=1)


def _features(questions: Questions) -> list[csr_matrix]:
    """Returns features of each model's answers: words, length, and whether there is a comparable answer."""
    words = HashingVectorizer(n_features=_WORDS, alternate_sign=False, binary=True)
    prompts = words.transform(questions.prompts)
    features = []
    for model in range(len(questions.models)):
        texts = words.transform([row[model] for row in questions.texts])
        length = np.log1p(questions.output_tokens[:, model]) / 10
        answered = np.array([row[model] is not None for row in questions.answers], dtype=float)
        features.append(hstack([prompts, texts, csr_matrix(np.stack([length, answered], axis=1))], format="csr"))
    return features


def _best_chain(scores: Floats, quality: Floats, tokens: Ints) -> tuple[tuple[int, ...], float]:
    """Returns the chain and the threshold with the highest mean quality; of equal ones, the one with fewest tokens."""
    models = [int(model) for model in np.argsort(-quality.mean(axis=0), kind="stable")[:_MOST_MODELS]]
    best: tuple[float, float] | None = None
    found: tuple[tuple[int, ...], float] = ((models[0],), 0.0)
    rows = np.arange(len(scores))
    for length in range(1, min(_LONGEST_CHAIN, len(models)) + 1):
        for chain in permutations(models, length):
            reached = scores[:, chain]
            for threshold in _THRESHOLDS:
                content = reached >= threshold
                index = np.where(content.any(axis=1), content.argmax(axis=1), reached.argmax(axis=1))
                asked = np.where(content.any(axis=1), content.argmax(axis=1), length - 1)
                mean = float(quality[rows, np.array(chain)[index]].mean())
                written = float((tokens[:, chain].cumsum(axis=1)[rows, asked]).mean())
                if best is None or (round(mean, 9), -written) > best:
                    best, found = (round(mean, 9), -written), (chain, float(threshold))
    return found
