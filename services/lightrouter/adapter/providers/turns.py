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
    system = [turn for turn in turns if turn["role"] == "system" and turn["content"].strip()]
    out: list[Turn] = []
    if system:
        out.append(system[0] if len(system) == 1 else _joined(system))
    last = turns[-1] if turns and turns[-1]["role"] == "assistant" else None
    for turn in turns:
        if turn["role"] == "system" or not (turn["content"].strip() or turn is last):
            continue
        if out and out[-1]["role"] == turn["role"]:
            out[-1] = _joined([out[-1], turn])
        else:
            if turn["role"] == "assistant" and (not out or out[-1]["role"] == "system"):
                out.append(_BEGIN)
            out.append(turn)
    return out


def without_system(turns: Sequence[Turn]) -> list[Turn]:
    """Returns `turns` with the text of the system messages at the start of the first user's turn."""
    instructions = _APART.join(turn["content"] for turn in turns if turn["role"] == "system")
    rest = [turn for turn in turns if turn["role"] != "system"]
    if not instructions:
        return rest
    for at, turn in enumerate(rest):
        if turn["role"] == "user":
            rest[at] = {**turn, "content": f"{instructions}{_APART}{turn['content']}"}
            return rest
    return [{"role": "user", "content": instructions}, *rest]


def _joined(turns: Sequence[Turn]) -> Turn:
    return {**turns[0], **turns[-1], "content": _APART.join(turn["content"] for turn in turns)}
