"""A stream of events as one provider's reply: its text, its end, and how long to wait for what follows the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.cumulative import CumulativeText
from lightrouter.adapter.providers.documents import is_json
from lightrouter.adapter.providers.error_body import read_error
from lightrouter.adapter.providers.openai_reply import ReportedError, parse, read, read_others
from lightrouter.adapter.providers.sse import ERROR, Event, EventParser
from lightrouter.adapter.text.coalesce import TextDelta, joined

_DONE: Final = "[done]"
_LONGEST_MARK: Final = 16
_NO_PIECE: Final = TextDelta("", "")
# What keeps a connection, as the kind of an event or as its data.
_NO_TEXT: Final = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive"})
_NOTHING: Final = frozenset({"", "null", "{}", "[]", '""', "false", "0"})
# The text has ended: what may follow, counts above all, is worth this wait,
_COUNTS_SECONDS: Final = 5.0
_LEAST_COUNTS_SECONDS: Final = 0.25
# this one where the counts have come,
_END_SECONDS: Final = 0.5
# and that the connection can be used again is worth this one.
_REUSE_SECONDS: Final = 0.05
# So many bytes are read before others have their turn.
_BYTES_AT_ONCE: Final = 16 * 1024


class UsageWait:
    """How long one provider's counts are waited for: less each time that they do not come, long again once they do.

    Attributes:
        seconds: The wait after the end of the text.
    """

    def __init__(self) -> None:
        self.seconds = _COUNTS_SECONDS

    def in_vain(self) -> None:
        """The wait was over and no counts had come."""
        self.seconds = max(self.seconds / 2, _LEAST_COUNTS_SECONDS)

    def rewarded(self) -> None:
        """Counts came."""
        self.seconds = _COUNTS_SECONDS


class EventReader:
    """Reads one stream. Nothing but its own end, or that no more came after a finish reason, ends it."""

    def __init__(
        self,
        info: ReplyInfo,
        patience: UsageWait,
        kind: str = "text/event-stream",
        *,
        max_event_bytes: int = 1024 * 1024,
    ) -> None:
        """Notes in `info` what the events say; `kind` is the media type under which the stream came."""
        self._info = info
        self._patience = patience
        self._kind = kind
        self._parser = EventParser(max_event_bytes)
        self._text = CumulativeText()
        self._reasoning = CumulativeText()
        self._any = False
        self._done = False
        self._broken = False
        self._until: float | None = None
        self._counted_last = False

    async def read(self, begin: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[TextDelta, None]:
        """Yields the text of `begin` and `chunks`, all that came together in one piece.

        Raises:
            ReportedError: An event is an error.
            UpstreamError: The stream broke off, or is not what the API allows.
        """
        chunk: bytes | None = begin
        while chunk is not None:
            while len(chunk) > _BYTES_AT_ONCE:
                yield self._take(self._parser.feed(chunk[:_BYTES_AT_ONCE]))
                chunk = chunk[_BYTES_AT_ONCE:]
                await asyncio.sleep(0)
            yield self._take(self._parser.feed(chunk))
            until = self._patient_until()
            chunk = await (anext(chunks, None) if until is None else self._next(chunks, until))
        yield self._rest()
        self._close()

    async def _next(self, chunks: AsyncGenerator[bytes, None], until: float) -> bytes | None:
        """Returns the next chunk; None at the end, and where none has come by `until`, in the loop's time."""
        try:
            async with asyncio.timeout_at(until):
                return await anext(chunks, None)
        except TimeoutError:
            if not self._info.usage:
                self._patience.in_vain()
        except faults.UpstreamError:
            self._broken = True
        return None

    def _patient_until(self) -> float | None:
        """Returns until when more is waited for, in the loop's time; None while the text has not ended."""
        info = self._info
        if self._until is not None:
            return self._until
        if self._done:
            seconds = _REUSE_SECONDS
        elif info.finish_reason == finish_reasons.NOT_GIVEN:
            return None
        else:
            counted = info.usage and (self._counted_last or not info.ended_with_text)
            seconds = _END_SECONDS if counted else self._patience.seconds
        self._until = asyncio.get_running_loop().time() + seconds
        return self._until

    def _take(self, events: Iterable[Event]) -> TextDelta:
        done = self._done
        before, finished = self._info.usage, self._info.finish_reason != finish_reasons.NOT_GIVEN
        delta = self._new_of([self._event(event) for event in events])
        counted = self._info.usage is not before
        if counted and finished:
            self._patience.rewarded()
        if delta.text or delta.reasoning or counted or self._done != done:
            # What comes after the end is waited for anew.
            self._until = None
            self._counted_last = counted and finished
        return delta

    def _new_of(self, deltas: Iterable[TextDelta]) -> TextDelta:
        """Returns what is new of the text of several events, for providers whose events have all of it each time."""
        return joined(
            [TextDelta(self._text.feed(delta.text), self._reasoning.feed(delta.reasoning)) for delta in deltas]
        )

    def _event(self, event: Event) -> TextDelta:
        self._any = True
        kind = event.kind.lower()
        if kind and (ERROR in kind or "exception" in kind):
            raise ReportedError(read_error(event.data))
        if kind in _NO_TEXT:
            return _NO_PIECE
        if "\n" in event.data and not is_json(event.data):
            # Some providers leave out the blank lines between events.
            return joined([self._data(line) for line in event.data.split("\n") if line])
        return self._data(event.data)

    def _data(self, data: str) -> TextDelta:
        if len(data) < _LONGEST_MARK:
            mark = data.strip().lower()
            self._done |= mark == _DONE
            if mark == _DONE or mark in _NOTHING or mark in _NO_TEXT:
                return _NO_PIECE
        try:
            return read(parse(data), "delta", self._info)
        except faults.UpstreamError:
            # Behind the end mark there is nothing that has to be understood.
            if not self._done:
                raise
        return _NO_PIECE

    def _rest(self) -> TextDelta:
        """Returns the text that the end of the stream ended: of a last event, or of a choice that is not the first."""
        info = self._info
        try:
            delta = self._take(self._parser.close())
            if info.others and not info.texts and info.finish_reason == finish_reasons.NOT_GIVEN:
                return read_others(info)
            return joined([delta, TextDelta(self._text.end(), self._reasoning.end())])
        except faults.UpstreamError as error:
            if error.reason != faults.MALFORMED:
                raise
            # The half of an event is what a broken connection leaves.
            self._broken = True
            return TextDelta(self._text.end(), self._reasoning.end())

    def _close(self) -> None:
        """Ends the stream, where it may end here."""
        info = self._info
        if not self._any and self._kind not in {"text/event-stream", ""}:
            kind = "something else" if "json" in self._kind else self._kind[:40]
            raise faults.malformed(f"{kind} instead of JSON or events")
        ended = self._done or info.finish_reason != finish_reasons.NOT_GIVEN or (info.went_on and not self._broken)
        if not ended:
            raise faults.unavailable("ended the stream before the model had finished")
        if self._broken and not self._done and info.ended_with_text:
            # More may have been on its way.
            info.at_best = finish_reasons.less_whole(info.at_best, finish_reasons.UNKNOWN)


def has_lines(text: str) -> bool:
    """Returns whether a body that begins as JSON is an object a line, such as an error before a stream goes on."""
    first, _, rest = text.strip().partition("\n")
    return first.startswith("{") and bool(rest.strip()) and is_json(first)
