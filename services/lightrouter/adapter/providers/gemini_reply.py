"""Replies of Google's Gemini API. Facts: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.asked import Block, state
from lightrouter.adapter.providers.reply import begin_call, complain, meaning, not_all, note_model, note_text, parse
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined
from lightrouter.adapter.usage import merged, tokens
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ToolCall

API: Final = "gemini"
"""The API's name in the state of answers."""

_SIGNATURE: Final = "thoughtSignature"
# Parts of the provider's own tools, which are called beside the text.
_BESIDE_TEXT: Final = frozenset(
    {_SIGNATURE, "thought", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"}
)
_UNSPECIFIED: Final = "BLOCK_REASON_UNSPECIFIED"


class GeminiReply:
    """Reads one reply. See `ReplyReader`. Each event of a stream is a whole document with the next parts."""

    done = False
    """The API has no end mark: the stream ends."""

    def __init__(self, entry: CandidateEntry, request: ProviderRequest, info: ReplyInfo) -> None:
        """Fills in `info` from the reply to `request`."""
        self._offered = bool(request.output.tools)
        self._entry = entry
        self._info = info
        self._text: list[str] = []
        self._calls: list[ToolCall] = []
        self._parts: list[Block] = []
        self._signed = self._shows_thoughts = False

    def document(self, document: Mapping[str, object]) -> TextDelta:
        """Returns the text of a document. See `ReplyReader.document`."""
        if not any(name in document for name in ("candidates", "promptFeedback", "error")):
            complain(document)
            raise faults.malformed("a reply without candidates")
        return self._read(document)

    def event(self, data: str) -> TextDelta:
        """Returns the text of an event. See `ReplyReader.event`."""
        return self._read(parse(data))

    def _read(self, document: Mapping[str, object]) -> TextDelta:
        candidates, info = document.get("candidates"), self._info
        if "error" in document or not candidates:
            complain(document)
        note_model(document.get("modelVersion"), info)
        feedback = document.get("promptFeedback")
        if isinstance(feedback, dict) and feedback.get("blockReason", _UNSPECIFIED) != _UNSPECIFIED:
            # The API answers a prompt that it does not like without any candidate.
            note_text(NOTHING, finish_reasons.FILTER, info)
        delta = NOTHING
        if candidates:
            if not isinstance(candidates, list) or not all(isinstance(each, dict) for each in candidates):
                raise faults.malformed("a candidate that is no object")
            delta = self._candidate(min(candidates, key=_index))
        self._count(document.get("usageMetadata"))
        return delta

    def end(self) -> TextDelta:
        """Returns no text: nothing is held back. See `ReplyReader.end`."""
        return NOTHING

    def _candidate(self, candidate: Mapping[str, object]) -> TextDelta:
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if parts is None:
            # A candidate that ends without text has no parts.
            parts = []
        if not isinstance(parts, list):
            raise faults.malformed("parts that are no list")
        ratings = candidate.get("safetyRatings")
        for rating in ratings if isinstance(ratings, list) else ():
            if isinstance(rating, dict) and rating.get("blocked") is True:
                self._info.at_best = finish_reasons.FILTER
        delta = joined([self._part(part) for part in parts] or [NOTHING])
        note_text(delta, meaning(candidate.get("finishReason")), self._info)
        if self._signed and self._info.finish_reason != finish_reasons.NOT_GIVEN:
            self._info.state = state(API, self._entry, "".join(self._text), self._calls, self._parts)
        return delta

    def _part(self, part: object) -> TextDelta:
        if not isinstance(part, dict):
            raise faults.malformed("a part that is no object")
        signature = part.get(_SIGNATURE)
        signed: Block = {_SIGNATURE: signature} if isinstance(signature, str) and signature else {}
        self._signed |= bool(signed)
        call = part.get("functionCall")
        if isinstance(call, dict):
            return self._called(call, signed)
        text = part.get("text")
        if text is None:
            text = ""
            if not _BESIDE_TEXT.issuperset(part):
                not_all(self._info)
        if not isinstance(text, str):
            raise faults.malformed("a part whose text is no text")
        if part.get("thought") is True:
            self._shows_thoughts = True
            return TextDelta("", text)
        self._text.append(text)
        last = self._parts[-1] if self._parts else {}
        if not signed and last.keys() == {"text"}:
            last["text"] += text
        elif text or signed:
            # A signature may come in a part of its own with an empty text, and goes back so.
            self._parts.append({"text": text, **signed})
        return TextDelta(text, "")

    def _called(self, call: Mapping[str, object], signed: Block) -> TextDelta:
        args = call.get("args")
        arguments = json.dumps(args if isinstance(args, dict) else {}, ensure_ascii=False)
        delta = begin_call(
            self._info, len(self._calls), call.get("name"), call.get("id"), arguments, offered=self._offered
        )
        if delta is None:
            return NOTHING
        self._calls.append(ToolCall(name=delta.name, arguments=arguments))
        made = {"id": delta.id, "name": delta.name, "args": args if isinstance(args, dict) else {}}
        self._parts.append({"functionCall": made, **signed})
        return TextDelta("", "", (delta,))

    def _count(self, given: object) -> None:
        """Takes the token counts, which each event repeats, and writes them by the OpenAI API's names."""
        if not isinstance(given, dict):
            return
        thoughts = given.get("thoughtsTokenCount")
        counts: dict[str, object] = {
            "prompt_tokens": _sum(given.get("promptTokenCount"), given.get("toolUsePromptTokenCount")),
            "prompt_tokens_details": {"cached_tokens": given.get("cachedContentTokenCount")},
            "completion_tokens": _sum(given.get("candidatesTokenCount"), thoughts),
            "completion_tokens_details": {"reasoning_tokens": thoughts},
            "total_tokens": given.get("totalTokenCount"),
        }
        # Thoughts that are not shown lie before the text, so no checkpoint can lie in them.
        written = counts["completion_tokens"] if self._shows_thoughts else given.get("candidatesTokenCount")
        if isinstance(written, int) and written > (self._info.written or 0):
            self._info.written = written
        self._info.usage = merged(
            self._info.usage, {name: value for name, value in counts.items() if value is not None}
        )


def _index(candidate: Mapping[str, object]) -> int:
    index = candidate.get("index")
    return index if isinstance(index, int) else 0


def _sum(one: object, other: object) -> object:
    """Returns the sum of two counts; a missing one is 0, and one that is no number stays for the check."""
    if one is None or other is None:
        return one if other is None else other
    counts = [tokens(one), tokens(other)]
    return one if None in counts else sum(count or 0 for count in counts)
