"""Reads a recording; each fault has file, line and field.

The format is JSON lines, as `lightrouter.recording.lines` reads them, one object per line:

| key | meaning |
| --- | --- |
| `id` | the prompt's name, unique |
| `category` | its subject or source; optional |
| `prompt` | the prompt of every model, or |
| `messages` | the conversation: `role` (system, user or assistant) and `content` of each message |
| `answer` | label, optional: the right answer, text or number, or a list of right ones |
| `responses` | model name -> `text`, and if known `input_tokens`, `output_tokens`, `cost_usd`, `latency_s` |
| | and the labels `quality` (0 to 1) and `answer` (the answer read from the text) |

Other keys are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lightrouter.recording import lines
from lightrouter.recording.lines import FaultsError
from lightrouter.recording.recording import LabelledRecording, Labels, RecordedPrompt, Recording, Response
from lightrouter.runtime import enums, faults
from lightrouter.runtime.tokens import count
from lightrouter.v1.chat_pb2 import ChatMessage, Role

# Tokens for a message's role and delimiters, as common chat templates write them.
_TOKENS_PER_MESSAGE: Final = 4

_Tokens = Annotated[int, Field(ge=0, lt=2**31)]
_Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Content = Annotated[str, Field(min_length=1)]
# The longest name of a model that a pool takes.
_Name = Annotated[str, Field(min_length=1, max_length=512)]


def _text(value: object) -> object:
    """Returns a label as text: a number in JSON's form, the first of several right answers."""
    if isinstance(value, list) and value and value[0] is not None:
        value = value[0]
    return json.dumps(value) if isinstance(value, int | float) else value


_Label = Annotated[str | None, BeforeValidator(_text)]


class RecordingError(Exception):
    """A recording that cannot be used; its text is one line, `FILE:LINE: FIELD: what to do`."""


class _Member(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)


class Message(_Member):
    """A message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: _Content


class Conversation(_Member):
    """The conversation in a line of JSON: one prompt of the user, or messages."""

    prompt: _Content | None = None
    messages: Annotated[Sequence[Message], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("must have either prompt or messages")
        if self.messages and self.messages[-1].role == "assistant":
            raise ValueError("has messages that end with the assistant's, which the models have to write")
        return self

    @property
    def turns(self) -> tuple[ChatMessage, ...]:
        """The messages."""
        if self.prompt is not None:
            return (ChatMessage(role=Role.ROLE_USER, content=self.prompt),)
        return tuple(
            ChatMessage(role=enums.value(Role, each.role), content=each.content) for each in self.messages or ()
        )


class _Response(_Member):
    text: str
    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cost_usd: _Amount | None = None
    latency_s: _Amount | None = None

    def recorded(self) -> Response:
        """Returns the response with its tokens counted."""
        counted = count(self.text)
        return Response(
            text=self.text,
            counted_tokens=counted,
            output_tokens=counted if self.output_tokens is None else self.output_tokens,
            input_tokens=self.input_tokens,
            cost_usd=self.cost_usd,
            latency_s=self.latency_s,
        )


class _LabelledResponse(_Response):
    quality: Annotated[float, Field(ge=0, le=1)] | None = None
    answer: _Label = None


class _Line(Conversation):
    id: Annotated[str, Field(min_length=1)]
    category: str = ""
    responses: Annotated[Mapping[_Name, _Response], Field(min_length=1)]

    def recorded(self, models: frozenset[str] | None) -> RecordedPrompt:
        """Returns the prompt with the responses of `models`; None: of all."""
        turns = self.turns
        return RecordedPrompt(
            id=self.id,
            category=self.category,
            messages=turns,
            input_tokens=sum(count(turn.content) + _TOKENS_PER_MESSAGE for turn in turns),
            responses={
                model: said.recorded() for model, said in self.responses.items() if models is None or model in models
            },
        )


class _LabelledLine(_Line):
    answer: _Label = None
    responses: Annotated[Mapping[_Name, _LabelledResponse], Field(min_length=1)]

    def labels(self) -> Labels:
        """Returns the prompt's labels."""
        responses = self.responses.items()
        return Labels(
            answer=self.answer,
            quality={model: said.quality for model, said in responses if said.quality is not None},
            answers={model: said.answer for model, said in responses if said.answer is not None},
        )


_AnyLine = TypeVar("_AnyLine", bound=_Line)
_Value = TypeVar("_Value")


def load(path: Path, models: Iterable[str] | None = None) -> Recording:
    """Reads a recording without its labels, which are ignored like any unknown key.

    Without `models`, recorded names, the responses of all are read.

    Raises:
        RecordingError: It cannot be read or used.
    """
    wanted = None if models is None else frozenset(models)
    return Recording(_read(path, _Line, lambda line: line.recorded(wanted)))


def load_labelled(path: Path) -> LabelledRecording:
    """Reads a recording with its labels.

    Raises:
        RecordingError: It cannot be read or used.
    """
    read = _read(path, _LabelledLine, lambda line: (line.recorded(None), line.labels()))
    return LabelledRecording(Recording([prompt for prompt, _ in read]), [labels for _, labels in read])


def _read(path: Path, kind: type[_AnyLine], of: Callable[[_AnyLine], _Value]) -> list[_Value]:
    def one(_: int, raw: bytes) -> tuple[str, _Value]:
        try:
            line = kind.model_validate_json(raw)
        except ValidationError as error:
            raise FaultsError([_fault(error)]) from None
        lines.once(raw)
        return line.id, of(line)

    try:
        return lines.prompts(lines.read(path), str(path), one)
    except FaultsError as error:
        raise RecordingError(error.faults[0]) from None


def _fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    kind, loc = first["type"], first["loc"]
    if loc[-1:] == ("[key]",):
        must = "not be empty" if kind == "string_too_short" else "have at most 512 characters"
        return f"responses: the name of a model must {must}"
    message = faults.sentence(first, lambda _: ())
    if kind == "json_invalid":
        message = f"is not valid JSON: {first['ctx']['error']}"
    elif kind == "model_type":
        message = "must be an object with the keys of a prompt"
    return ": ".join(filter(None, (faults.field(loc), message)))
