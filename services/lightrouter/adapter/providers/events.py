"""A stream of events as one reply: its text, its end, and the wait for token counts after the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.api import ReplyReader
from lightrouter.adapter.providers.documents import is_json
from lightrouter.adapter.providers.error_body import read_error
from lightrouter.adapter.providers.reply import ReportedError
from lightrouter.adapter.providers.sse import ERROR, Event, EventParser
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined

_DONE: Final = "[done]"
# A choice: longer than every mark, so that texts are not searched for one.
_LONGEST_MARK: Final = 16
# Keep-alive events, by their kind and by their data.
_NO_TEXT: Final = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive"})
_NOTHING: Final = frozenset({"", "null", "{}", "[]", "false", "0"})
# Choices: the waits after the end of the text. Counts decide the price, so they are worth the longest one,
_COUNTS_SECONDS: Final = 5.0
_LEAST_COUNTS_SECONDS: Final = 0.25
# if the counts have come, only the end of the stream is missing,
_END_SECONDS: Final = 0.5
# and after the end mark only the connection can be won, which saves a handshake.
_REUSE_SECONDS: Final = 0.05
# A choice: the bytes that are parsed before other tasks run.
_BYTES_AT_ONCE: Final = 16 * 1024


More = Callable[[], Awaitable[bytes | None]]
"""Returns the next part of a body; None at its end."""


class UsageWait:
    """The wait for one provider's token counts: halved each time that they do not come, reset when they come.

    Attributes:
        seconds: The wait after the end of the text.
    """

    def __init__(self) -> None:
        self.seconds = _COUNTS_SECONDS

    def missed(self) -> None:
        """Records that no counts came during the wait."""
        self.seconds = max(self.seconds / 2, _LEAST_COUNTS_SECONDS)

    def came(self) -> None:
        """Records that counts came."""
        self.seconds = _COUNTS_SECONDS


class EventReader:
    """Reads one stream, up to its end mark or to the wait after its finish reason."""

    def __init__(
        self,
        reader: ReplyReader,
        info: ReplyInfo,
        usage_wait: UsageWait,
        kind: str = "text/event-stream",
        *,
        max_event_bytes: int = 1024 * 1024,
    ) -> None:
        """Gives the events to `reader`, which fills in `info`; `kind` is the media type of the stream, or empty."""
        self._reader = reader
        self._info = info
        self._usage_wait = usage_wait
        self._kind = kind
        self._parser = EventParser(max_event_bytes)
        self._has_events = False
        self._done = False
        self._broken = False
        self._until: float | None = None
        self._counted_last = False

    async def read(
        self, begin: bytes, more: More, ended: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[TextDelta, None]:
        """Yields the text of `begin` and of `more`, joined if several events came together, up to each mark.

        `ended` tells whether the whole body has come, so that `more` needs no time limit.

        Raises:
            ReportedError: An event is an error.
            UpstreamError: The stream broke off, or the API does not allow it.
        """
        chunk: bytes | None = begin
        while chunk is not None:
            for start in range(0, len(chunk) or 1, _BYTES_AT_ONCE):
                if start:
                    await asyncio.sleep(0)
                for delta in self._joined(self._parser.feed(chunk[start : start + _BYTES_AT_ONCE])):
                    yield delta
            until = self._wait_until()
            chunk = await (more() if until is None or ended() else self._by(until, more))
        yield self._rest()
        self._close()

    def _joined(self, events: Iterator[Event]) -> Iterator[TextDelta]:
        """Yields the text of events that came together: up to each with a mark, while marks are looked for, and all."""
        info, marked = self._info, True
        while marked:
            passes, taken, marked = info.passes, list[TextDelta](), False
            try:
                for event in events:
                    taken.append(delta := self._take(event))
                    if passes and passes(delta, info):
                        marked = True
                        break
            except (faults.UpstreamError, ReportedError):
                # The text before an error is the caller's.
                if passes and taken:
                    yield joined(taken)
                raise
            yield joined(taken)

    async def _by(self, until: float, more: More) -> bytes | None:
        """Returns the next chunk; None at the end, or if none comes by `until`, in the loop's time."""
        try:
            async with asyncio.timeout_at(until):
                return await more()
        except TimeoutError:
            if not self._info.usage:
                self._usage_wait.missed()
        except faults.UpstreamError:
            self._broken = True
        return None

    def _wait_until(self) -> float | None:
        """Returns the time up to which to wait for more, in the loop's time; None before the text has ended."""
        info = self._info
        if self._until is not None:
            return self._until
        if self._done:
            seconds = _REUSE_SECONDS
        elif info.finish_reason == finish_reasons.NOT_GIVEN:
            return None
        else:
            counted = info.usage and (self._counted_last or not info.ended_with_text)
            seconds = _END_SECONDS if counted else self._usage_wait.seconds
        self._until = asyncio.get_running_loop().time() + seconds
        return self._until

    def _take(self, event: Event) -> TextDelta:
        info, done, before = self._info, self._done, self._info.usage
        finished = info.finish_reason != finish_reasons.NOT_GIVEN
        self._has_events = True
        kind, data = event
        unusual = kind or len(data) < _LONGEST_MARK or "\n" in data
        delta = self._unusual(kind, data) if unusual else self._read(data)
        self._done |= self._reader.done
        counted = info.usage is not before
        if counted and finished:
            self._usage_wait.came()
        if delta != NOTHING or counted or self._done != done:
            # After each useful event the wait begins anew.
            self._until = None
            self._counted_last = counted and finished
        return delta

    def _unusual(self, kind: str, data: str) -> TextDelta:
        """Returns the text of an event with a kind, without much data, or with several lines of it."""
        kind = kind.lower()
        if ERROR in kind or "exception" in kind:
            raise ReportedError(read_error(data))
        if kind in _NO_TEXT:
            return NOTHING
        if "\n" in data and not is_json(data):
            # Some providers leave out the blank lines between events.
            return joined([self._unusual("", line) for line in data.split("\n") if line])
        if len(data) < _LONGEST_MARK:
            mark = data.strip(' "').lower()
            self._done |= mark == _DONE
            if mark == _DONE or mark in _NOTHING or mark in _NO_TEXT:
                return NOTHING
        return self._read(data)

    def _read(self, data: str) -> TextDelta:
        try:
            return self._reader.event(data)
        except faults.UpstreamError:
            # After the end mark, nothing needs to be understood.
            if not self._done:
                raise
        return NOTHING

    def _rest(self) -> TextDelta:
        """Returns the text that only the end of the stream settles."""
        delta = NOTHING
        try:
            delta = joined([self._take(event) for event in self._parser.close()])
        except faults.UpstreamError as error:
            if error.reason != faults.MALFORMED:
                raise
            # A broken connection leaves a part of an event.
            self._broken = True
        return joined([delta, self._reader.end()])

    def _close(self) -> None:
        """Checks that the stream may end here."""
        info = self._info
        if not self._has_events and self._kind not in {"text/event-stream", ""}:
            kind = "something else" if "json" in self._kind else self._kind[:40]
            raise faults.malformed(f"{kind} instead of JSON or events")
        ended = self._done or info.finish_reason != finish_reasons.NOT_GIVEN or (info.went_on and not self._broken)
        if not ended:
            raise faults.unavailable("ended the stream before the model had finished")
        if (self._broken or info.went_on) and not self._done and info.ended_with_text:
            # More may have been on its way. A reason that each event has says nothing.
            info.at_best = finish_reasons.less_whole(info.at_best, finish_reasons.UNKNOWN)


def has_lines(text: str) -> bool:
    """Returns whether a body that begins as JSON has one object a line, such as an error before a stream."""
    first, _, rest = text.strip().partition("\n")
    return first.startswith("{") and bool(rest.strip()) and is_json(first)
