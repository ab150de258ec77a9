"""Replies of the OpenAI API and its many dialects: whole ones, the events of a stream, and errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.coalesce import Piece
from lightrouter.adapter.providers.base import Said
from lightrouter.v1.chat_pb2 import FinishReason

_STOP: Final = FinishReason.FINISH_REASON_STOP
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
_FILTER: Final = FinishReason.FINISH_REASON_CONTENT_FILTER
# What is in none of them ends the output for a reason of the provider's own, which is a stop.
_FINISH_REASONS: Final = {
    "length": _LENGTH,
    "max_tokens": _LENGTH,
    "model_length": _LENGTH,
    "content_filter": _FILTER,
    "safety": _FILTER,
    "refusal": _FILTER,
}
_MAX_MODEL_CHARACTERS: Final = 512


class ReportedError(Exception):
    """An error in a reply whose HTTP status was 200.

    Attributes:
        status: The HTTP status that the provider would have liked to send; None where it names none.
        detail: The provider's own words, not fit for callers as they are.
    """

    def __init__(self, status: int | None, detail: str) -> None:
        super().__init__("the provider complained")
        self.status = status
        self.detail = detail


def parse(text: str) -> Mapping[str, object]:
    """Returns the JSON object in `text`.

    Raises:
        UpstreamError: There is none (UPSTREAM_MALFORMED).
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        begun = text[:200].lstrip().lower()
        what = "HTML" if begun.startswith(("<!doctype", "<html")) else "something else"
        raise faults.malformed(f"{what} instead of JSON") from None
    if not isinstance(document, dict):
        raise faults.malformed("JSON that is no object")
    return document


def read(document: Mapping[str, object], part: str, said: Said) -> Piece:
    """Returns the text of a whole reply (`part` "message") or of an event (`part` "delta"), and notes what it says.

    Raises:
        ReportedError: It is an error.
        UpstreamError: It is not what the API allows.
    """
    error = document.get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        raise ReportedError(code if isinstance(code, int) and 400 <= code < 600 else None, error_detail(document))
    model = document.get("model")
    if not said.model and isinstance(model, str):
        said.model = model[:_MAX_MODEL_CHARACTERS].encode("utf-8", "replace").decode()
    usage = document.get("usage")
    if isinstance(usage, dict):
        said.usage = usage
    choices = document.get("choices")
    if not choices and part == "delta":
        # Events may be neither text nor the end, such as the counts alone.
        return Piece("", "")
    if not isinstance(choices, list) or not choices:
        raise faults.malformed("a reply without choices")
    choice = choices[0]
    if not isinstance(choice, dict):
        raise faults.malformed("a choice that is no object")
    _finish(choice.get("finish_reason"), said)
    return _text_of(choice, part, said)


def _finish(reason: object, said: Said) -> None:
    if isinstance(reason, str) and reason:
        if reason == "error":
            raise ReportedError(None, "")
        said.finish_reason = _FINISH_REASONS.get(reason.lower(), _STOP)


def _text_of(choice: Mapping[str, object], part: str, said: Said) -> Piece:
    message = choice.get(part)
    if message is None:
        text = choice.get("text")
        if isinstance(text, str):
            return Piece(text, "")
        if part == "delta" and text is None:
            return Piece("", "")
        raise faults.malformed("a choice without text")
    if not isinstance(message, dict):
        raise faults.malformed("a message that is no object")
    content = message.get("content")
    reasoning = message.get("reasoning_content")
    if reasoning:
        said.takes_reasoning_back = True
    else:
        reasoning = message.get("reasoning")
    hidden = reasoning if isinstance(reasoning, str) else ""
    if isinstance(content, str):
        return Piece(content, hidden)
    if isinstance(content, list):
        return _parts(content, hidden)
    if content is not None:
        raise faults.malformed("a message whose content is no text")
    refusal = message.get("refusal")
    return Piece(refusal if isinstance(refusal, str) else "", hidden)


def _parts(parts: list[object], hidden: str) -> Piece:
    """Returns the text of content that comes in typed parts, as Mistral's reasoning models send it."""
    text = ""
    for part in parts:
        if not isinstance(part, dict):
            raise faults.malformed("a part of a message that is no object")
        if part.get("type") == "thinking":
            thinking = part.get("thinking")
            inner = thinking if isinstance(thinking, list) else [{"type": "text", "text": thinking}]
            hidden += _parts([piece for piece in inner if _is_text(piece)], "").text
        elif _is_text(part):
            text += str(part["text"])
    return Piece(text, hidden)


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def error_detail(document: Mapping[str, object]) -> str:
    """Returns a provider's own words about an error, empty where it has none."""
    error = document.get("error")
    for found in (error.get("message") if isinstance(error, dict) else error, document.get("message")):
        if isinstance(found, str):
            return found
    detail = document.get("detail")
    return detail if isinstance(detail, str) else ""
