"""Recorded prompts as a policy sees them (texts and token counts, no labels), and the same prompts with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.recording.recording import LabelledRecording, RecordedPrompt, Recording
from lightrouter.v1.policy_pb2 import AnswerPattern

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
    output_tokens: Ints
    latency_s: Floats
    cost_usd: Floats
    pattern: AnswerPattern | None

    @classmethod
    def of(cls, recording: Recording, models: tuple[str, ...], pattern: AnswerPattern | None) -> Questions:
        """Returns the prompts of a recording in which each of `models` answered every prompt."""
        texts = [tuple(prompt.responses[model].text for model in models) for prompt in recording.prompts]
        return cls(
            recording=recording,
            models=models,
            prompts=["\n\n".join(message.content for message in prompt.messages) for prompt in recording.prompts],
            texts=texts,
            answers=[tuple(_answer(text, pattern) for text in row) for row in texts],
            input_tokens=np.array([_input_tokens(prompt, models) for prompt in recording.prompts], dtype=np.int64),
            output_tokens=np.array(
                [[prompt.responses[model].output_tokens for model in models] for prompt in recording.prompts],
                dtype=np.int64,
            ),
            latency_s=_known([[prompt.responses[model].latency_s for model in models] for prompt in recording.prompts]),
            cost_usd=_costs([[prompt.responses[model].cost_usd for model in models] for prompt in recording.prompts]),
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
        return Questions(
            recording=self.recording.take(map(int, indices)),
            models=self.models,
            prompts=[self.prompts[index] for index in indices],
            texts=[self.texts[index] for index in indices],
            answers=[self.answers[index] for index in indices],
            input_tokens=self.input_tokens[indices],
            output_tokens=self.output_tokens[indices],
            latency_s=self.latency_s[indices],
            cost_usd=self.cost_usd[indices],
            pattern=self.pattern,
        )


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


def _answer(text: str, pattern: AnswerPattern | None) -> str | None:
    found = extract(text, pattern)
    return None if found is None else canonical(found)


def _input_tokens(prompt: RecordedPrompt, models: Sequence[str]) -> list[int]:
    recorded = (prompt.responses[model].input_tokens for model in models)
    return [prompt.input_tokens if tokens is None else tokens for tokens in recorded]


def _known(rows: Sequence[Sequence[float | None]]) -> Floats:
    """Returns figures, one row per prompt, with NaN for None."""
    return np.array([[np.nan if each is None else each for each in row] for row in rows], dtype=float)


def _costs(rows: list[list[float | None]]) -> Floats:
    found = _known(rows)
    # Without prices each call of a pool is recorded as free.
    return found if (found > 0).any() else np.full_like(found, np.nan)
