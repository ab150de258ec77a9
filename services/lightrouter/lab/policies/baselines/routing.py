"""Prompt routing: one model per prompt, by the nearest training prompts or by a regression on the prompt's words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from lightrouter.lab.dataset.questions import LabelledData, Questions
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


def neighbours(train: LabelledData) -> Pipeline:
    """Returns what predicts each model's quality as its mean on the training prompts of most similar words."""
    nearest = KNeighborsRegressor(n_neighbors=min(_NEIGHBOURS, len(train)), metric="cosine")
    return make_pipeline(_vectorizer(train.questions.prompts), nearest).fit(train.questions.prompts, train.quality)


class _Predicting(Baseline):
    """The model for which the highest quality is predicted from the prompt's words."""

    _model: Pipeline

    def decide(self, questions: Questions) -> list[Decision]:
        """Predicts the qualities for each prompt."""
        expected = self._model.predict(questions.prompts)
        return [alone(questions, index, int(row.argmax())) for index, row in enumerate(expected)]


class NearestPrompts(_Predicting):
    """The model that was best on the most similar training prompts."""

    name = "knn"
    about = f"Each prompt goes to the model that is best on the {_NEIGHBOURS} training prompts of most similar words."

    def fit(self, train: LabelledData) -> None:
        """Remembers the training prompts."""
        self._model = neighbours(train)


class PromptOnly(_Predicting):
    """The model whose predicted quality is highest, by a regression on the prompt's words."""

    name = "prompt-only"
    about = "Each prompt goes to the model for which a ridge regression on its words predicts the highest quality."

    def fit(self, train: LabelledData) -> None:
        """Learns each model's quality from the words."""
        prompts = train.questions.prompts
        self._model = make_pipeline(_vectorizer(prompts), Ridge(alpha=_ALPHA)).fit(prompts, train.quality)
