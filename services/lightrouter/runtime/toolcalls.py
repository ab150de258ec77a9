"""Tool calls that come in pieces: joined pieces, and whole calls."""

from __future__ import annotations

import json
from collections.abc import Iterable

from lightrouter.v1.chat_pb2 import ToolCall, ToolCallDelta


class ToolCalls:
    """The tool calls of one text, collected from their pieces."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[ToolCall, list[str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, pieces: Iterable[ToolCallDelta]) -> None:
        """Adds pieces; those of one index are one call."""
        for piece in pieces:
            call, arguments = self._calls.setdefault(piece.index, (ToolCall(), []))
            call.id = call.id or piece.id
            call.name = call.name or piece.name
            arguments.append(piece.arguments)

    def clear(self) -> None:
        """Forgets all calls."""
        self._calls.clear()

    def calls(self) -> list[ToolCall]:
        """Returns the calls so far, by their index."""
        return [
            ToolCall(id=call.id, name=call.name, arguments="".join(arguments))
            for _, (call, arguments) in sorted(self._calls.items())
        ]


def joined_pieces(pieces: Iterable[ToolCallDelta]) -> tuple[ToolCallDelta, ...]:
    """Returns one piece for each run of pieces of one call."""
    joined: list[ToolCallDelta] = []
    for piece in pieces:
        if joined and joined[-1].index == piece.index:
            last = joined[-1]
            joined[-1] = ToolCallDelta(
                index=last.index,
                id=last.id or piece.id,
                name=last.name or piece.name,
                arguments=last.arguments + piece.arguments,
            )
        else:
            joined.append(piece)
    return tuple(joined)


def pieces_of(calls: Iterable[ToolCall]) -> list[ToolCallDelta]:
    """Returns whole calls as one piece each."""
    return [
        ToolCallDelta(index=at, id=call.id, name=call.name, arguments=call.arguments) for at, call in enumerate(calls)
    ]


def calls_text(calls: Iterable[ToolCall | ToolCallDelta]) -> str:
    """Returns the names and arguments of calls as one text, to count its tokens."""
    return " ".join(f"{call.name}{call.arguments}" for call in calls)


def is_whole(call: ToolCall) -> bool:
    """Returns whether a call names a tool and its arguments are a JSON object, or none."""
    return bool(call.name) and (not call.arguments.strip() or isinstance(_parsed(call.arguments), dict))


def _parsed(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return None
