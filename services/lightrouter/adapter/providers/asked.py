"""What a generation asks for, before an API writes it: its sampling by the quirks, its instructions, and its turns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.providers.documents import load
from lightrouter.adapter.providers.refusals import OPTIONAL
from lightrouter.adapter.quirks import BOTH
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, Role, ToolCall

Block = dict[str, Any]
"""One block of a turn's content, in the form of the API."""

_APART: Final = "\n\n"


class BlockTurn(NamedTuple):
    """One turn of a conversation whose content is blocks."""

    role: str
    blocks: list[Block]

    @property
    def plain(self) -> str:
        """Its text, with a point for each other block."""
        return "".join(text if isinstance(text := block.get("text"), str) else "." for block in self.blocks)


def sampling(entry: CandidateEntry, request: ProviderRequest) -> dict[str, object]:
    """Returns the sampling of a request by the OpenAI API's names, the entry's where the request has none.

    It has no member that the quirks leave out. `stop` is a list, `max_tokens` the limit that the provider gets.
    """
    wanted, defaults = request.sampling, entry.sampling
    found: dict[str, object] = {}
    for name in ("temperature", "top_p", "seed"):
        value = getattr(wanted, name) if wanted.HasField(name) else getattr(defaults, name)
        if value is not None and not request.quirks.leaves_out(name, value):
            found[name] = value
    stops = list(wanted.stop) or list(defaults.stop)
    if stops and not request.quirks.leaves_out("stop", stops):
        found["stop"] = stops
    if BOTH in request.quirks.refused and "temperature" in found:
        found.pop("top_p", None)
    if request.sent_max_tokens is not None:
        found["max_tokens"] = request.sent_max_tokens
    assert found.keys() <= {*OPTIONAL, "max_tokens"}
    return found


def instructions(entry: CandidateEntry, messages: Iterable[ChatMessage]) -> str:
    """Returns the entry's system prompt and the conversation's system messages, an empty line apart."""
    own = [entry.system_prompt] if entry.system_prompt else []
    return _APART.join([*own, *(text_of(each) for each in messages if each.role == Role.ROLE_SYSTEM)])


def text_of(message: ChatMessage) -> str:
    """Returns the text of a message, that of its parts included."""
    if not message.parts:
        return message.content
    texts = [message.content, *(part.text for part in message.parts)]
    return _APART.join([text for text in texts if text])


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


def state(api: str, entry: CandidateEntry, text: str, calls: Sequence[ToolCall], blocks: Sequence[Block]) -> bytes:
    """Returns the state of an answer with `text` and `calls`: `blocks`, which `own_state` returns later."""
    said, asked = _said(text, calls)
    kept = {"model": entry.model, "text": said, "calls": asked, "blocks": blocks}
    return json.dumps({api: kept}, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def json_object(text: str) -> Mapping[str, object]:
    """Returns the JSON object in `text`, for example a tool call's arguments; empty if it is none."""
    try:
        document = load(text) if text.strip() else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _said(text: str, calls: Iterable[ToolCall]) -> tuple[str, list[list[str]]]:
    return text.strip(), [[call.name, call.arguments] for call in calls]
