"""The tool calls of a provider's reply: whatever a provider sends, each call gets a place, an id and a name.

Providers leave out the index or give all calls the same, leave out the id, send a new one with each piece or one for two
calls, repeat the name with each piece or cut it, and send the arguments in pieces, at once, as an object, or not at all.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from lightrouter.v1.chat_pb2 import ToolCallDelta

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
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    place: int | None = None
    waiting: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def text(self) -> str:
        return "".join([*self.arguments, *self.waiting])


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
        self._places = 0
        self.nameless = False
        """Whether the reply ended with a call that names no tool, which is left out."""

    def feed(self, piece: CallPiece) -> Iterator[ToolCallDelta]:
        """Takes a piece; yields what is settled now.

        Raises:
            TooManyCallsError: The reply has more than 128 calls.
        """
        call = self._call_of(piece)
        if piece.name and not (call.arguments or call.place is not None):
            call.name = self._name(call.name, piece.name)
        if piece.id and not call.id:
            call.id = piece.id[:_MOST_ID_CHARACTERS]
        if piece.arguments:
            call.waiting.append(piece.arguments)
        if call.name and (call.name in self._tools or call.text.strip()):
            yield from self._out(call)

    def end(self) -> Iterator[ToolCallDelta]:
        """Yields what was held back."""
        for call in self._calls:
            if call.name:
                yield from self._out(call)
            else:
                self.nameless = True

    def _out(self, call: _Call) -> Iterator[ToolCallDelta]:
        arguments = "".join(call.waiting)
        first = call.place is None
        if not first and not arguments:
            return
        if call.place is None:
            call.place = self._places
            self._places += 1
            call.id = self._unique(call)
        call.arguments += call.waiting
        call.waiting.clear()
        yield ToolCallDelta(
            index=call.place, id=call.id if first else "", name=call.name if first else "", arguments=arguments
        )

    def _unique(self, call: _Call) -> str:
        taken = {other.id for other in self._calls if other.place is not None and other is not call}
        return call.id if call.id and call.id not in taken else f"call_{secrets.token_hex(12)}"

    def _call_of(self, piece: CallPiece) -> _Call:
        """Returns the call that a piece belongs to, a new one if it begins there."""
        known = self._by_id.get(piece.id) if piece.id else None
        if piece.index is not None:
            at = self._by_index.get(piece.index)
            # Some providers give both calls one id, others both calls one index.
            if at is None or self._begins(at, piece):
                return self._new(piece)
            return at
        if known is not None:
            return self._new(piece) if known.closed and piece.arguments.strip() else known
        last = self._calls[-1] if self._calls else None
        if last is None or (piece.id and piece.name and last.name) or self._begins(last, piece):
            return self._new(piece)
        return last

    def _begins(self, call: _Call, piece: CallPiece) -> bool:
        """Returns whether a piece for the place of `call` begins another call."""
        if call.closed and piece.arguments.strip():
            return True
        if not piece.name:
            return False
        if piece.id and call.id and piece.id != call.id and (piece.name != call.name or not self._is_open(call)):
            return True
        if not call.text.strip() or self._is_open(call):
            return False
        if piece.name == call.name and not piece.arguments.strip():
            # It repeats the name, or begins another call of the tool: the next arguments tell.
            call.closed = True
            return False
        return piece.arguments.strip() != call.text.strip() or piece.name != call.name

    @staticmethod
    def _is_open(call: _Call) -> bool:
        """Returns whether more arguments have to come."""
        text = call.text
        if not text.rstrip().endswith("}"):
            return True
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return True
        return False

    def _new(self, piece: CallPiece) -> _Call:
        if len(self._calls) >= _MOST_CALLS:
            raise TooManyCallsError
        call = _Call()
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
