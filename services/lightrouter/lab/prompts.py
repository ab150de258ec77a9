"""Prompts to be recorded: JSON lines, and how their answers are scored where they say so.

    {"id": "q1", "category": "law", "prompt": "Which ...? A) ... B) ...", "task": "choice", "answer": "B"}
    {"messages": [{"role": "user", "content": "..."}]}

The tasks and their fields are `lightrouter.answers.scoring`'s. A recording will do as well: its responses are passed
over.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from lightrouter.answers.scoring import SCORERS, AnyScorer, Section
from lightrouter.pool import faults
from lightrouter.v1.chat_pb2 import ChatMessage, Role

_ROLES: Final = {"system": Role.ROLE_SYSTEM, "user": Role.ROLE_USER, "assistant": Role.ROLE_ASSISTANT}
_GZIP: Final = b"\x1f\x8b"
_PASSED_OVER: Final = "responses"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]


class PromptsError(Exception):
    """Prompts that cannot be used; its text has one line for each fault of the first line that has any."""


class _Message(Section):
    role: Literal["system", "user", "assistant"]
    content: _Text


class _Line(Section):
    id: Annotated[str, StringConstraints(min_length=1)]
    category: Annotated[str, StringConstraints(max_length=63)] = ""
    prompt: _Text | None = None
    messages: Annotated[tuple[_Message, ...], Field(min_length=1, max_length=1000, strict=False)] | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> _Line:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("must have either prompt or messages")
        if self.messages and self.messages[-1].role == "assistant":
            raise ValueError("has messages that end with the assistant's, which is what the candidates are to write")
        return self


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt.

    Attributes:
        id: Its name.
        messages: The conversation.
        members: What a recording says of it, as JSON has it: id, category, the conversation, the right answer.
        scorer: Scores an answer; None where nothing says how.
    """

    id: str
    messages: tuple[ChatMessage, ...]
    members: Mapping[str, object]
    scorer: AnyScorer | None


def read(path: Path, task: str | None = None) -> list[Asked]:
    """Reads prompts; `task` is that of lines that have an answer and name none.

    Raises:
        PromptsError: They cannot be used.
    """
    asked: dict[str, Asked] = {}
    for number, line in _lines(path):
        try:
            one = _asked(line, number, task)
            if one.id in asked:
                raise _LineError([("id", "is taken: an earlier line has it already")])
        except _LineError as error:
            said = (": ".join(filter(None, fault)) for fault in error.faults)
            raise PromptsError("\n".join(f"{path}:{number}: {fault}" for fault in said)) from None
        asked[one.id] = one
    if not asked:
        raise PromptsError(f"{path}: holds no prompt")
    return list(asked.values())


class _LineError(Exception):
    def __init__(self, found: list[tuple[str, str]]) -> None:
        super().__init__()
        self.faults = found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PromptsError(f"{path}: cannot be read: {reason}") from None
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield number, line


def _asked(line: bytes, number: int, task: str | None) -> Asked:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise _LineError([("", "is no JSON")]) from None
    if not isinstance(values, dict):
        raise _LineError([("", "must be an object")])
    values.pop(_PASSED_OVER, None)
    values.setdefault("id", f"prompt-{number}")
    common = {key: values.pop(key) for key in list(values) if key in _Line.model_fields}
    if "answer" in values and task:
        values.setdefault("task", task)
    answer = values.get("answer")
    scorer = _scorer(values)
    head: _Line = _checked(_Line, common)
    members = {"id": head.id, **{key: value for key, value in common.items() if key != "id"}}
    if isinstance(answer, str):
        members["answer"] = answer
    return Asked(head.id, tuple(_messages(head)), members, scorer)


def _scorer(values: dict[str, Any]) -> AnyScorer | None:
    """Returns what scores the answers, from what a line says besides its prompt."""
    task = values.get("task")
    if task is None:
        if unknown := sorted(values.keys() - {"answer"}):
            raise _LineError([(unknown[0], "is not a known key of a prompt without a task")])
        return None
    kind = SCORERS.get(task) if isinstance(task, str) else None
    if kind is None:
        raise _LineError([("task", f"must be one of {', '.join(SCORERS)}")])
    checked: AnyScorer = _checked(kind, values)
    return checked


def _checked(kind: type[Any], values: dict[str, Any]) -> Any:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        known = kind.model_fields
        raise _LineError(
            [(faults.field(each["loc"]), faults.sentence(each, lambda _: known)) for each in details]
        ) from None


def _messages(head: _Line) -> Iterator[ChatMessage]:
    if head.prompt is not None:
        yield ChatMessage(role=Role.ROLE_USER, content=head.prompt)
    for message in head.messages or ():
        yield ChatMessage(role=_ROLES[message.role], content=message.content)
