"""Prompts and the scoring of their answers: one format for recording and evaluation.

    {"id": "q1", "category": "law", "prompt": "Which ...? A) ... B) ...", "task": "choice", "answer": "B"}
    {"messages": [{"role": "user", "content": "..."}], "task": "judge", "reference": "...", "max_output_tokens": 300}

The format is JSON lines, as `lightrouter.recording.lines` reads them. The tasks exact, choice, numeric, pattern and
schema, with their fields, are `lightrouter.answers.scoring`'s; `judge` has a reference answer, with which a judge model
compares. A recording works too: its responses are ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from lightrouter.answers.scoring import SCORERS, AnyScorer, Scorer, Section
from lightrouter.recording import lines
from lightrouter.recording.lines import FaultsError
from lightrouter.recording.load import Conversation, Message
from lightrouter.runtime import faults
from lightrouter.v1.chat_pb2 import ChatMessage

MAX_SCORED_BYTES: Final = 256 * 2**20
"""Maximum bytes of an unpacked validation set. A choice: a million prompts of 256 bytes."""

# A choice: a screen of faults.
_MOST_FAULTS: Final = 20
_PASSED_OVER: Final = "responses"

# A choice: longer than any prompt, and short enough to check in memory.
Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]


class PromptsError(Exception):
    """Prompts that cannot be used; its text has one line for each fault, `FILE:LINE: FIELD: what to do`."""


class Judged(Section):
    """A task whose answers a judge model compares with a reference answer."""

    task: Literal["judge"] = "judge"
    reference: Text
    """The reference answer."""


TASKS: Final[Mapping[str, type[AnyScorer | Judged]]] = {**SCORERS, "judge": Judged}
"""The tasks by name."""


class _Message(Message, Section):
    content: Text


class _Line(Conversation, Section):
    """The keys of every line; the others belong to its task."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    category: Annotated[str, StringConstraints(max_length=63)] = ""
    prompt: Text | None = None
    messages: Annotated[tuple[_Message, ...], Field(min_length=1, max_length=1000, strict=False)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=131_072)] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt.

    Attributes:
        id: Its name, unique in the file; default: `prompt-` and its line number.
        category: The kind of prompt, as a policy's `category` names it; may be empty.
        messages: The conversation.
        task: How to score an answer; None if nothing says how.
        max_output_tokens: Maximum tokens of an answer; None: the caller decides.
        members: All keys of its line as JSON, with the id and without responses.
    """

    id: str
    category: str
    messages: tuple[ChatMessage, ...]
    task: Scorer | Judged | None
    max_output_tokens: int | None
    members: Mapping[str, object]

    @property
    def scorer(self) -> Scorer | None:
        """The scorer of an answer without a model; None if there is none."""
        return None if isinstance(self.task, Judged) else self.task


def read(path: Path, task: str | None = None, *, scored: bool = False) -> list[Asked]:
    """Reads prompts.

    `task` is that of lines that have an answer but none. If `scored`, every line must say how to score its answers, as
    in a validation set.

    Raises:
        PromptsError: They cannot be used.
    """
    return parse(lines.read(path, MAX_SCORED_BYTES if scored else lines.MAX_BYTES), str(path), task, scored=scored)


def parse(raw: Iterable[tuple[int, bytes]], name: str, task: str | None = None, *, scored: bool = False) -> list[Asked]:
    """Returns the prompts of these numbered lines; each fault starts with `name`. See `read`.

    Raises:
        PromptsError: They cannot be used.
    """

    def one(number: int, line: bytes) -> tuple[str, Asked]:
        asked = _asked(line, number, task, scored=scored)
        return asked.id, asked

    try:
        return lines.prompts(raw, name, one)
    except FaultsError as error:
        more = len(error.faults) - _MOST_FAULTS
        said = [*error.faults[:_MOST_FAULTS], *([f"{name}: {more} more faults"] if more > 0 else [])]
        raise PromptsError("\n".join(said)) from None


def completed(asked: Asked, recorded: Mapping[str, object]) -> Asked:
    """Returns a prompt with the labels and the scoring of a recording, if its own line lacks them.

    A line with a task has all of them itself.
    """
    if asked.task is not None:
        return asked
    more = {key: value for key, value in recorded.items() if key not in {"prompt", "messages", _PASSED_OVER}}
    members = {**more, **asked.members}
    try:
        (found,) = parse([(1, json.dumps(members).encode())], "")
    except PromptsError:
        # Other keys of a recording are free; its task may not fit a new answer.
        members.pop("task", None)
        return replace(asked, members=members)
    return found


def digest(asked: Iterable[Asked]) -> str:
    """Returns a digest of these prompts with their answers and tasks."""
    found = hashlib.sha256()
    for each in asked:
        found.update(json.dumps(each.members, sort_keys=True, ensure_ascii=True).encode() + b"\n")
    return found.hexdigest()


def conversation_digest(messages: Iterable[ChatMessage]) -> str:
    """Returns a digest of a conversation, 16 letters and digits."""
    turns = [(message.role, message.content) for message in messages]
    return hashlib.sha256(json.dumps(turns).encode()).hexdigest()[:16]


def _asked(line: bytes, number: int, task: str | None, *, scored: bool) -> Asked:
    values = lines.parse(line)
    if not isinstance(values, dict):
        raise FaultsError(["must be an object, one per line"])
    values.pop(_PASSED_OVER, None)
    values.setdefault("id", f"prompt-{number}")
    if "answer" in values and task:
        values.setdefault("task", task)
    members = dict(values)
    common = {key: values.pop(key) for key in list(values) if key in _Line.model_fields}
    kind = _kind(values, scored=scored)
    parsed: list[Any] = []
    found: list[str] = []
    for model, said in ((_Line, common), *([(kind, values)] if kind else [])):
        try:
            parsed.append(model.model_validate(said))
        except ValidationError as error:
            found += _faults(error, [*_Line.model_fields, *(kind.model_fields if kind else ())])
    if found:
        raise FaultsError(found)
    head: _Line = parsed[0]
    return Asked(head.id, head.category, head.turns, parsed[1] if kind else None, head.max_output_tokens, members)


def _kind(values: Mapping[str, Any], *, scored: bool) -> type[AnyScorer | Judged] | None:
    """Returns the task's kind from the keys of a line; None if it names no task."""
    task = values.get("task")
    if task is None and not scored:
        if unknown := sorted(values.keys() - {"answer", "task"}):
            raise FaultsError([f"{unknown[0]}: is not a known key of a prompt without a task"])
        return None
    kind = TASKS.get(task) if isinstance(task, str) else None
    if kind is None:
        raise FaultsError([f"task: must be one of {', '.join(TASKS)}"])
    return kind


def _faults(error: ValidationError, known: list[str]) -> Iterator[str]:
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        loc = detail["loc"]
        if any(loc == other["loc"][: len(loc)] and other["loc"] != loc for other in details):
            # A value that contains a fault has no fault of its own: a list with invalid items is not an empty list.
            continue
        yield ": ".join(filter(None, (faults.field(detail["loc"]), faults.sentence(detail, lambda _: known))))
