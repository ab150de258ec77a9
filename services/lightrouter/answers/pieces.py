"""Splits long work into pieces, so that the event loop can run in between.

Work is a generator that yields the amount done since its last yield, and returns its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeAlias, TypeVar

_Result = TypeVar("_Result")

Pieces: TypeAlias = Generator[int, None, _Result]
"""Work in pieces; yields the size of each, in words compared or characters read, up to a microsecond each."""

MOST_CHARACTERS = 4_000
"""Characters of a text that are compared. A choice: most boots write a third of this."""
PIECE = 5_000
"""Size from which a piece ends. Its last step adds what reading one text takes, so that on a machine four times slower
than a present one it still is below the 20 ms that an event loop may wait."""
# Measured with `tokens.read` on 4,000 characters: Hindi takes 3 times as long as English, Chinese 8 times. A choice
# between them.
_OTHER_SCRIPTS = 4


def of_reading(text: str) -> int:
    """Returns the size of reading a text; other scripts than ASCII count four times."""
    characters = min(len(text), MOST_CHARACTERS)
    return characters if text.isascii() else characters * _OTHER_SCRIPTS


def at_once(pieces: Pieces[_Result]) -> _Result:
    """Returns the result of work, outside an event loop."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: _Result = end.value
            return result


async def in_turn(pieces: Pieces[_Result]) -> _Result:
    """Returns the result of work on an event loop, which runs other tasks after each piece."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: _Result = end.value
            return result
        await asyncio.sleep(0)
