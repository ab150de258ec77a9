"""What a recording is, labels apart: whoever holds a `Recording` cannot read what the right answers are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lightrouter.v1.chat_pb2 import ChatMessage

_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class Response:
    """All that a model wrote to a prompt.

    Attributes:
        text: The whole text.
        counted_tokens: Its tokens as `tokens.count` has them.
        output_tokens: Its tokens as they were recorded, hidden reasoning included; as counted where they were not.
        input_tokens: Tokens of the prompt, as recorded; None where they were not.
        cost_usd: What the call cost, in US dollars; None where it was not recorded.
        latency_s: Seconds from the call to its end; None where they were not recorded.
    """

    text: str
    counted_tokens: int
    output_tokens: int
    input_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedPrompt:
    """A prompt and what each model wrote to it.

    Attributes:
        id: The prompt's name, unique in the recording.
        category: Its subject or source; empty where there is none.
        messages: The conversation that every model was asked.
        input_tokens: Tokens of the conversation, as counted here.
        responses: The responses by the models' recorded names.
    """

    id: str
    category: str
    messages: tuple[ChatMessage, ...]
    input_tokens: int
    responses: Mapping[str, Response]


@dataclass(frozen=True, slots=True)
class Recording:
    """Prompts and what models wrote to them. No labels.

    Attributes:
        prompts: The prompts, in the order of the file.
    """

    prompts: Sequence[RecordedPrompt]

    @property
    def models(self) -> list[str]:
        """The recorded names of all models, in the order in which they first appear."""
        return list(dict.fromkeys(model for prompt in self.prompts for model in prompt.responses))

    def take(self, positions: Iterable[int]) -> Recording:
        """Returns the recording of the prompts at these positions."""
        return Recording([self.prompts[position] for position in positions])


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of how good the responses to one prompt are. Nothing that serves a request may read it.

    Attributes:
        answer: The right answer; None where there is none.
        quality: Quality of the responses, 0 to 1, by the models' recorded names, as far as they were scored.
        answers: The answer read from each response, by the same names, as far as one was.
    """

    answer: str | None
    quality: Mapping[str, float]
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A recording with its labels, for training and judging.

    Attributes:
        recording: What serves.
        labels: The labels of its prompts, in their order.
    """

    recording: Recording
    labels: Sequence[Labels]

    def take(self, positions: Iterable[int]) -> LabelledRecording:
        """Returns the prompts at these positions with their labels."""
        positions = list(positions)
        return LabelledRecording(self.recording.take(positions), [self.labels[position] for position in positions])


def pool_names(models: Iterable[str]) -> dict[str, str]:
    """Returns for each recorded name one that the pool allows: lower case, hyphens for all else, each name once."""
    names: dict[str, str] = {}
    for model in dict.fromkeys(models):
        base = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:_LONGEST_NAME].strip("-") or "model"
        name, number = base, 1
        while name in names.values():
            number += 1
            ending = f"-{number}"
            name = base[: _LONGEST_NAME - len(ending)].rstrip("-") + ending
        names[model] = name
    return names
