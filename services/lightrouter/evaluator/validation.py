"""The validation set: prompts that each say how an answer is scored, checked whole when it is loaded.

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
"""The most bytes that a validation set may have, unpacked."""


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt.

    Attributes:
        id: Its name in the set.
        category: The kind of prompt, as a policy's `category` names it; may be empty.
        messages: The conversation.
        task: How an answer is scored.
        max_output_tokens: Most tokens of an answer; None leaves it to the evaluation.
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
        digest: What tells these prompts, answers and tasks from any others.
    """

    items: tuple[Item, ...]
    digest: str

    @property
    def judged(self) -> bool:
        """Whether a judge is needed."""
        return any(isinstance(item.task, Judged) for item in self.items)


class ValidationSetError(Exception):
    """A validation set that cannot be used; its text has one line for each fault, with line and field."""


def load(path: Path, task: str | None = None) -> ValidationSet:
    """Reads a validation set; `task` is that of lines that have an answer and name none.

    Raises:
        ValidationSetError: It cannot be read, or its content cannot be used.
    """
    try:
        return _set(prompts.read(path, task, scored=True, most_bytes=MAX_BYTES))
    except PromptsError as error:
        raise ValidationSetError(str(error)) from None


def parse(data: bytes, name: str = "validation set") -> ValidationSet:
    """Returns the validation set that `data` holds; `name` stands before each fault.

    Raises:
        ValidationSetError: It cannot be used.
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
