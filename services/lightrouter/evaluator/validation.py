"""The validation set: prompts with the scoring of their answers, checked completely at loading.

The format is `lightrouter.recording.prompts`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.answers.scoring import Scorer
from lightrouter.recording import lines, prompts
from lightrouter.recording.prompts import Asked, Judged, PromptsError
from lightrouter.v1.chat_pb2 import ChatMessage

MAX_BYTES: Final = 256 * 2**20
"""The most bytes of an unpacked validation set. A choice: a million prompts of 256 bytes."""


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt.

    Attributes:
        id: The prompt's name in the set.
        category: The kind of prompt, as in a policy's `category`; may be empty.
        messages: The conversation.
        task: The scoring of an answer.
        max_output_tokens: Most tokens of an answer; None: the evaluation's limit applies.
    """

    id: str
    category: str
    messages: tuple[ChatMessage, ...]
    task: Scorer | Judged
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """A validation set.

    Attributes:
        items: The prompts, in the order of the file.
        digest: A hash of prompts, answers and tasks.
    """

    items: tuple[Item, ...]
    digest: str

    @property
    def judged(self) -> bool:
        """Whether a judge is needed."""
        return any(isinstance(item.task, Judged) for item in self.items)


class ValidationSetError(Exception):
    """A validation set that cannot be used. The text has one line for each fault, with line and field."""


def load(path: Path, task: str | None = None) -> ValidationSet:
    """Reads a validation set; `task` applies to lines with an answer and without a task.

    Raises:
        ValidationSetError: The file cannot be read, or its content is invalid.
    """
    try:
        return _set(prompts.read(path, task, scored=True, most_bytes=MAX_BYTES))
    except PromptsError as error:
        raise ValidationSetError(str(error)) from None


def parse(data: bytes, name: str = "validation set") -> ValidationSet:
    """Returns the validation set in `data`; each fault starts with `name`.

    Raises:
        ValidationSetError: The content is invalid.
    """
    try:
        return _set(prompts.parse(lines.split(data, MAX_BYTES), name, scored=True))
    except PromptsError as error:
        raise ValidationSetError(str(error)) from None


def _set(asked: Sequence[Asked]) -> ValidationSet:
    items = (
        Item(each.id, each.category, each.messages, each.task, each.max_output_tokens) for each in asked if each.task
    )
    return ValidationSet(tuple(items), prompts.digest(asked))
