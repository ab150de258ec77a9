"""Replies of Anthropic's Messages API. Facts: https://platform.claude.com/docs/en/build-with-claude/streaming."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.asked import Block, json_object, state
from lightrouter.adapter.providers.reply import (
    begin_call,
    complain,
    contradict,
    meaning,
    not_all,
    note_model,
    note_text,
    parse,
)
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined
from lightrouter.adapter.usage import merged, written_tokens
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ToolCall, ToolCallDelta

API: Final = "anthropic"
"""The API's name in the state of answers."""

_TEXT, _THINKING, _REDACTED, _TOOL_USE = "text", "thinking", "redacted_thinking", "tool_use"
# The member of each kind of delta that has its text, the kind of block that it belongs to, and the block's member.
_GROWTH: Final = {
    "text_delta": ("text", _TEXT, "text"),
    "thinking_delta": ("thinking", _THINKING, "thinking"),
    "signature_delta": ("signature", _THINKING, "signature"),
    "input_json_delta": ("partial_json", _TOOL_USE, "input"),
}
_WITHOUT_TEXT: Final = frozenset({"ping", "content_block_stop"})


@dataclass(slots=True)
class _Content:
    """One block of the content so far: its kind, the members that stay, and the pieces of those that grow."""

    kind: str
    fixed: Mapping[str, str] = field(default_factory=dict)
    pieces: dict[str, list[str]] = field(default_factory=dict)
    call: int | None = None

    def member(self, name: str) -> str:
        return "".join(self.pieces.get(name, ()))


class AnthropicReply:
    """Reads one reply. See `ReplyReader`. It ignores events, deltas and blocks of kinds that it does not know."""

    def __init__(self, entry: CandidateEntry, request: ProviderRequest, info: ReplyInfo) -> None:
        """Fills in `info` from the reply to `request`."""
        self._entry = entry
        self._info = info
        self._offered = bool(request.output.tools)
        # The white space that the prefill lost, and that the model may write again.
        self._cut_blanks = request.prefill[len(request.prefill.rstrip()) :]
        self._content: dict[int, _Content] = {}
        self._calls = 0
        self.done = False

    def document(self, document: Mapping[str, object]) -> TextDelta:
        """Returns the text of a message. See `ReplyReader.document`."""
        complain(document)
        self._note(document)
        content = document.get("content")
        if not isinstance(content, list):
            raise faults.malformed("a message without content")
        delta = joined([self._begun(index, block) for index, block in enumerate(content)] or [NOTHING])
        self._end(document.get("stop_reason"), delta)
        return delta

    def event(self, data: str) -> TextDelta:
        """Returns the text of an event. See `ReplyReader.event`."""
        document = parse(data)
        kind = document.get("type")
        if kind == "error" or "error" in document:
            complain(document)
        elif kind == "message_start":
            self._note(_object(document, "message"))
            self._info.counted_ahead = written_tokens(self._info.usage)
        elif kind == "content_block_start":
            return self._noted(self._begun(_index(document), _object(document, "content_block")))
        elif kind == "content_block_delta":
            return self._noted(self._grown(_index(document), _object(document, "delta")))
        elif kind == "message_delta":
            self._note(document)
            delta = _object(document, "delta")
            details = delta.get("stop_details")
            contradict([details.get("type")] if isinstance(details, dict) else (), self._info)
            self._end(delta.get("stop_reason"), NOTHING)
        elif kind == "message_stop":
            self.done = True
        elif str(kind) not in _WITHOUT_TEXT:
            complain(document)
        return NOTHING

    def end(self) -> TextDelta:
        """Returns no text: nothing is held back. See `ReplyReader.end`."""
        return NOTHING

    def _noted(self, delta: TextDelta) -> TextDelta:
        note_text(delta, finish_reasons.NOT_GIVEN, self._info)
        return delta

    def _note(self, holder: Mapping[str, object]) -> None:
        """Takes model and token counts of a message; the counts of each event are those of the whole message so far."""
        info = self._info
        note_model(holder.get("model"), info)
        counts = holder.get("usage")
        if isinstance(counts, dict):
            details = counts.get("output_tokens_details")
            thought = details.get("thinking_tokens") if isinstance(details, dict) else None
            named = {"output_tokens_details": {"reasoning_tokens": thought}} if thought is not None else {}
            info.usage = merged(info.usage, {**counts, **named})

    def _end(self, reason: object, delta: TextDelta) -> None:
        meant = meaning(reason)
        note_text(delta, meant, self._info)
        if meant == finish_reasons.NOT_GIVEN:
            return
        content = [each for _, each in sorted(self._content.items())]
        if any(each.kind in {_THINKING, _REDACTED} for each in content):
            text = "".join(each.member("text") for each in content if each.kind == _TEXT)
            calls = [
                ToolCall(name=each.fixed["name"], arguments=each.member("input"))
                for each in content
                if each.kind == _TOOL_USE and each.fixed
            ]
            blocks = [block for each in content if (block := _as_sent(each))]
            self._info.state = state(API, self._entry, text, calls, blocks)

    def _begun(self, index: int, block: object) -> TextDelta:
        """Takes the start of a block, or a whole block; returns its text."""
        if not isinstance(block, dict):
            raise faults.malformed("a block that is no object")
        kind = block.get("type")
        if kind == _TEXT:
            self._content[index] = _Content(_TEXT)
            return self._grown(index, {"type": "text_delta", "text": block.get("text") or ""})
        if kind == _THINKING:
            self._content[index] = _Content(_THINKING)
            self._grown(index, {"type": "signature_delta", "signature": block.get("signature") or ""})
            return self._grown(index, {"type": "thinking_delta", "thinking": block.get("thinking") or ""})
        if kind == _REDACTED:
            self._content[index] = _Content(_REDACTED, {"data": _string(block, "data")})
        elif kind == _TOOL_USE:
            return self._called(index, block)
        elif not str(kind).endswith(("tool_use", "tool_result")):
            # The provider's own tools are called beside the text; a picture belongs to it.
            not_all(self._info)
        return NOTHING

    def _called(self, index: int, block: Mapping[str, object]) -> TextDelta:
        # A stream begins with an empty object and sends the text of the real one behind it.
        text = json.dumps(arguments, ensure_ascii=False) if (arguments := block.get("input")) else ""
        delta = begin_call(self._info, self._calls, block.get("name"), block.get("id"), text, offered=self._offered)
        self._content[index] = made = _Content(_TOOL_USE, call=self._calls if delta else None)
        self._calls += 1
        if delta is None:
            return NOTHING
        made.fixed = {"id": delta.id, "name": delta.name}
        made.pieces["input"] = [text]
        return TextDelta("", "", (delta,))

    def _grown(self, index: int, delta: Mapping[str, object]) -> TextDelta:
        """Takes the next piece of a block; returns its text."""
        member, kind, grows = _GROWTH.get(str(delta.get("type")), ("", "", ""))
        if not member:
            return NOTHING
        piece = _string(delta, member)
        if kind != _TOOL_USE:
            self._content.setdefault(index, _Content(kind))
        content = self._content.get(index)
        if content is None or content.kind != kind:
            raise faults.malformed("a piece of a block of another kind")
        content.pieces.setdefault(grows, []).append(piece)
        if kind == _TOOL_USE:
            if content.call is None or not piece:
                return NOTHING
            return TextDelta("", "", (ToolCallDelta(index=content.call, arguments=piece),))
        if grows == "text":
            return TextDelta(self._without_cut_blanks(piece), "")
        return TextDelta("", piece if grows == "thinking" else "")

    def _without_cut_blanks(self, piece: str) -> str:
        while self._cut_blanks and piece:
            if piece[0] != self._cut_blanks[0]:
                self._cut_blanks = ""
            else:
                piece, self._cut_blanks = piece[1:], self._cut_blanks[1:]
        return piece


def _as_sent(content: _Content) -> Block | None:
    """Returns a block as a request sends it back; None for an empty text, which the API refuses."""
    if content.kind == _TEXT:
        text = content.member("text")
        return {"type": _TEXT, "text": text} if text.strip() else None
    if content.kind == _TOOL_USE and not content.fixed:
        return None
    if content.kind == _THINKING:
        members = {name: content.member(name) for name in ("thinking", "signature")}
        return {"type": _THINKING, **members}
    made: Block = {"type": content.kind, **content.fixed}
    return {**made, "input": json_object(content.member("input"))} if content.kind == _TOOL_USE else made


def _index(document: Mapping[str, object]) -> int:
    index = document.get("index")
    if not isinstance(index, int):
        raise faults.malformed("a block without an index")
    return index


def _object(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    if not isinstance(value, dict):
        raise faults.malformed(f"an event without {name}")
    return value


def _string(holder: Mapping[str, object], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise faults.malformed(f"a {name} that is no text")
    return value
