"""Conversations in the form that strict chat templates accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Turn = Mapping[str, Any]

_APART: Final = "\n\n"
# Strict templates need a user's turn first. LiteLLM inserts the same text.
_BEGIN: Final = {"role": "user", "content": "."}


def alternating(turns: Sequence[Turn]) -> list[Turn]:
    """Returns `turns` with at most one system message, first, then user and assistant in alternation, none empty.

    A last turn of the assistant stays as it is, because it is the prefill.
    """
    system = [turn for turn in turns if turn["role"] == "system" and not _is_blank(turn)]
    out: list[Turn] = []
    if system:
        out.append(system[0] if len(system) == 1 else _joined(system))
    last = turns[-1] if turns and turns[-1]["role"] == "assistant" else None
    for turn in turns:
        if turn["role"] == "system" or (_is_blank(turn) and turn is not last):
            continue
        if out and out[-1]["role"] == turn["role"] and not (_is_apart(turn) or _is_apart(out[-1])):
            out[-1] = _joined([out[-1], turn])
        else:
            if turn["role"] == "assistant" and (not out or out[-1]["role"] == "system"):
                out.append(_BEGIN)
            out.append(turn)
    return out


def without_system(turns: Sequence[Turn]) -> list[Turn]:
    """Returns `turns` with the text of the system messages at the start of the first user's turn."""
    instructions = _APART.join(_text(turn) for turn in turns if turn["role"] == "system")
    rest = [turn for turn in turns if turn["role"] != "system"]
    if not instructions:
        return rest
    for at, turn in enumerate(rest):
        if turn["role"] == "user":
            rest[at] = with_text_before(turn, instructions)
            return rest
    return [{"role": "user", "content": instructions}, *rest]


def with_text_before(turn: Turn, text: str) -> Turn:
    """Returns `turn` with `text` before its content."""
    return _joined([{"role": turn["role"], "content": text}, turn])


def _joined(turns: Sequence[Turn]) -> Turn:
    contents = [turn["content"] for turn in turns]
    if all(isinstance(content, str) for content in contents):
        return {**turns[0], **turns[-1], "content": _APART.join(contents)}
    parts = [[{"type": "text", "text": each}] if isinstance(each, str) else each for each in contents]
    return {**turns[0], **turns[-1], "content": [part for each in parts for part in each]}


def _text(turn: Turn) -> str:
    content = turn["content"]
    if isinstance(content, list):
        return _APART.join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _is_apart(turn: Turn) -> bool:
    """Returns whether a turn is a call of tools or the result of one, which joins no other."""
    return turn["role"] == "tool" or "tool_calls" in turn


def _is_blank(turn: Turn) -> bool:
    return not _is_apart(turn) and not isinstance(turn["content"], list) and not turn["content"].strip()
