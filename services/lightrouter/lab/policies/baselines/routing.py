"""Prompt routing: one model per prompt, by the nearest training prompts or by a regression on the prompt's words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from lightrouter.lab.dataset.questions import Floats, LabelledData, Questions
from lightrouter.lab.policies.baselines.single import Baseline, alone
from lightrouter.lab.policies.decision import Decision

# Choices: enough neighbours to tell models apart, a penalty that keeps single words from deciding; a bound on memory.
_NEIGHBOURS = 50
_ALPHA = 10.0
_MOST_WORDS = 50_000


_WORD = re.compile(r"\w\w")


def _vectorizer(prompts: Sequence[str]) -> TfidfVectorizer:
    """Returns a vectorizer of the prompts' words, or of their characters if no prompt has a word."""
    analyzer = "word" if any(map(_WORD.search, prompts)) else "char"
    return TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, ngram_range=(1, 2), max_features=_MOST_WORDS)


class Neighbours:
    """The models' quality on the training prompts with the most similar words."""

    def __init__(self, train: LabelledData) -> None:
        """Remembers the training prompts."""
        self._words = _vectorizer(train.questions.prompts)
        self._quality = train.quality
        self._nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(train)), metric="cosine")
        self._nearest.fit(self._words.fit_transform(train.questions.prompts))

    def expected(self, prompts: Sequence[str]) -> Floats:
        """Returns each model's mean quality on the nearest training prompts, one row a prompt."""
        near = self._nearest.kneighbors(self._words.transform(prompts), return_distance=False)
        return np.asarray(self._quality[near].mean(axis=1), dtype=float)


class NearestPrompts(Baseline):
    """The model that was best on the most similar training prompts."""

    name = "knn"
    about = f"Each prompt goes to the model that is best on the {_NEIGHBOURS} training prompts of most similar words."

    def fit(self, train: LabelledData) -> None:
        """Remembers the training prompts."""
        self._neighbours = Neighbours(train)

    def decide(self, questions: Questions) -> list[Decision]:
        """Looks up the nearest prompts of each."""
        expected = self._neighbours.expected(questions.prompts)
        return [alone(questions, index, int(row.argmax())) for index, row in enumerate(expected)]


class PromptOnly(Baseline):
    """The model whose predicted quality is highest, from the prompt's words."""

    name = "prompt-only"
    about = "Each prompt goes to the model for which a ridge regression on its words predicts the highest quality."

    def fit(self, train: LabelledData) -> None:
        """Learns each model's quality from the words."""
        self._words = _vectorizer(train.questions.prompts)
        self._ridge = Ridge(alpha=_ALPHA)
        self._ridge.fit(self._words.fit_transform(train.questions.prompts), train.quality)

    def decide(self, questions: Questions) -> list[Decision]:
        """Predicts the qualities for each prompt."""
        expected = self._ridge.predict(self._words.transform(questions.prompts))
        return [alone(questions, index, int(row.argmax())) for index, row in enumerate(expected)]
