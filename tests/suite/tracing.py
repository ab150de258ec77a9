"""What the tests of traces stand on: a recorder of all spans, and the tree that they make."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, format_trace_id

from lightrouter.runtime.telemetry import names

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_SPAN = 0x00F067AA0BA902B7
CALLER = (("traceparent", f"00-{TRACE_ID}-{CALLER_SPAN:016x}-01"),)


class Recorder(SpanProcessor):
    """Keeps the spans of all services, also those that have begun and not ended."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []
        self.open: dict[int, str] = {}
        """Names of the spans that have not ended, by id."""
        self._closed = asyncio.Event()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.open[span.get_span_context().span_id] = span.name
        self._closed.clear()

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)
        assert span.context
        del self.open[span.context.span_id]
        if not self.open:
            self._closed.set()

    async def tree(self) -> Tree:
        """Returns the tree of all spans, once each that has begun has ended.

        Raises:
            AssertionError: One stays open.
        """
        try:
            await asyncio.wait_for(self._closed.wait(), 600)
        except TimeoutError:
            raise AssertionError(f"spans that nobody ends: {sorted(self.open.values())}") from None
        return Tree(self.ended)


@dataclass
class Tree:
    """Spans of one trace, whose parents are all there but that of the caller's."""

    spans: Sequence[ReadableSpan]
    _by_id: dict[int, ReadableSpan] = field(init=False)

    def __post_init__(self) -> None:
        self._by_id = {span.context.span_id: span for span in self.spans if span.context}
        assert len(self._by_id) == len(self.spans)
        orphans = [span.name for span in self.spans if not self.parent(span) and parent_id(span) != CALLER_SPAN]
        assert not orphans, f"spans without their parent: {orphans}"
        assert {format_trace_id(span.context.trace_id) for span in self.spans if span.context} == {TRACE_ID}

    def parent(self, span: ReadableSpan) -> ReadableSpan | None:
        """Returns the span above."""
        return self._by_id.get(parent_id(span))

    def one(self, name: str) -> ReadableSpan:
        """Returns the one span of this name."""
        (found,) = self.named(name)
        return found

    def named(self, name: str) -> list[ReadableSpan]:
        """Returns the spans of this name."""
        return [span for span in self.spans if span.name == name]

    def chats(self, stage: str = "") -> list[ReadableSpan]:
        """Returns the model calls, of one stage or of all."""
        calls = [span for span in self.spans if span.name.startswith("chat ")]
        return [span for span in calls if not stage or attribute(span, names.STAGE) == stage]

    def stage_of(self, span: ReadableSpan) -> ReadableSpan | None:
        """Returns the nearest span above that is no call between services."""
        above = self.parent(span)
        while above and above.kind is not SpanKind.INTERNAL:
            above = self.parent(above)
        return above

    def below(self, name: str) -> Counter[str]:
        """Returns the names of what is below the spans of this name, calls between services left out."""
        found: Counter[str] = Counter()
        for span in self.spans:
            above = self.stage_of(span)
            if span.kind is SpanKind.INTERNAL and above and above.name == name:
                found[span.name] += 1
        return found

    def pairs(self) -> Iterator[tuple[ReadableSpan, ReadableSpan]]:
        """Yields each span with the one above it."""
        for span in self.spans:
            if above := self.parent(span):
                yield above, span


def parent_id(span: ReadableSpan) -> int:
    """Returns the id of the span above; 0 if there is none."""
    return span.parent.span_id if span.parent else 0


def attribute(span: ReadableSpan, name: str) -> object:
    """Returns an attribute; None if the span does not have it."""
    return (span.attributes or {}).get(name)


def events(span: ReadableSpan, name: str) -> list[dict[str, object]]:
    """Returns the attributes of the span's events of this name."""
    return [dict(event.attributes or {}) for event in span.events if event.name == name]


def covers(outer: ReadableSpan, inner: ReadableSpan) -> bool:
    """Returns whether `inner` begins and ends within `outer`."""
    begin, end = outer.start_time or 0, outer.end_time or 0
    return begin <= (inner.start_time or 0) <= (inner.end_time or 0) <= end


def overlap(spans: Sequence[ReadableSpan]) -> bool:
    """Returns whether there was a moment at which all of them ran."""
    return max(span.start_time or 0 for span in spans) < min(span.end_time or 0 for span in spans)
