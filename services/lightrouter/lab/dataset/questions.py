"""Recorded prompts as a policy sees them (texts and token counts, no labels), and the same prompts with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lightrouter.answers.actions import plain_text
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.recording.recording import LabelledRecording, Recording
from lightrouter.runtime.tokens import count
from lightrouter.v1.policy_pb2 import AnswerPattern

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LISTS: Final = ("prompts", "texts", "answers")
_ARRAYS: Final = ("input_tokens", "repeated_tokens", "output_tokens", "latency_s", "cost_usd")


@dataclass(frozen=True, slots=True)
class Questions:
    """Prompts with the whole answer of each model of the pool.

    Attributes:
        recording: The recording of these prompts, without labels.
        models: The pool.
        prompts: The prompts' texts.
        texts: For each prompt the answer of each model.
        answers: For each prompt the comparable answer in each model's text, in canonical form; None if the text has
            none, or there is no pattern.
        input_tokens: Tokens of the prompt as each model counts them, one row per prompt.
        repeated_tokens: Tokens at the start of each prompt with which another prompt of the recording starts too.
        output_tokens: Tokens of each whole answer, one row per prompt.
        latency_s: Seconds that each whole answer took; NaN if not recorded.
        cost_usd: US dollars that each whole answer cost; NaN if not recorded, or if no recorded cost is above 0.
        pattern: The pattern of the comparable answer; None if there is none.
    """

    recording: Recording
    models: tuple[str, ...]
    prompts: Sequence[str]
    texts: Sequence[tuple[str, ...]]
    answers: Sequence[tuple[str | None, ...]]
    input_tokens: Ints
    repeated_tokens: Ints
    output_tokens: Ints
    latency_s: Floats
    cost_usd: Floats
    pattern: AnswerPattern | None

    def messages(self, index: int) -> list[str]:
        """Returns the texts of a prompt's messages."""
        return [plain_text(message) for message in self.recording.prompts[index].messages]

    @classmethod
    def of(cls, recording: Recording, models: tuple[str, ...], pattern: AnswerPattern | None) -> Questions:
        """Returns the prompts of a recording in which each of `models` answered every prompt."""
        rows = [[prompt.responses[model] for model in models] for prompt in recording.prompts]
        texts = [tuple(response.text for response in row) for row in rows]
        read = [
            [prompt.input_tokens if each.input_tokens is None else each.input_tokens for each in row]
            for prompt, row in zip(recording.prompts, rows, strict=True)
        ]
        # None becomes NaN.
        latency_s = np.array([[response.latency_s for response in row] for row in rows], dtype=float)
        cost_usd = np.array([[response.cost_usd for response in row] for row in rows], dtype=float)
        if not (cost_usd > 0).any():
            # Without prices each call of a pool is recorded as free.
            cost_usd = np.full_like(cost_usd, np.nan)
        prompts = ["\n\n".join(message.content for message in prompt.messages) for prompt in recording.prompts]
        return cls(
            recording=recording,
            models=models,
            prompts=prompts,
            texts=texts,
            answers=[tuple(_answer(text, pattern) for text in row) for row in texts],
            input_tokens=np.array(read, dtype=np.int64),
            repeated_tokens=_repeated(prompts),
            output_tokens=np.array([[each.output_tokens for each in row] for row in rows], dtype=np.int64),
            latency_s=latency_s,
            cost_usd=cost_usd,
            pattern=pattern,
        )

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def costed(self) -> list[str]:
        """The models for which the cost of every answer is recorded."""
        return [model for index, model in enumerate(self.models) if np.isfinite(self.cost_usd[:, index]).all()]

    def take(self, indices: Ints) -> Questions:
        """Returns the prompts at these indices."""
        columns: dict[str, Any] = {name: getattr(self, name)[indices] for name in _ARRAYS}
        columns |= {name: [getattr(self, name)[index] for index in indices] for name in _LISTS}
        return replace(self, recording=self.recording.take(map(int, indices)), **columns)


@dataclass(frozen=True, slots=True)
class LabelledData:
    """Prompts with their labels, for training and for evaluation.

    Attributes:
        questions: The prompts as a policy may see them.
        quality: Quality of each model's answer, 0 to 1, one row per prompt.
        recording: The labelled recording, from which a selector is trained.
    """

    questions: Questions
    quality: Floats
    recording: LabelledRecording

    @classmethod
    def of(cls, recording: LabelledRecording, models: tuple[str, ...], pattern: AnswerPattern | None) -> LabelledData:
        """Returns the prompts of a recording in which each of `models` has a scored answer to every prompt."""
        quality = [[labels.quality[model] for model in models] for labels in recording.labels]
        return cls(Questions.of(recording.recording, models, pattern), np.array(quality, dtype=float), recording)

    def __len__(self) -> int:
        return len(self.questions)

    def take(self, indices: Ints) -> LabelledData:
        """Returns the prompts at these indices."""
        return LabelledData(self.questions.take(indices), self.quality[indices], self.recording.take(map(int, indices)))

    def of_models(self, models: tuple[str, ...]) -> LabelledData:
        """Returns the same prompts with the answers of these models only."""
        prompts = [
            replace(prompt, responses={model: prompt.responses[model] for model in models})
            for prompt in self.recording.recording.prompts
        ]
        labels = [
            replace(each, quality={model: each.quality[model] for model in models}) for each in self.recording.labels
        ]
        return LabelledData.of(LabelledRecording(Recording(prompts), labels), models, self.questions.pattern)


def _repeated(prompts: Sequence[str]) -> Ints:
    """Returns the tokens at the start of each prompt with which another one starts too."""
    order = sorted(range(len(prompts)), key=prompts.__getitem__)
    # Of all prompts, the neighbours in the alphabet have the longest start in common.
    common = [_common(prompts[one], prompts[other]) for one, other in pairwise(order)]
    tokens = np.zeros(len(prompts), dtype=np.int64)
    for index, before, after in zip(order, [0, *common], [*common, 0], strict=True):
        tokens[index] = count(prompts[index][: max(before, after)])
    return tokens


def _common(one: str, other: str) -> int:
    """Returns the characters of the start that two texts have in common."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _answer(text: str, pattern: AnswerPattern | None) -> str | None:
    found = extract(text, pattern)
    return None if found is None else canonical(found)
