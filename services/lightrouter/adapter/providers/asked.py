"""What a generation asks for, before an API writes it: its sampling by the quirks, its instructions, and its turns."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.providers.documents import load
from lightrouter.adapter.providers.efforts import nearest_effort
from lightrouter.adapter.quirks import BOTH
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.messages import text_of
from lightrouter.v1.chat_pb2 import ChatMessage, Role, ToolCall, ToolCallDelta

Block = dict[str, Any]
"""One block of a turn's content, in the form of the API."""

NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""Gemini 3 refuses a function call without a signature; its guide to thought signatures names this one for calls that
it did not write."""
_APART: Final = "\n\n"
# The limit of `ChatMessage.state` in chat.proto.
_MOST_STATE_BYTES: Final = 4 * 1024 * 1024


class BlockTurn(NamedTuple):
    """One turn of a conversation whose content is blocks."""

    role: str
    blocks: list[Block]

    @property
    def plain(self) -> str:
        """Its text, with a point for each other block."""
        return "".join(text if isinstance(text := block.get("text"), str) else "." for block in self.blocks)


class Options(NamedTuple):
    """The options of a request by the OpenAI API's names."""

    members: dict[str, Any]
    """Those that the request has; `stop` is a list, `max_tokens` the limit that the provider gets."""
    left_out: frozenset[str]
    """Those that it would have if the provider did not refuse them."""


def options(entry: CandidateEntry, request: ProviderRequest, lacking: Collection[str] = ()) -> Options:
    """Returns the options of a request, the entry's sampling where the request has none, without `lacking` ones."""
    wanted, defaults, output = request.sampling, entry.sampling, request.output
    members: dict[str, Any] = {}
    for name in ("temperature", "top_p", "seed"):
        members[name] = getattr(wanted, name) if wanted.HasField(name) else getattr(defaults, name)
    members["stop"] = list(wanted.stop) or list(defaults.stop) or None
    if wanted.reasoning_effort:
        members["reasoning_effort"] = nearest_effort(wanted.reasoning_effort, entry.reasoning_efforts)
    members["response_format"] = output.WhichOneof("format")
    refused: set[str] = set()
    if wanted.reasoning_effort and members["reasoning_effort"] is None:
        refused.add("reasoning_effort")
    if output.tools:
        if "tools" in lacking:
            refused.add("tools")
        members["tool_choice"] = output.tool_choice.WhichOneof("choice")
        if output.HasField("parallel_tool_calls"):
            members["parallel_tool_calls"] = output.parallel_tool_calls
    members = {name: value for name, value in members.items() if value is not None}
    quirks = request.quirks
    refused |= {name for name, value in members.items() if name in lacking or quirks.leaves_out(name, value)}
    if BOTH in quirks.refused and {"temperature", "top_p"} <= members.keys() - refused:
        refused.add("top_p")
    kept = {name: value for name, value in members.items() if name not in refused}
    if request.sent_max_tokens is not None:
        kept["max_tokens"] = request.sent_max_tokens
    return Options(kept, frozenset(refused))


def instructions(entry: CandidateEntry, messages: Iterable[ChatMessage]) -> str:
    """Returns the entry's system prompt and the conversation's system messages, an empty line apart."""
    own = [entry.system_prompt] if entry.system_prompt else []
    return _APART.join([*own, *(text_of(each) for each in messages if each.role == Role.ROLE_SYSTEM)])


def alternating_blocks(turns: Iterable[BlockTurn], user: str, begin: Block) -> list[BlockTurn]:
    """Returns `turns` with consecutive ones of one role joined and empty ones left out.

    If no turn of `user` is first, one with the block `begin` comes before them.
    """
    out: list[BlockTurn] = []
    for turn in turns:
        if not turn.blocks:
            continue
        if out and out[-1].role == turn.role:
            out[-1].blocks.extend(turn.blocks)
        else:
            out.append(BlockTurn(turn.role, list(turn.blocks)))
    if not out or out[0].role != user:
        out.insert(0, BlockTurn(user, [dict(begin)]))
    return out


def own_state(message: ChatMessage, entry: CandidateEntry, api: str) -> Sequence[Block]:
    """Returns the blocks that `state` of an earlier answer has, in the form of `api`; empty if it is not this one's.

    The blocks count only if their text and their tool calls still are the message's: a provider refuses signatures
    around a text that it did not write.
    """
    if not message.state or message.candidate not in {"", entry.name}:
        return ()
    try:
        document = load(message.state.decode())
    except ValueError:
        return ()
    kept = document.get(api) if isinstance(document, dict) else None
    if not isinstance(kept, dict) or kept.get("model") != entry.model:
        return ()
    if (kept.get("text"), kept.get("calls")) != _said(message.content, message.tool_calls):
        return ()
    blocks = kept.get("blocks")
    return [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else ()


def state(
    api: str, entry: CandidateEntry, text: str, calls: Sequence[ToolCall | ToolCallDelta], blocks: Sequence[Block]
) -> bytes:
    """Returns the state of an answer with `text` and `calls`: `blocks`, which `own_state` returns later.

    It is empty if no message could hold it.
    """
    said, asked = _said(text, calls)
    kept = {"model": entry.model, "text": said, "calls": asked, "blocks": blocks}
    made = json.dumps({api: kept}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return made if len(made) <= _MOST_STATE_BYTES else b""


def json_object(text: str) -> Mapping[str, object]:
    """Returns the JSON object in `text`, for example a tool call's arguments; empty if it is none."""
    try:
        document = load(text) if text.strip() else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _said(text: str, calls: Iterable[ToolCall | ToolCallDelta]) -> tuple[str, list[list[str]]]:
    return text.strip(), [[call.name, call.arguments] for call in calls]
