"""Conversations put so that strict chat templates take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Turn = Mapping[str, Any]

_APART: Final = "\n\n"
# Strict templates begin with the user's turn. What LiteLLM puts there says as little.
_BEGIN: Final = {"role": "user", "content": "."}


def alternating(turns: Sequence[Turn]) -> list[Turn]:
    """Returns `turns` with one system message at most, first, then user and assistant by turns, none of them empty.

    An assistant's turn at the end stays as it is: the model goes on from it.
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
    """Returns `turns` with what the system messages say at the begin of the first user's turn."""
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
