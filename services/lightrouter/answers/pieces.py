"""Long work in pieces, so that an event loop has its turn in between.

Work is a generator that yields how much it has done since it last yielded, and returns its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeAlias, TypeVar

_Result = TypeVar("_Result")

Pieces: TypeAlias = Generator[int, None, _Result]
"""Work in pieces; yields the size of each, in characters read or words compared, about 0.1 microseconds each."""

PIECE = 20_000
"""Size from which a piece ends: about 2 ms, so that with its last step it is below the 20 ms that a loop may wait."""


def at_once(pieces: Pieces[_Result]) -> _Result:
    """Returns the result of work that nobody waits beside."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: _Result = end.value
            return result


async def in_turn(pieces: Pieces[_Result]) -> _Result:
    """Returns the result of work on an event loop, which gets its turn after each piece."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: _Result = end.value
            return result
        await asyncio.sleep(0)
