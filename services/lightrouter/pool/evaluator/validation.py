"""The validation set: JSON lines with a prompt each and how an answer is scored, checked whole when it is loaded.

    {"id": "q1", "category": "law", "prompt": "Which ...? A) ... B) ...", "task": "choice", "answer": "B"}
    {"id": "q2", "messages": [{"role": "user", "content": "..."}], "task": "judge", "reference": "..."}

Tasks: exact, choice, numeric, pattern and schema (`lightrouter.answers.scoring` has their fields), and judge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from lightrouter.answers.scoring import SCORERS, AnyScorer, Scorer, Section
from lightrouter.pool import faults
from lightrouter.v1.chat_pb2 import ChatMessage, Role

MAX_BYTES: Final = 256 * 2**20
"""The most bytes that a validation set may have."""
_MOST_FAULTS: Final = 20
_ROLES: Final = {"system": Role.ROLE_SYSTEM, "user": Role.ROLE_USER, "assistant": Role.ROLE_ASSISTANT}

Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]


class Judged(Section):
    """A task whose answers a judge model compares with a reference answer."""

    task: Literal["judge"] = "judge"
    reference: Text
    """An answer that is good."""


_TASKS: Final[Mapping[str, type[AnyScorer | Judged]]] = {**SCORERS, "judge": Judged}


class _Message(Section):
    role: Literal["system", "user", "assistant"]
    content: Text


class _Line(Section):
    """What stands in every line; the rest is its task's."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    category: Annotated[str, StringConstraints(max_length=63)] = ""
    prompt: Text | None = None
    messages: Annotated[tuple[_Message, ...], Field(min_length=1, max_length=1000, strict=False)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> _Line:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("must have either prompt or messages")
        if self.messages and self.messages[-1].role == "assistant":
            raise ValueError("has messages that end with the assistant's, which is what the candidates are to write")
        return self


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
        digest: What tells this content from any other.
    """

    items: tuple[Item, ...]
    digest: str

    @property
    def judged(self) -> bool:
        """Whether a judge is needed."""
        return any(isinstance(item.task, Judged) for item in self.items)


class ValidationSetError(Exception):
    """A validation set that cannot be used; its text has one line for each fault, with line and field."""


def load(path: Path) -> ValidationSet:
    """Reads a validation set.

    Raises:
        ValidationSetError: It cannot be read, or its content cannot be used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValidationSetError(f"{path}: cannot be read: {error.strerror or error}") from None
    return parse(data, str(path))


def parse(data: bytes, name: str = "validation set") -> ValidationSet:
    """Returns the validation set that `data` holds; `name` stands before each fault.

    Raises:
        ValidationSetError: It cannot be used.
    """
    if len(data) > MAX_BYTES:
        raise ValidationSetError(f"{name}: is larger than {MAX_BYTES:,} bytes")
    items: dict[str, Item] = {}
    said: list[str] = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = _item(line)
            if item.id in items:
                raise _LineError([("id", "is taken: an earlier line has it already")])
            items[item.id] = item
        except _LineError as error:
            said += [f"{name}:{number}: {': '.join(filter(None, fault))}" for fault in error.faults]
    if not items and not said:
        said = [f"{name}: holds no prompt"]
    if said:
        more = [f"{name}: {len(said) - _MOST_FAULTS} more faults"] if len(said) > _MOST_FAULTS else []
        raise ValidationSetError("\n".join([*said[:_MOST_FAULTS], *more]))
    return ValidationSet(tuple(items.values()), hashlib.sha256(data).hexdigest())


class _LineError(Exception):
    """Faults of one line: field and message."""

    def __init__(self, found: list[tuple[str, str]]) -> None:
        super().__init__()
        self.faults = found


def _item(line: bytes) -> Item:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise _LineError([("", "is no JSON")]) from None
    if not isinstance(values, dict):
        raise _LineError([("", "must be an object")])
    common = {key: values.pop(key) for key in list(values) if key in _Line.model_fields}
    kind = _TASKS.get(task) if isinstance(task := values.get("task"), str) else None
    if kind is None:
        raise _LineError([("task", f"must be one of {', '.join(_TASKS)}")])
    found: list[tuple[str, str]] = []
    parsed: list[Any] = []
    for model, said in ((_Line, common), (kind, values)):
        try:
            parsed.append(model.model_validate(said))
        except ValidationError as error:
            found += _faults(error, [*_Line.model_fields, *kind.model_fields])
    if found:
        raise _LineError(found)
    head, scorer = parsed
    return Item(head.id, head.category, tuple(_messages(head)), scorer, head.max_output_tokens)


def _faults(error: ValidationError, known: list[str]) -> Iterator[tuple[str, str]]:
    for detail in error.errors(include_url=False, include_input=False):
        yield faults.field(detail["loc"]), faults.sentence(detail, lambda _: known)


def _messages(head: _Line) -> Iterator[ChatMessage]:
    if head.prompt is not None:
        yield ChatMessage(role=Role.ROLE_USER, content=head.prompt)
    for message in head.messages or ():
        yield ChatMessage(role=_ROLES[message.role], content=message.content)
