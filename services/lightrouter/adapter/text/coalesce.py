"""Coalescing: collects text over a short time, so that a stream does not send a message for each token."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

from lightrouter.runtime.toolcalls import calls_text, joined_pieces
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.chat_pb2 import ToolCallDelta


class TextDelta(NamedTuple):
    """A piece of output: visible text, hidden reasoning, and pieces of tool calls."""

    text: str
    reasoning: str
    calls: tuple[ToolCallDelta, ...] = ()

    @property
    def whole(self) -> str:
        """All that it has as one text, to count its tokens."""
        if not (self.reasoning or self.calls):
            return self.text
        return self.text + self.reasoning + calls_text(self.calls)


NOTHING: Final = TextDelta("", "")
"""A piece without output."""


def joined(deltas: Iterable[TextDelta]) -> TextDelta:
    """Returns one delta with the text of all."""
    deltas = list(deltas)
    if len(deltas) == 1:
        return deltas[0]
    calls = [call for delta in deltas for call in delta.calls]
    return TextDelta(
        "".join([delta.text for delta in deltas]),
        "".join([delta.reasoning for delta in deltas]),
        joined_pieces(calls) if calls else (),
    )


def utf8_bytes(text: str) -> int:
    """Returns the bytes of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


class Coalescer:
    """Joins deltas: yields the first at once, later ones after `interval` or at `size`. A checkpoint stays between."""

    def __init__(self, interval: float, size: int, most_bytes: int) -> None:
        """Begins empty.

        Args:
            interval: Seconds from the last delta that was read.
            size: Characters.
            most_bytes: Bytes in UTF-8 that are held before it is full.
        """
        self._interval = interval
        self._size = size
        self._most_bytes = most_bytes
        self._loop = asyncio.get_running_loop()
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCallDelta] = []
        self._held = 0
        self._bytes = 0
        self._before: deque[TextDelta | GenerationResult] = deque()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    @property
    def full(self) -> bool:
        """Whether it holds as much as it may, so that the writer must wait for room."""
        return self._bytes >= self._most_bytes

    @property
    def at_mark(self) -> bool:
        """Whether the checkpoint or the end without an error comes next."""
        if self._before:
            return isinstance(self._before[0], GenerationResult)
        return self._closed and not self._held and self._error is None

    async def room(self) -> None:
        """Waits until the reader has made room."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    def put(self, delta: TextDelta | GenerationResult) -> None:
        """Adds a delta, or the checkpoint behind all deltas so far: they wait for no more then."""
        if isinstance(delta, GenerationResult):
            if self._held:
                self._before.append(self._joined())
            self._before.append(delta)
            self._ready.set()
            return
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        self._calls += delta.calls
        whole = delta.whole
        self._held += len(whole)
        self._bytes += utf8_bytes(whole)
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

    async def __anext__(self) -> TextDelta | GenerationResult:
        """Returns the next joined delta or the checkpoint; raises the error of `close` after the last one."""
        await self._ready.wait()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not (self._before or self._held):
            raise self._error or StopAsyncIteration
        piece = self._before.popleft() if self._before else self._joined()
        if isinstance(piece, TextDelta):
            self._bytes = max(0, self._bytes - utf8_bytes(piece.whole))
            self._room.set()
        self._due = self._loop.time() + self._interval
        if not (self._before or self._closed or self._held >= self._size):
            self._ready.clear()
            if self._held:
                self._timer = self._loop.call_at(self._due, self._ready.set)
        return piece

    def _joined(self) -> TextDelta:
        delta = TextDelta("".join(self._text), "".join(self._reasoning), joined_pieces(self._calls))
        self._calls.clear()
        self._text.clear()
        self._reasoning.clear()
        self._held = 0
        return delta
