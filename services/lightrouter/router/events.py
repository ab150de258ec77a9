"""What a caller can watch of a route while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from lightrouter.v1.aggregator_pb2 import AnswerChunk
from lightrouter.v1.candidate_pb2 import Partial
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


class Events:
    """Hears what happens on a route and drops it.

    Attributes:
        wants_text: Whether the answer is wanted in pieces as it is written.
        wants_partials: Whether boot text is wanted as it is written.
        first_text_at: When the first text of the answer went out, on the monotonic clock; None where none did so far.
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
        """It was decided who goes on."""

    def drafted(self, candidate: str, characters: int, entry: LedgerEntry | None) -> None:
        """A draft of so many characters ended, 0 where it failed; no entry where the boot was the whole draft."""

    def chunk(self, text: str, *, restart: bool = False) -> None:
        """The next piece of the answer; `restart` voids the pieces before it."""


class EventQueue(Events):
    """Turns what happens into the messages of a stream."""

    wants_text = True

    def __init__(self, *, wants_partials: bool) -> None:
        """Asks for boot text as it is written where `wants_partials`."""
        self.wants_partials = wants_partials
        self._queue: asyncio.Queue[StreamCompleteResponse | None] = asyncio.Queue()

    async def next(self) -> StreamCompleteResponse | None:
        """Returns the next message; None once the route is over."""
        return await self._queue.get()

    def close(self) -> None:
        """Ends the messages."""
        self._queue.put_nowait(None)

    def started(self, route_id: str, policy: Policy, candidates: Sequence[str]) -> None:
        """See `Events.started`."""
        event = RouteStarted(route_id=route_id, policy=policy, candidates=candidates)
        self._queue.put_nowait(StreamCompleteResponse(started=event))

    def partial_chunk(self, candidate: str, text: str) -> None:
        """See `Events.partial_chunk`."""
        event = PartialChunk(candidate=candidate, text=text)
        self._queue.put_nowait(StreamCompleteResponse(partial_chunk=event))

    def booted(self, partial: Partial, entry: LedgerEntry) -> None:
        """See `Events.booted`."""
        event = CandidateBooted(partial=partial, entry=entry)
        self._queue.put_nowait(StreamCompleteResponse(booted=event))

    def selected(self, selection: Selection) -> None:
        """See `Events.selected`."""
        self._queue.put_nowait(StreamCompleteResponse(selection=selection))

    def drafted(self, candidate: str, characters: int, entry: LedgerEntry | None) -> None:
        """See `Events.drafted`."""
        event = DraftFinished(candidate=candidate, characters=characters, entry=entry)
        self._queue.put_nowait(StreamCompleteResponse(draft=event))

    def chunk(self, text: str, *, restart: bool = False) -> None:
        """See `Events.chunk`."""
        if self.first_text_at is None and text:
            self.first_text_at = time.monotonic()
        event = AnswerChunk(text=text, restart=restart)
        self._queue.put_nowait(StreamCompleteResponse(chunk=event))

    @staticmethod
    def answered(answer: Answer) -> StreamCompleteResponse:
        """Returns the last message: the answer, whose text went out in pieces."""
        answer.text = ""
        return StreamCompleteResponse(answer=answer)
