"""The validation set: prompts that all say how to score their answers, see `lightrouter.recording.prompts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightrouter.recording import prompts
from lightrouter.recording.prompts import Asked, Judged

MAX_BYTES: Final = 256 * 2**20
"""The most bytes of an unpacked validation set. A choice: a million prompts of 256 bytes."""


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """A validation set.

    Attributes:
        items: The prompts, each with a task, in the order of the file.
        digest: A hash of prompts, answers and tasks.
    """

    items: Sequence[Asked]
    digest: str

    @classmethod
    def of(cls, items: Sequence[Asked]) -> ValidationSet:
        """Returns the set of these prompts, each with a task."""
        return cls(items, prompts.digest(items))

    @property
    def judged(self) -> bool:
        """Whether a judge is needed."""
        return any(isinstance(item.task, Judged) for item in self.items)


def load(path: Path, task: str | None = None) -> ValidationSet:
    """Reads a validation set; `task` applies to lines with an answer and without a task.

    Raises:
        PromptsError: The file cannot be read, or its content is invalid.
    """
    return ValidationSet.of(prompts.read(path, task, scored=True, most_bytes=MAX_BYTES))
