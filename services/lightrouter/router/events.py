"""The events of a running route, for a caller that watches it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from lightrouter.runtime.toolcalls import pieces_of
from lightrouter.v1.aggregator_pb2 import AnswerChunk
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ToolCall, ToolCallDelta
from lightrouter.v1.ledger_pb2 import LedgerEntry
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import (
    Answer,
    CandidateBooted,
    DraftFinished,
    PartialChunk,
    RouteStarted,
    Selection,
    StreamCompleteResponse,
)

# A choice: joining copies the text, so that messages stay small.
_JOINED_CHARACTERS: Final = 16 * 1024


class Events:
    """Receives the events of a route and ignores them, for a caller that does not watch.

    Attributes:
        wants_text: Whether the caller wants the answer in pieces as it is written.
        wants_partials: Whether the caller wants boot text as it is written.
        first_text_at: When the first text of the answer went out, on the monotonic clock; None before that.
    """

    wants_text = False
    wants_partials = False
    first_text_at: float | None = None

    def started(self, route_id: str, policy: Policy, candidates: Sequence[str]) -> None:
        """The route was admitted; `candidates` boot."""

    def partial_chunk(self, candidate: str, text: str) -> None:
        """A candidate wrote the next piece of its boot text."""

    def booted(self, partial: Partial, entry: LedgerEntry) -> None:
        """A candidate's boot ended, or failed."""

    def selected(self, selection: Selection) -> None:
        """The candidates that go on were chosen."""

    def drafted(self, candidate: str, characters: int, entry: LedgerEntry | None) -> None:
        """A draft ended; 0 characters if it failed, no entry if the boot text was the whole draft."""

    def chunk(
        self,
        text: str,
        *,
        restart: bool = False,
        pieces: Sequence[ToolCallDelta] = (),
        calls: Sequence[ToolCall] = (),
    ) -> None:
        """The next piece of the answer, with pieces of tool calls or whole ones; `restart` voids what came before."""

    async def wait_for_room(self) -> None:
        """Returns when there is room for more text: at once, or when a slow reader has read enough."""


class EventQueue(Events):
    """Queues the events of a route as the messages of a stream.

    The queue is bounded: consecutive pieces of one text are joined, and the writer of the answer waits for room. The
    other messages are few, and bounded by the boot tokens.
    """

    wants_text = True

    def __init__(self, *, wants_partials: bool, max_bytes: int = 256 * 1024) -> None:
        """Holds about `max_bytes` of text; wants boot text as it is written if `wants_partials`."""
        self.wants_partials = wants_partials
        self._max_bytes = max_bytes
        self._waiting: deque[StreamCompleteResponse] = deque()
        self._partials: dict[str, PartialChunk] = {}
        self._bytes = 0
        self._closed = False
        self._added = asyncio.Event()
        self._read = asyncio.Event()

    async def next(self) -> StreamCompleteResponse | None:
        """Returns the next message; None after the last one."""
        while not self._waiting:
            if self._closed:
                return None
            self._added.clear()
            await self._added.wait()
        message = self._waiting.popleft()
        self._bytes = self._bytes - message.ByteSize() if self._waiting else 0
        if message.HasField("partial_chunk"):
            self._partials.pop(message.partial_chunk.candidate, None)
        self._read.set()
        return message

    async def wait_for_room(self) -> None:
        """See `Events.wait_for_room`."""
        while self._bytes > self._max_bytes:
            self._read.clear()
            await self._read.wait()

    def close(self) -> None:
        """Ends the messages."""
        self._closed = True
        self._added.set()

    def started(self, route_id: str, policy: Policy, candidates: Sequence[str]) -> None:
        """See `Events.started`."""
        event = RouteStarted(route_id=route_id, policy=policy, candidates=candidates)
        self._add(StreamCompleteResponse(started=event))

    def partial_chunk(self, candidate: str, text: str) -> None:
        """See `Events.partial_chunk`."""
        waiting = self._partials.get(candidate)
        if waiting is not None and len(waiting.text) < _JOINED_CHARACTERS:
            self._join(waiting, text)
            return
        message = StreamCompleteResponse(partial_chunk=PartialChunk(candidate=candidate, text=text))
        self._partials[candidate] = message.partial_chunk
        self._add(message)

    def booted(self, partial: Partial, entry: LedgerEntry) -> None:
        """See `Events.booted`."""
        event = CandidateBooted(partial=partial, entry=entry)
        self._add(StreamCompleteResponse(booted=event))

    def selected(self, selection: Selection) -> None:
        """See `Events.selected`."""
        self._add(StreamCompleteResponse(selection=selection))

    def drafted(self, candidate: str, characters: int, entry: LedgerEntry | None) -> None:
        """See `Events.drafted`."""
        event = DraftFinished(candidate=candidate, characters=characters, entry=entry)
        self._add(StreamCompleteResponse(draft=event))

    def chunk(
        self,
        text: str,
        *,
        restart: bool = False,
        pieces: Sequence[ToolCallDelta] = (),
        calls: Sequence[ToolCall] = (),
    ) -> None:
        """See `Events.chunk`."""
        pieces = [*pieces, *pieces_of(calls)]
        if self.first_text_at is None and (text or pieces):
            self.first_text_at = time.monotonic()
        last = self._waiting[-1] if self._waiting else None
        joins = last is not None and last.HasField("chunk") and not (restart or pieces)
        if last is not None and joins and len(last.chunk.text) < _JOINED_CHARACTERS and not last.chunk.tool_calls:
            self._join(last.chunk, text)
            return
        self._add(StreamCompleteResponse(chunk=AnswerChunk(text=text, restart=restart, tool_calls=pieces)))

    def _add(self, message: StreamCompleteResponse) -> None:
        self._waiting.append(message)
        self._bytes += message.ByteSize()
        self._added.set()

    def _join(self, piece: PartialChunk | AnswerChunk, text: str) -> None:
        piece.text += text
        self._bytes += len(text.encode())

    @staticmethod
    def answered(answer: Answer) -> StreamCompleteResponse:
        """Returns the last message: the answer, whose text went out in pieces."""
        answer.text = ""
        return StreamCompleteResponse(answer=answer)
