"""Puts the text of prompts and answers on spans, if it is switched on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import Span

from lightrouter.runtime.enums import label
from lightrouter.runtime.telemetry import names
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role


@dataclass(frozen=True, slots=True)
class TextCapture:
    """Puts texts on spans by OpenTelemetry's conventions for generative AI.

    Attributes:
        characters: Maximum characters of all texts of one attribute together; 0 captures nothing.
    """

    characters: int = 0

    def asked(self, span: Span, messages: Sequence[ChatMessage], lead: str = "") -> None:
        """Adds the conversation and the prefix that the model continues; a too long text loses its beginning."""
        if not self.characters or not span.is_recording():
            return
        turns = [(label(Role, message.role), message.content) for message in messages]
        if lead:
            turns.append(("assistant", lead))
        kept = [{"role": role, "parts": _parts(text)} for role, text in _last(turns, self.characters)]
        span.set_attribute(names.GEN_AI_INPUT_MESSAGES, _json(kept))

    def answered(self, span: Span, text: str, finish_reason: FinishReason.ValueType) -> None:
        """Adds the answer; a too long text loses its end."""
        if not self.characters or not span.is_recording():
            return
        shown = text if len(text) <= self.characters else text[: self.characters] + "…"
        message = {"role": "assistant", "parts": _parts(shown), "finish_reason": label(FinishReason, finish_reason)}
        span.set_attribute(names.GEN_AI_OUTPUT_MESSAGES, _json([message]))


NOTHING: Final = TextCapture()
"""Captures nothing."""


def _last(turns: Iterable[tuple[str, str]], characters: int) -> list[tuple[str, str]]:
    """Returns the last messages of a conversation within `characters` characters, the first of them shortened."""
    kept: list[tuple[str, str]] = []
    for role, text in reversed(list(turns)):
        if characters <= 0:
            break
        kept.append((role, text if len(text) <= characters else "…" + text[-characters:]))
        characters -= len(text)
    return kept[::-1]


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": text}]


def _json(messages: object) -> str:
    return json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
