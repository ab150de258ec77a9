"""Replies of the OpenAI API and its many dialects: documents, the events of a stream, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.cumulative import CumulativeText
from lightrouter.adapter.providers.openai_calls import read_calls
from lightrouter.adapter.providers.openai_state import DETAILS, THINKING, kept_state
from lightrouter.adapter.providers.repeated import RepeatedEvents
from lightrouter.adapter.providers.reply import complain, contradict, meaning, not_all, note_model, note_text, parse
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined
from lightrouter.adapter.usage import merged
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.toolcalls import ToolCalls, joined_pieces, pieces_of
from lightrouter.v1.chat_pb2 import FinishReason, ToolCallDelta

# Other places of finish reasons. OpenRouter reports some cuts of its providers as a stop, and the truth in the first.
_OTHER_REASONS: Final = frozenset(
    {"native_finish_reason", "finishReason", "stop_reason", "done_reason", "stop_type", "status"}
)
_COUNTS: Final = frozenset({"usage", "usageMetadata", "x_groq"})
_FILTER_RESULTS: Final = frozenset({"content_filter_results", "content_filter_result"})
# What MiniMax and Bedrock's guardrails say of an answer that they have replaced or cut.
_WITHHELD: Final = {"output_sensitive": True, "amazon-bedrock-guardrailAction": "INTERVENED"}
# What OpenRouter's and OpenAI's models draw and speak, beside the text.
_BESIDE: Final = frozenset({"images", "audio"})
# Members with hidden reasoning, those first that some providers read in requests, too.
_TAKEN_BACK: Final = ("reasoning_content", "reasoning")
_NOT_TAKEN_BACK: Final = ("thinking", "reasoning_text")
# Parts of content that are neither text nor missing from it: Mistral's sources of a text.
_BESIDE_TEXT: Final = frozenset({"reference", "thinking", "reasoning", "redacted_thinking"})
# The members of an event that has text alone, the end alone, or the counts alone.
_PLAIN: Final = frozenset(
    {"id", "object", "created", "model", "system_fingerprint", "service_tier", "choices", "usage"}
)
_PLAIN_CHOICE: Final = frozenset({"index", "delta", "finish_reason", "logprobs"})
_PLAIN_DELTA: Final = frozenset({"content", "role"})


class OpenAIReply:
    """Reads one reply. See `ReplyReader`."""

    done = False
    """The end mark of this API is no JSON: `EventReader` knows it."""

    def __init__(self, entry: CandidateEntry, info: ReplyInfo) -> None:
        """Fills in `info` from a reply of the candidate of `entry`."""
        self._entry = entry
        self._info = info
        self._deltas: list[TextDelta] = []
        self._text = CumulativeText()
        self._reasoning = CumulativeText()
        self._repeated = RepeatedEvents("content")

    def document(self, document: Mapping[str, object]) -> TextDelta:
        """Returns the text of a document. See `ReplyReader.document`."""
        delta = read(document, "message", self._info)
        return self._last(delta._replace(calls=joined_pieces((*delta.calls, *self._last_calls()))))

    def event(self, data: str) -> TextDelta:
        """Returns the new text of an event, also of a provider with cumulative events. See `ReplyReader.event`."""
        repeated = self._repeated.text(data)
        if repeated is None:
            delta = self._read(data)
        else:
            delta = TextDelta(repeated, "")
            note_text(delta, finish_reasons.NOT_GIVEN, self._info)
        if delta.text and (text := self._text.feed(delta.text)) is not delta.text:
            delta = delta._replace(text=text)
        if delta.reasoning and (reasoning := self._reasoning.feed(delta.reasoning)) is not delta.reasoning:
            delta = delta._replace(reasoning=reasoning)
        if delta != NOTHING:
            self._deltas.append(delta)
        return delta

    def _read(self, data: str) -> TextDelta:
        document = parse(data)
        delta = read_plain(document, self._info)
        if delta is None:
            return read(document, "delta", self._info)
        if self._info.finish_reason == finish_reasons.NOT_GIVEN and not document.get("usage"):
            self._repeated.learn(data, delta.text)
        return delta

    def end(self) -> TextDelta:
        """Returns the text that was held back. See `ReplyReader.end`."""
        info = self._info
        if info.others and not info.texts and info.finish_reason == finish_reasons.NOT_GIVEN:
            delta = read_others(info)
            return self._last(delta._replace(calls=(*delta.calls, *self._last_calls())))
        return self._last(TextDelta(self._text.end(), self._reasoning.end(), self._last_calls()))

    def _last(self, delta: TextDelta) -> TextDelta:
        """Fills in the state of the reply, which ends with `delta`; returns `delta`."""
        self._deltas.append(delta)
        pieces = [piece for each in self._deltas for piece in each.calls]
        if pieces or self._info.reasoning_details:
            calls = ToolCalls()
            calls.add(pieces)
            whole = joined(self._deltas)._replace(calls=tuple(pieces_of(calls.calls())))
            self._info.state = kept_state(self._entry, whole, self._info)
        return delta

    def _last_calls(self) -> tuple[ToolCallDelta, ...]:
        """Returns the tool calls that only the end of the reply settles."""
        reader = self._info.calls
        if reader is None:
            return ()
        calls = tuple(reader.end())
        if reader.nameless:
            not_all(self._info)
        self._info.texts += bool(calls)
        return calls


def read_plain(document: Mapping[str, object], info: ReplyInfo) -> TextDelta | None:
    """Returns the text of an event that has only text, the end or the counts, as nearly all have; None for any other.

    It is what `read` returns, at a third of the time.
    """
    choices, counts = document.get("choices"), document.get("usage")
    if not document.keys() <= _PLAIN or not isinstance(choices, list) or len(choices) > 1:
        return None
    said = _plain_choice(choices[0]) if choices else (NOTHING, finish_reasons.NOT_GIVEN)
    if said is None or (not choices and document.get("object") == "error"):
        return None
    if not info.model:
        note_model(document.get("model"), info)
    if isinstance(counts, dict):
        info.usage = merged(info.usage, counts)
    if choices:
        note_text(*said, info)
    return said[0]


def _plain_choice(choice: object) -> tuple[TextDelta, FinishReason.ValueType] | None:
    if not isinstance(choice, dict) or not choice.keys() <= _PLAIN_CHOICE or choice.get("index"):
        return None
    message = choice.get("delta")
    if not isinstance(message, dict) or not message.keys() <= _PLAIN_DELTA:
        return None
    content, meant = message.get("content", ""), finish_reasons.meaning(choice.get("finish_reason"))
    return (TextDelta(content, ""), meant) if isinstance(content, str) and meant is not None else None


def read(document: Mapping[str, object], part: str, info: ReplyInfo) -> TextDelta:
    """Returns the text of a document (`part` "message") or an event (`part` "delta"); fills in `info`.

    Raises:
        ReportedError: It reports an error.
        UpstreamError: The API does not allow it.
    """
    choices = document.get("choices")
    if not choices or "error" in document or "base_resp" in document:
        complain(document)
    _note(document, info)
    if not choices and part == "delta":
        # An event may have neither text nor the end, for example only the counts.
        return NOTHING
    if not isinstance(choices, list) or not choices:
        raise faults.malformed("a reply without choices")
    for each in choices:
        if not isinstance(each, dict):
            raise faults.malformed("a choice that is no object")
        if "error" in each:
            complain(document)
    choice = choices[0] if len(choices) == 1 else min(choices, key=_index)
    if part == "delta" and _index(choice) > 0:
        if not info.texts:
            info.others.append(choice)
        return NOTHING
    return _choice(choice, part, info)


def read_others(info: ReplyInfo) -> TextDelta:
    """Returns the text of a stream without a choice of index 0: the text of its lowest index.

    Raises:
        ReportedError: It reports an error.
        UpstreamError: The API does not allow it.
    """
    lowest = min(map(_index, info.others))
    return joined([_choice(choice, "delta", info) for choice in info.others if _index(choice) == lowest])


def _note(document: Mapping[str, object], info: ReplyInfo) -> None:
    """Fills in `info` from all members except the choices."""
    note_model(document.get("model"), info)
    _count(document, info)
    if document.get("incomplete_details") or document.get("truncated") is True:
        not_all(info)
    if _OTHER_REASONS & document.keys():
        contradict([document.get(name) for name in _OTHER_REASONS], info)
    if any(document[name] == said for name, said in _WITHHELD.items() if name in document):
        info.at_best = finish_reasons.FILTER


def _index(choice: Mapping[str, object]) -> int:
    value = choice.get("index")
    return value if isinstance(value, int) else 0


def _choice(choice: Mapping[str, object], part: str, info: ReplyInfo) -> TextDelta:
    _count(choice, info)
    reason = meaning(choice.get("finish_reason"))
    delta = _text_of(choice, part, info)
    _finish(choice, reason, delta, info)
    return delta


def _count(holder: Mapping[str, object], info: ReplyInfo) -> None:
    """Takes the token counts of a reply, of its choice (Moonshot), of Groq's own member, or by Gemini's name."""
    if not _COUNTS & holder.keys():
        return
    groq = holder.get("x_groq")
    for each in (holder, groq if isinstance(groq, dict) else {}):
        for counts in (each.get("usage"), each.get("usageMetadata")):
            if isinstance(counts, dict):
                info.usage = merged(info.usage, counts)


def _finish(choice: Mapping[str, object], meant: FinishReason.ValueType, delta: TextDelta, info: ReplyInfo) -> None:
    """Fills in why the text ended, by the given reason and by all that contradicts it."""
    note_text(delta, meant, info)
    if _OTHER_REASONS & choice.keys():
        contradict([choice.get(name) for name in _OTHER_REASONS], info)
    for name in _FILTER_RESULTS & choice.keys():
        results = choice[name]
        if isinstance(results, dict) and any(
            isinstance(result, dict) and result.get("filtered") is True for result in results.values()
        ):
            info.at_best = finish_reasons.FILTER


def _text_of(choice: Mapping[str, object], part: str, info: ReplyInfo) -> TextDelta:
    message = choice.get(part)
    if message is None and not info.texts:
        # Some servers send a whole message as the only event of a stream, others a delta in a document.
        message = choice.get("delta" if part == "message" else "message")
    if message is None:
        text = choice.get("text")
        if isinstance(text, str):
            return TextDelta(text, "")
        if part == "delta" and text is None:
            return NOTHING
        raise faults.malformed("a choice without text")
    return _text_of_message(message, info)


def _text_of_message(message: object, info: ReplyInfo) -> TextDelta:
    if not isinstance(message, dict):
        raise faults.malformed("a message that is no object")
    if "error" in message:
        complain({"error": message["error"]})
    contradict((message.get("finish_reason"),), info)
    if any(message.get(name) for name in _BESIDE):
        not_all(info)
    calls: tuple[ToolCallDelta, ...] = ()
    if message.get("tool_calls") or message.get("function_call"):
        info.called_tools = True
        if info.calls is None:
            # None was offered.
            not_all(info)
        else:
            calls = read_calls(message, info.calls)
    hidden = _reasoning(message, info)
    content = message.get("content") or _refusal(message, info)
    if isinstance(content, str):
        return TextDelta(content, hidden, calls)
    if not isinstance(content, list):
        raise faults.malformed("a message whose content is no text")
    delta = _parts(content, hidden, info)
    info.reasoning_member = info.reasoning_member or (THINKING if delta.reasoning else "")
    return delta._replace(calls=calls)


def _refusal(message: Mapping[str, object], info: ReplyInfo) -> str:
    refusal = message.get("refusal")
    if not isinstance(refusal, str) or not refusal:
        return ""
    info.at_best = finish_reasons.FILTER
    return refusal


def _reasoning(message: Mapping[str, object], info: ReplyInfo) -> str:
    listed = message.get(DETAILS)
    details = [detail for detail in listed if isinstance(detail, dict)] if isinstance(listed, list) else []
    info.reasoning_details += details
    for name in (*_TAKEN_BACK, *_NOT_TAKEN_BACK):
        reasoning = message.get(name)
        if reasoning and isinstance(reasoning, str):
            info.reasoning_member = name if name in _TAKEN_BACK else ""
            return reasoning
    pieces = [detail.get("text") or detail.get("summary") for detail in details]
    return "".join([piece for piece in pieces if isinstance(piece, str)])


def _parts(parts: list[object], hidden: str, info: ReplyInfo) -> TextDelta:
    """Returns the text of content in typed parts, as Mistral's reasoning models send it.

    With a part of another kind, such as a picture, the text is not all of the answer.
    """
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        if not isinstance(part, dict):
            raise faults.malformed("a part of a message that is no object")
        kind = str(part.get("type"))
        if kind in {"thinking", "reasoning"}:
            thinking = part.get("thinking") or part.get("text")
            inner = thinking if isinstance(thinking, list) else [{"type": "text", "text": thinking}]
            hidden += "".join([str(item["text"]) for item in inner if _is_text(item)])
        elif _is_text(part):
            text += str(part["text"])
        elif kind == "refusal":
            text += _refusal(part, info)
        elif kind not in _BESIDE_TEXT:
            not_all(info)
    return TextDelta(text, hidden)


def _is_text(part: object) -> bool:
    kinds = {"text", "output_text", "None"}
    return isinstance(part, dict) and str(part.get("type")) in kinds and isinstance(part.get("text"), str)
