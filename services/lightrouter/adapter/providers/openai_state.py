"""What a provider of the OpenAI API wants back of an answer in later turns: hidden reasoning and signatures.

The API has no member for them, so each provider has its own. Facts are from their guides:

- `reasoning_content` (DeepSeek, Kimi, GLM, Qwen) and `reasoning` (vLLM, Groq, Together) belong to tool calls: DeepSeek
  and Kimi refuse a call without it, and DeepSeek's older models refuse it on other answers.
- `reasoning_details` (OpenRouter, MiniMax) goes back as it came, with its signatures.
- Mistral's reasoning is a part of the content, and other models write it in tags there.
- Google's signatures are in `extra_content` of each tool call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers.asked import NO_SIGNATURE, Block, own_state, state
from lightrouter.adapter.providers.cumulative import CumulativeText
from lightrouter.adapter.quirks import REASONING, SIGNATURE
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.adapter.text.reasoning import ThinkSplitter
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage

API: Final = "openai"
"""The API's name in the state of answers."""
DETAILS: Final = "reasoning_details"
EXTRA: Final = "extra_content"
THINKING: Final = "thinking"
"""Stands for hidden reasoning in a part of the content."""

_CALLS: Final = "tool_calls"
_GROWING: Final = ("text", "summary")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_content(value: object) -> bool:
    parts = value if isinstance(value, list) else [{"type": THINKING}] if isinstance(value, str) else [None]
    return all(
        isinstance(part, dict) and (part.get("type") == THINKING or isinstance(part.get("text"), str)) for part in parts
    )


# A caller may send any state, so each member that it has is checked.
_MEMBERS: Final[Mapping[str, Callable[[object], bool]]] = {
    "reasoning_content": _is_text,
    "reasoning": _is_text,
    DETAILS: _is_list,
    "content": _is_content,
    _CALLS: _is_list,
}


def kept_state(entry: CandidateEntry, whole: TextDelta, info: ReplyInfo) -> bytes:
    """Returns the state of an answer, its calls as one piece each; empty if the provider wants nothing back."""
    if not (whole.calls or info.reasoning_details):
        return b""
    splitter = ThinkSplitter(entry.thinking, tags=entry.thinking_tags)
    text = splitter.feed(whole.text).text + splitter.end(cut=False).text
    kept: Block = {}
    if info.reasoning_details:
        kept[DETAILS] = _joined(info.reasoning_details)
    elif whole.calls and whole.reasoning and info.reasoning_member == THINKING:
        thought = {"type": THINKING, THINKING: [{"type": "text", "text": whole.reasoning}], "closed": True}
        kept["content"] = [thought, *([{"type": "text", "text": text}] if text else ())]
    elif whole.calls and whole.reasoning and info.reasoning_member:
        kept[info.reasoning_member] = whole.reasoning
    elif whole.calls and splitter.head:
        kept["content"] = splitter.head + text
    extras = info.calls.extras() if info.calls else []
    if any(extras):
        kept[_CALLS] = [{EXTRA: extra} if extra else {} for extra in extras]
    return state(API, entry, text, whole.calls, [kept]) if kept else b""


def with_own_state(turn: Mapping[str, Any], message: ChatMessage, entry: CandidateEntry) -> Mapping[str, Any]:
    """Returns the turn of an earlier answer with what its state has for this candidate."""
    blocks = own_state(message, entry, API)
    if not blocks:
        return turn
    kept = {name: value for name, value in blocks[0].items() if name in _MEMBERS and _MEMBERS[name](value)}
    extras = kept.pop(_CALLS, ())
    if extras and len(extras) == len(message.tool_calls):
        kept[_CALLS] = [
            {**call, EXTRA: extra[EXTRA]} if isinstance(extra, dict) and EXTRA in extra else call
            for call, extra in zip(turn[_CALLS], extras, strict=True)
        ]
    return {**turn, **kept}


def with_stand_ins(turn: Mapping[str, Any], fills: Collection[str]) -> Mapping[str, Any]:
    """Returns a turn whose tool calls have stand-ins for what its author's state would have."""
    if not turn.get(_CALLS):
        return turn
    if REASONING in fills and REASONING not in turn:
        # An empty text counts as none.
        turn = {**turn, REASONING: " "}
    first, *others = turn[_CALLS]
    if SIGNATURE in fills and EXTRA not in first:
        turn = {**turn, _CALLS: [{**first, EXTRA: {"google": {SIGNATURE: NO_SIGNATURE}}}, *others]}
    return turn


def _joined(details: Iterable[Mapping[str, object]]) -> Sequence[Block]:
    """Returns the details of a stream with the pieces of each joined; a provider may repeat the text so far."""
    joined: list[Block] = []
    texts: list[dict[str, CumulativeText]] = []
    for piece in details:
        if not joined or any(joined[-1].get(name) != piece.get(name) for name in ("type", "index")):
            joined.append({})
            texts.append({})
        last = joined[-1]
        for name, value in piece.items():
            if name in _GROWING and isinstance(value, str):
                grown = texts[-1].setdefault(name, CumulativeText())
                last[name] = f"{last.get(name) or ''}{grown.feed(value)}"
            elif value is not None or name not in last:
                last[name] = value
    for detail, grown_texts in zip(joined, texts, strict=True):
        for name, grown in grown_texts.items():
            detail[name] = f"{detail[name]}{grown.end()}"
    return joined
