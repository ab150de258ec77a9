"""Puts the text of prompts and answers on spans, if it is switched on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from opentelemetry.trace import Span

from lightrouter.runtime.enums import label
from lightrouter.runtime.telemetry import names
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Media, Role, ToolCall

_ASSISTANT: Final = "assistant"


class _Part(NamedTuple):
    """A part of a message by the conventions, and the name of its text, which alone may be shortened."""

    members: dict[str, str | int]
    text: str

    def within(self, characters: int, *, end: bool) -> tuple[dict[str, str | int], int]:
        """Returns the part within `characters` characters, and how many it has; `end` keeps the end of its text."""
        text = str(self.members[self.text])
        apart = {self.text, "type"}
        others = sum(len(each) for name, each in self.members.items() if isinstance(each, str) and name not in apart)
        room = max(0, characters - others)
        if len(text) <= room:
            return self.members, others + len(text)
        short = "…" + text[len(text) - room :] if end else text[:room] + "…"
        return {**self.members, self.text: short}, others + len(text)


@dataclass(frozen=True, slots=True)
class TextCapture:
    """Puts texts on spans by OpenTelemetry's conventions for generative AI.

    Pictures, documents and recordings are named, without their bytes.

    Attributes:
        characters: Maximum characters of all texts of one attribute together; 0 captures nothing.
    """

    characters: int = 0

    def asked(self, span: Span, messages: Sequence[ChatMessage], lead: str = "") -> None:
        """Adds the conversation and the prefix that the model continues; a too long text loses its beginning."""
        if not self.characters or not span.is_recording():
            return
        kept: list[dict[str, object]] = []
        left = self.characters
        if lead:
            parts, left = _kept([_text(lead)], left, end=True)
            kept.append({"role": _ASSISTANT, "parts": parts})
        for message in reversed(messages):
            if left <= 0:
                break
            parts, left = _kept(_parts(message), left, end=True)
            kept.append({"role": label(Role, message.role), "parts": parts})
        span.set_attribute(names.GEN_AI_INPUT_MESSAGES, _json(kept[::-1]))

    def answered(
        self, span: Span, text: str, finish_reason: FinishReason.ValueType, calls: Sequence[ToolCall] = ()
    ) -> None:
        """Adds the answer, its tool calls behind its text; what is too long loses its end."""
        if not self.characters or not span.is_recording():
            return
        written = [_text(text)] if text or not calls else []
        parts, _ = _kept([*written, *map(_call, calls)], self.characters, end=False)
        message = {"role": _ASSISTANT, "parts": parts, "finish_reason": label(FinishReason, finish_reason)}
        span.set_attribute(names.GEN_AI_OUTPUT_MESSAGES, _json([message]))


NOTHING: Final = TextCapture()
"""Captures nothing."""


def _kept(parts: Iterable[_Part], characters: int, *, end: bool) -> tuple[list[dict[str, str | int]], int]:
    """Returns the last parts within `characters` characters, or the first ones, and how many characters are left."""
    ordered = list(parts)
    kept: list[dict[str, str | int]] = []
    for part in reversed(ordered) if end else ordered:
        if characters <= 0:
            break
        members, used = part.within(characters, end=end)
        kept.append(members)
        characters -= used
    return kept[::-1] if end else kept, characters


def _parts(message: ChatMessage) -> Iterator[_Part]:
    if message.role == Role.ROLE_TOOL:
        members: dict[str, str | int] = {"id": message.tool_call_id, "response": message.content}
        yield _Part({"type": "tool_call_response", **members}, "response")
    elif message.content or not (message.parts or message.tool_calls):
        yield _text(message.content)
    for part in message.parts:
        kind = part.WhichOneof("kind") or "text"
        yield _text(part.text) if kind == "text" else _media(kind, getattr(part, kind))
    yield from map(_call, message.tool_calls)


def _text(text: str) -> _Part:
    return _Part({"type": "text", "content": text}, "content")


def _call(call: ToolCall) -> _Part:
    return _Part({"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}, "arguments")


def _media(kind: str, media: Media) -> _Part:
    members: dict[str, str | int] = {"modality": kind, "mime_type": media.mime_type, "name": media.name}
    if media.HasField("uri"):
        return _Part({"type": "uri", **members, "uri": media.uri}, "uri")
    return _Part({"type": "blob", **members, "bytes": len(media.data)}, "name")


def _json(messages: object) -> str:
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
