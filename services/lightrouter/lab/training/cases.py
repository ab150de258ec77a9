"""The recorded prompts that a training learns from."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightrouter.lab.dataset import patterns
from lightrouter.learned.priors import Example, Priors, words_of
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern


class TrainingError(Exception):
    """A recording that cannot be used for training; the text is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """A recorded prompt for training.

    Attributes:
        text: The prompt.
        example: Its words and the outcomes of all candidates.
        texts: The text of each candidate; None if it has none.
        read: The tokens that each candidate reads; as counted here if not recorded.
        tokens: The output tokens of each candidate's answer; 0 if it has none.
        pattern: The pattern of the comparable answer in the texts; None if there is none.
    """

    text: str
    example: Example
    texts: Sequence[str | None]
    read: Sequence[int]
    tokens: Sequence[int]
    pattern: AnswerPattern | None

    @property
    def present(self) -> list[int]:
        """Indices of the candidates that have a scored answer."""
        return [index for index, quality in enumerate(self.example.quality) if quality is not None]


@dataclass(frozen=True, slots=True)
class Cases:
    """Recorded prompts with the outcomes of the candidates."""

    candidates: tuple[str, ...]
    cases: Sequence[Case]

    @classmethod
    def of(cls, recordings: Sequence[LabelledRecording], pattern: AnswerPattern | None = None) -> Cases:
        """Returns the prompts of recordings that have a scored answer.

        Without `pattern`, it is inferred from each recording's right answers.

        Raises:
            TrainingError: There are none.
        """
        models = dict.fromkeys(model for each in recordings for model in each.recording.models)
        if not all(map(str.strip, models)):
            raise TrainingError("a response has an empty model name; give each model a name")
        cases = [case for recording in recordings for case in _cases(recording, tuple(models), pattern)]
        if not any(case.present for case in cases):
            raise TrainingError("no response has a `quality` to learn from; a scorer adds it")
        return cls(tuple(models), [case for case in cases if case.present])

    def take(self, indices: Sequence[int]) -> Cases:
        """Returns the prompts at these indices."""
        return Cases(self.candidates, [self.cases[index] for index in indices])

    @property
    def pattern(self) -> AnswerPattern | None:
        """The pattern of the comparable answer in all texts; None if there is none, or more than one."""
        found = {None if case.pattern is None else case.pattern.SerializeToString() for case in self.cases}
        return self.cases[0].pattern if len(found) == 1 else None

    def folds(self, count: int, seed: int) -> list[int]:
        """Returns the fold of each prompt; equal prompts are in the same fold."""
        drawn = random.Random(seed)  # noqa: S311 - reproducible by intent, and no secret
        of_text: dict[str, int] = {}
        for case in self.cases:
            if case.text not in of_text:
                of_text[case.text] = drawn.randrange(count)
        return [of_text[case.text] for case in self.cases]

    def priors(self) -> Priors:
        """Returns the outcomes of all these prompts."""
        return Priors(self.candidates, [case.example for case in self.cases])

    @property
    def characters_per_token(self) -> dict[str, float]:
        """Characters of all texts of each candidate over the tokens that they were billed as, reasoning included."""
        found: dict[str, float] = {}
        for place, name in enumerate(self.candidates):
            characters = sum(case.example.length[place] for case in self.cases)
            tokens = sum(case.tokens[place] for case in self.cases)
            if characters and tokens:
                found[name] = characters / tokens
        return found

    @property
    def sha256(self) -> str:
        """The hash of all that is learned from."""
        digest = hashlib.sha256(json.dumps(self.candidates).encode())
        for case in self.cases:
            digest.update(json.dumps([case.text, case.texts, case.tokens, case.example.quality]).encode())
        return digest.hexdigest()


def _cases(recording: LabelledRecording, models: tuple[str, ...], pattern: AnswerPattern | None) -> Iterator[Case]:
    pattern = pattern or patterns.infer(labels.answer for labels in recording.labels)
    for prompt, labels in zip(recording.recording.prompts, recording.labels, strict=True):
        text = "\n\n".join(message.content for message in prompt.messages)
        responses = [prompt.responses.get(model) for model in models]
        texts = [None if each is None else each.text for each in responses]
        counted = prompt.input_tokens
        read = [counted if each is None or each.input_tokens is None else each.input_tokens for each in responses]
        tokens = [0 if each is None else each.output_tokens for each in responses]
        quality = [labels.quality.get(model) if model in prompt.responses else None for model in models]
        example = Example(words_of(text), quality, [len(each or "") for each in texts])
        yield Case(text, example, texts, read, tokens, pattern)
