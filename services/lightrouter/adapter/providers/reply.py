"""What the replies of all provider APIs have in common: JSON, reported errors, names, and the end of the text."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.documents import load
from lightrouter.adapter.providers.error_body import ErrorBody, error_body
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta
from lightrouter.v1.chat_pb2 import FinishReason, ToolCallDelta

# A choice: longer than any model name.
_MAX_MODEL_CHARACTERS: Final = 512
# The limits of chat.proto: the characters of a call's id and name, and the calls of a message.
_MOST_NAME_CHARACTERS: Final = 256
_MOST_CALLS: Final = 128


class ReportedError(Exception):
    """A reply with an HTTP status of success reports an error.

    Attributes:
        body: The error that the provider reports.
    """

    def __init__(self, body: ErrorBody) -> None:
        super().__init__("the provider reported an error")
        self.body = body


def parse(text: str) -> Mapping[str, object]:
    """Returns the JSON object in `text`.

    Raises:
        ReportedError: `text` is a list that reports an error.
        UpstreamError: `text` is no JSON object (UPSTREAM_MALFORMED).
    """
    try:
        document = load(text)
    except ValueError:
        begun = text[:200].lstrip().lower()
        what = "HTML" if begun.startswith(("<!doctype", "<html")) else "something else"
        raise faults.malformed(f"{what} instead of JSON") from None
    if isinstance(document, list) and (body := error_body(document)):
        raise ReportedError(body)
    if not isinstance(document, dict):
        raise faults.malformed("JSON that is no object")
    return document


def complain(document: Mapping[str, object]) -> None:
    """Raises ReportedError if `document` reports an error."""
    if body := error_body(document):
        raise ReportedError(body)


def note_model(model: object, info: ReplyInfo) -> None:
    """Fills in the model's name, if `model` is the first one of the reply."""
    if not info.model and isinstance(model, str):
        info.model = model[:_MAX_MODEL_CHARACTERS].encode("utf-8", "replace").decode()


def meaning(reason: object) -> FinishReason.ValueType:
    """Returns the meaning of a finish reason.

    Raises:
        ReportedError: It says that the model or the provider failed.
    """
    meant = finish_reasons.meaning(reason)
    if meant is None:
        word = str(reason).strip()
        raise ReportedError(ErrorBody(words="" if word.lower() == "error" else f"it ended the text with {word!r}"))
    return meant


def contradict(reasons: Iterable[object], info: ReplyInfo) -> None:
    """Fills in what other members than the finish reason say of the end, for example that a limit cut the text."""
    for reason in reasons:
        meant = finish_reasons.meaning(reason)
        if meant is None or reason == "incomplete":
            not_all(info)
        elif meant in {finish_reasons.LENGTH, finish_reasons.FILTER}:
            info.at_best = finish_reasons.less_whole(info.at_best, meant)


def not_all(info: ReplyInfo) -> None:
    """Fills in that the reply has content that is no text, so that its text is not known to be whole."""
    info.at_best = finish_reasons.less_whole(info.at_best, finish_reasons.UNKNOWN)


def note_text(delta: TextDelta, meant: FinishReason.ValueType, info: ReplyInfo) -> None:
    """Fills in that `delta` came, and why the text ended with it, if it did."""
    is_shown = bool(delta.text.strip() or delta.calls)
    has_text = is_shown or bool(delta.reasoning.strip())
    info.texts += delta != NOTHING
    if has_text:
        info.ends_hidden = not is_shown
    if meant != finish_reasons.NOT_GIVEN:
        info.went_on |= has_text and info.finish_reason == finish_reasons.STOP
        info.ended_with_text = has_text
        info.finish_reason = finish_reasons.less_whole(info.finish_reason, meant)
    elif has_text and info.finish_reason == finish_reasons.STOP:
        # The text goes on, so it had not stopped.
        info.finish_reason = finish_reasons.NOT_GIVEN
        info.went_on = True


def begin_call(
    info: ReplyInfo, index: int, name: object, identity: object, arguments: str, *, offered: bool
) -> ToolCallDelta | None:
    """Returns the start of the tool call at `index`; None if no tools were `offered`: the text is not whole then.

    `identity` is the provider's id, if it gives one.

    Raises:
        UpstreamError: The call has no usable name, or the reply has too many calls.
    """
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME_CHARACTERS:
        raise faults.malformed("a tool call without a usable name")
    if index >= _MOST_CALLS:
        raise faults.malformed(f"more than {_MOST_CALLS} tool calls")
    info.called_tools = True
    if not offered:
        not_all(info)
        return None
    known = identity if isinstance(identity, str) and 0 < len(identity) <= _MOST_NAME_CHARACTERS else ""
    return ToolCallDelta(index=index, id=known or f"call_{secrets.token_hex(12)}", name=name, arguments=arguments)
