"""The tool calls of a provider's reply: whatever a provider sends, each call gets a place, an id and a name.

Providers leave out the index or give all calls the same, leave out the id, send a new one with each piece or one for
two calls, repeat the name with each piece or cut it, and send the arguments in pieces, at once, or not at all.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lightrouter.v1.chat_pb2 import ToolCallDelta

# Choices: no provider gives longer ids or more calls in one answer.
_MOST_ID_CHARACTERS: Final = 256
_MOST_CALLS: Final = 128


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of a tool call as a provider sent it.

    Attributes:
        index: The call's place, as the provider counts; None if it does not.
        id: The call's id; empty if the provider gave none.
        name: The tool's name, or a part of it; empty if the provider gave none.
        arguments: The next part of the arguments' text.
        extra: What the provider wants back with the call; None if nothing.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: Mapping[str, object] | None = None


@dataclass(slots=True)
class _Call:
    """One call so far; `given` is the provider's id, `closed` that its arguments are whole and its name came again."""

    given: str = ""
    name: str = ""
    place: int | None = None
    parts: list[str] = field(default_factory=list)
    sent: int = 0
    closed: bool = False
    extra: Mapping[str, object] | None = None

    @property
    def arguments(self) -> str:
        return "".join(self.parts)

    def is_open(self) -> bool:
        """Returns whether more arguments have to come."""
        arguments = self.arguments.rstrip()
        if not arguments.endswith("}"):
            return True
        try:
            json.loads(arguments)
        except (ValueError, RecursionError):
            return True
        return False


class TooManyCallsError(Exception):
    """A reply has more tool calls than any answer needs."""


class ToolCallReader:
    """Turns the pieces of a reply into the pieces of calls with a place, a stable id and a whole name each."""

    def __init__(self, tools: Collection[str]) -> None:
        """Expects calls of `tools`, whose names tell where a name that comes in parts ends."""
        self._tools = frozenset(tools)
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._ids: set[str] = set()
        self.nameless = False
        """Whether the reply ended with a call that names no tool, which is left out."""

    def feed(self, piece: CallPiece) -> Iterator[ToolCallDelta]:
        """Takes a piece; yields what is settled now.

        Raises:
            TooManyCallsError: The reply has more than 128 calls.
        """
        call = self._call_of(piece)
        if piece.name and call.place is None:
            call.name = self._name(call.name, piece.name)
        call.given = call.given or piece.id
        call.extra = piece.extra or call.extra
        # Some providers send the whole call once more in the end.
        again = piece.name and piece.arguments and piece.arguments.strip() == call.arguments.strip()
        if piece.arguments and not again:
            call.parts.append(piece.arguments)
        if call.place is not None or call.name in self._tools or (call.name and any(map(str.strip, call.parts))):
            yield from self._out(call)

    def end(self) -> Iterator[ToolCallDelta]:
        """Yields what was held back."""
        for call in self._calls:
            if call.name:
                yield from self._out(call)
            else:
                self.nameless = True

    def extras(self) -> list[Mapping[str, object] | None]:
        """Returns what the provider wants back with each call that was given out, by its place."""
        placed = {call.place: call.extra for call in self._calls if call.place is not None}
        return [placed[place] for place in sorted(placed)]

    def _out(self, call: _Call) -> Iterator[ToolCallDelta]:
        arguments = "".join(call.parts[call.sent :])
        call.sent = len(call.parts)
        if call.place is None:
            call.place = len(self._ids)
            identity = call.given[:_MOST_ID_CHARACTERS]
            if not identity or identity in self._ids:
                identity = f"call_{secrets.token_hex(12)}"
            self._ids.add(identity)
            yield ToolCallDelta(index=call.place, id=identity, name=call.name, arguments=arguments)
        elif arguments:
            yield ToolCallDelta(index=call.place, arguments=arguments)

    def _call_of(self, piece: CallPiece) -> _Call:
        """Returns the call that a piece belongs to, a new one if it begins there."""
        known = self._by_id.get(piece.id) if piece.id else None
        if piece.index is not None:
            at = self._by_index.get(piece.index)
            if at is not None and known is not None and at.given != piece.id:
                # All calls have one index.
                at = known
        elif known is not None:
            at = known
        else:
            at = self._calls[-1] if self._calls else None
            if at is not None and piece.id and piece.name and at.name:
                at = None
        if at is None or self._begins(at, piece):
            return self._new(piece, at)
        return at

    @staticmethod
    def _begins(call: _Call, piece: CallPiece) -> bool:
        """Returns whether a piece for the place of `call` begins another call."""
        has_arguments = bool(piece.arguments.strip())
        if call.closed and has_arguments:
            return True
        if not piece.name or not call.name:
            return False
        other_id = bool(piece.id and call.given and piece.id != call.given)
        if other_id and not call.name.startswith(piece.name):
            return True
        if call.is_open():
            return False
        if piece.name == call.name and not has_arguments:
            # It repeats the name, or begins another call of the tool: the next arguments tell.
            call.closed = True
            return False
        return other_id or piece.name != call.name or piece.arguments.strip() != call.arguments.strip()

    def _new(self, piece: CallPiece, before: _Call | None) -> _Call:
        """Returns a new call; a piece without a name begins another call of the tool before it."""
        if len(self._calls) >= _MOST_CALLS:
            raise TooManyCallsError
        call = _Call(name="" if piece.name or before is None else before.name)
        self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        if piece.id:
            self._by_id[piece.id] = call
        return call

    def _name(self, known: str, part: str) -> str:
        if not known or known == part or known in self._tools:
            return known or part
        return known + part
