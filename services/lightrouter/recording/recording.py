"""A recording, separate from its labels: code with a `Recording` cannot read the right answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lightrouter.v1.chat_pb2 import ChatMessage

# The longest DNS label (RFC 1123), which names of candidates have to fit.
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class Response:
    """A model's whole response to a prompt.

    Attributes:
        text: The whole text.
        counted_tokens: Its tokens as counted by `tokens.count`.
        output_tokens: Its tokens as recorded, hidden reasoning included; as counted if not recorded.
        input_tokens: Tokens of the prompt, as recorded; None if not recorded.
        cost_usd: Cost of the call, in US dollars; None if not recorded.
        latency_s: Seconds from the call to its end; None if not recorded.
    """

    text: str
    counted_tokens: int
    output_tokens: int
    input_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedPrompt:
    """A prompt and each model's response.

    Attributes:
        id: The prompt's name, unique in the recording.
        category: Its subject or source; empty if there is none.
        messages: The conversation that every model got.
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
    """Prompts and models' responses, without labels.

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
    """The labels of one prompt: the quality of its responses. Code that serves requests must not read them.

    Attributes:
        answer: The right answer; None if there is none.
        quality: Quality of the scored responses, 0 to 1, by the models' recorded names.
        answers: The answers read from responses, by the same names; may be empty.
    """

    answer: str | None
    quality: Mapping[str, float]
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """A recording with its labels, for training and evaluation.

    Attributes:
        recording: The prompts and responses.
        labels: The labels of its prompts, in their order.
    """

    recording: Recording
    labels: Sequence[Labels]

    def take(self, positions: Iterable[int]) -> LabelledRecording:
        """Returns the prompts at these positions with their labels."""
        positions = list(positions)
        return LabelledRecording(self.recording.take(positions), [self.labels[position] for position in positions])


def pool_names(models: Iterable[str]) -> dict[str, str]:
    """Returns a unique, valid candidate name for each recorded name: lower case, hyphens for other characters."""
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
