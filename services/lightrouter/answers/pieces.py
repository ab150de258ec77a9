"""Splits long work into pieces, and keeps it off the event loop.

Work is a generator that yields the amount done since its last yield, and returns its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Final, TypeAlias, TypeVar

_Result = TypeVar("_Result")

Pieces: TypeAlias = Generator[int, None, _Result]
"""Work in pieces; yields the size of each, in words compared or characters read, up to a microsecond each."""

MOST_CHARACTERS = 4_000
"""Characters of a text that are compared. A choice: most boots write a third of this."""
PIECE = 5_000
"""Size from which a piece ends. Its last step adds what reading one text takes, so that on a machine four times slower
than a present one it still is below the 20 ms that an event loop may wait."""
# A choice: two, so that short work need not wait for long work. Threads share the interpreter, so more of them would
# not be faster, and the event loop waits for its turn among them, 5 ms for each.
_THREADS: Final = 2
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


class Workers:
    """A few threads for long work, which the services of a process share. Further work waits for its turn."""

    def __init__(self) -> None:
        """Starts a thread when there is work for it."""
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="worker")

    async def run(self, pieces: Pieces[_Result]) -> _Result:
        """Returns the result of work: its first piece runs here, because most work has no other; the rest in a thread.

        If the caller is cancelled, the work ends after its present piece.
        """
        try:
            next(pieces)
        except StopIteration as end:
            result: _Result = end.value
            return result
        left = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, _rest, pieces, left)
        finally:
            left.set()


def _rest(pieces: Pieces[_Result], left: Event) -> _Result:
    with closing(pieces):
        while not left.is_set():
            try:
                next(pieces)
            except StopIteration as end:
                result: _Result = end.value
                return result
    raise CancelledError
