"""Pieces of text collected over a short time, so that a stream is not a message a token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Self


class TextDelta(NamedTuple):
    """Text that came, visible and hidden."""

    text: str
    reasoning: str


def joined(pieces: Iterable[TextDelta]) -> TextDelta:
    """Returns pieces as one."""
    pieces = list(pieces)
    if len(pieces) == 1:
        return pieces[0]
    return TextDelta("".join([piece.text for piece in pieces]), "".join([piece.reasoning for piece in pieces]))


class Coalescer:
    """Takes pieces as they come, gives them out joined: the first at once, later ones after `interval` or at `size`."""

    def __init__(self, interval: float, size: int) -> None:
        """`interval` is in seconds from the last piece that was given out, `size` in characters."""
        self._interval = interval
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._held = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ready = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    def put(self, piece: TextDelta) -> None:
        """Adds a piece."""
        if piece.text:
            self._text.append(piece.text)
        if piece.reasoning:
            self._reasoning.append(piece.reasoning)
        self._held += len(piece.text) + len(piece.reasoning)
        if not self._held or self._timer or self._ready.is_set():
            if self._held >= self._size:
                self._ready.set()
            return
        if self._held >= self._size or self._loop.time() >= self._due:
            self._ready.set()
        else:
            self._timer = self._loop.call_at(self._due, self._ready.set)

    def close(self, error: BaseException | None = None) -> None:
        """Ends the pieces; `error` is raised to the reader after the last one."""
        self._closed = True
        self._error = error
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TextDelta:
        """Returns the next joined piece; raises what `close` was given once all is read."""
        await self._ready.wait()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._held:
            raise self._error or StopAsyncIteration
        piece = TextDelta("".join(self._text), "".join(self._reasoning))
        self._text.clear()
        self._reasoning.clear()
        self._held = 0
        self._due = self._loop.time() + self._interval
        if not self._closed:
            self._ready.clear()
        return piece
