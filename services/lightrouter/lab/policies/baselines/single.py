"""Policies that ask one model per prompt: by chance, always the same, or the best on the training prompts."""

from __future__ import annotations

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData, Questions
from lightrouter.lab.policies.decision import Call, Decision


def whole(questions: Questions, index: int, model: int) -> Call:
    """Returns the call in which a model finishes an answer."""
    return Call(model, int(questions.input_tokens[index, model]), int(questions.output_tokens[index, model]))


def alone(questions: Questions, index: int, model: int) -> Decision:
    """Returns the decision to let one model answer."""
    return Decision([[whole(questions, index, model)]], model, 1)


def best(train: LabelledData) -> int:
    """Returns the index of the model with the highest mean quality."""
    return int(train.quality.mean(axis=0).argmax())


class Baseline:
    """A policy without a boot stage. See `Policy`.

    Attributes:
        name: Its name in the report.
        about: What it does, in one sentence.
    """

    name: str
    about: str
    boot_tokens = 0

    def fit(self, train: LabelledData) -> None:
        """Learns nothing, unless a subclass does."""

    def decide(self, questions: Questions) -> list[Decision]:
        """Decides on each prompt."""
        return [self.decide_on(questions, index) for index in range(len(questions))]

    def decide_on(self, questions: Questions, index: int) -> Decision:
        """Returns the decision on one prompt. A subclass defines this, unless it defines `decide`."""
        raise NotImplementedError


class Random(Baseline):
    """A model by chance."""

    name = "random"
    about = "Each prompt goes to a random model."

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def decide(self, questions: Questions) -> list[Decision]:
        """Draws a model for each prompt."""
        drawn = np.random.default_rng(self._seed).integers(len(questions.models), size=len(questions))
        return [alone(questions, index, int(model)) for index, model in enumerate(drawn)]


class Single(Baseline):
    """Always the same model."""

    def __init__(self, model: int, name: str) -> None:
        self.name = f"single {name}"
        self.about = f"Every prompt goes to {name}."
        self.model = model

    def decide_on(self, questions: Questions, index: int) -> Decision:
        """Lets the model answer."""
        return alone(questions, index, self.model)


class BestSingle(Single):
    """The model that is best on the training prompts."""

    def __init__(self, name: str = "best-single") -> None:
        super().__init__(0, "the model that is best on the training prompts")
        self.name = name

    def fit(self, train: LabelledData) -> None:
        """Finds the best model."""
        self.model = best(train)
