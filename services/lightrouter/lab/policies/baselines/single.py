"""One model a prompt: by chance, always the same, or the best on the training prompts."""

from __future__ import annotations

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.decision import Call, Decision


def whole(questions: Questions, index: int, model: int) -> Call:
    """Returns the call in which a model answers a prompt to the end."""
    return Call(model, int(questions.input_tokens[index, model]), int(questions.output_tokens[index, model]))


def alone(questions: Questions, index: int, model: int) -> Decision:
    """Returns the decision to let one model answer."""
    return Decision([[whole(questions, index, model)]], model, 1)


def best(train: LabelledData) -> int:
    """Returns the index of the model with the highest mean quality."""
    return int(train.quality.mean(axis=0).argmax())


class Random:
    """A model by chance."""

    name = "random"
    about = "Each prompt goes to one model, drawn by chance."
    boot_tokens = 0

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, train: LabelledData) -> None:
        """Learns nothing."""

    def decide(self, questions: Questions) -> list[Decision]:
        """Draws a model for each prompt."""
        drawn = np.random.default_rng(self._seed).integers(len(questions.models), size=len(questions))
        return [alone(questions, index, int(model)) for index, model in enumerate(drawn)]


class Single:
    """Always the same model."""

    boot_tokens = 0

    def __init__(self, model: int, name: str) -> None:
        self.name = f"single {name}"
        self.about = f"Every prompt goes to {name}."
        self._model = model

    def fit(self, train: LabelledData) -> None:
        """Learns nothing."""

    def decide(self, questions: Questions) -> list[Decision]:
        """Lets the model answer each prompt."""
        return [alone(questions, index, self._model) for index in range(len(questions))]


class BestSingle:
    """The model that is best on the training prompts."""

    about = "Every prompt goes to the model that is best on the training prompts."
    boot_tokens = 0

    def __init__(self, name: str = "best-single") -> None:
        self.name = name
        self._model = 0

    def fit(self, train: LabelledData) -> None:
        """Finds the best model."""
        self._model = best(train)

    def decide(self, questions: Questions) -> list[Decision]:
        """Lets it answer each prompt."""
        return [alone(questions, index, self._model) for index in range(len(questions))]
