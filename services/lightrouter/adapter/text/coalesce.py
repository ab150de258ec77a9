"""Coalescing: collects text over a short time, so that a stream does not send a message for each token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple, Self


class TextDelta(NamedTuple):
    """A piece of output: visible text and hidden reasoning."""

    text: str
    reasoning: str


def joined(deltas: Iterable[TextDelta]) -> TextDelta:
    """Returns one delta with the text of all."""
    deltas = list(deltas)
    if len(deltas) == 1:
        return deltas[0]
    return TextDelta("".join([delta.text for delta in deltas]), "".join([delta.reasoning for delta in deltas]))


class Coalescer:
    """Joins deltas: yields the first at once, later ones after `interval` or at `size`."""

    def __init__(self, interval: float, size: int) -> None:
        """Counts `interval`, in seconds, from the last delta that was read; `size` is in characters."""
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

    def put(self, delta: TextDelta) -> None:
        """Adds a delta."""
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        self._held += len(delta.text) + len(delta.reasoning)
        if not self._held or self._timer or self._ready.is_set():
            if self._held >= self._size:
                self._ready.set()
            return
        if self._held >= self._size or self._loop.time() >= self._due:
            self._ready.set()
        else:
            self._timer = self._loop.call_at(self._due, self._ready.set)

    def close(self, error: BaseException | None = None) -> None:
        """Ends the deltas; the reader gets `error` after the last one."""
        self._closed = True
        self._error = error
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TextDelta:
        """Returns the next joined delta; raises the error of `close` after the last one."""
        await self._ready.wait()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._held:
            raise self._error or StopAsyncIteration
        delta = TextDelta("".join(self._text), "".join(self._reasoning))
        self._text.clear()
        self._reasoning.clear()
        self._held = 0
        self._due = self._loop.time() + self._interval
        if not self._closed:
            self._ready.clear()
        return delta
