"""Queues ended spans for their exporter: bounded in memory and time, with a count of lost spans."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_log = logging.getLogger(__name__)
# A choice: the spans of some 400 routes; a collector that is away longer loses spans, not calls.
_MOST_SPANS: Final = 8192
# A choice: encoding a large batch would block the interpreter, and so every call, for tens of milliseconds.
_BATCH_SPANS: Final = 64
_DELAY_SECONDS: Final = 1.0
_FLUSH_SECONDS: Final = 3.0


class SpanQueue(SpanProcessor):
    """Exports spans in batches from its own thread; ending a span never blocks.

    The SDK's BatchSpanProcessor does the same, but may take 30 s to shut down, longer than a pod has, and does not
    report how many spans it dropped.
    """

    def __init__(
        self, exporter: SpanExporter, most_spans: int = _MOST_SPANS, flush_seconds: float = _FLUSH_SECONDS
    ) -> None:
        """Exports with `exporter`, and shuts it down at the end.

        Args:
            exporter: Receives the spans.
            most_spans: Maximum of waiting spans; further ones are dropped.
            flush_seconds: Maximum seconds that the shutdown exports waiting spans.
        """
        self._exporter = exporter
        self._most = most_spans
        self._flush_seconds = flush_seconds
        self._waiting: deque[ReadableSpan] = deque()
        self._refused = 0
        self._failed = 0
        self._stopped = self._given_up = False
        self._awake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="span-export", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """The number of spans lost so far, because the queue was full or their export failed."""
        return self._refused + self._failed

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Does nothing; a span is exported when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queues an ended span, or drops it if the queue is full."""
        if self._stopped or len(self._waiting) >= self._most:
            if not self._refused:
                _log.warning("spans are dropped: %d wait to be exported already", len(self._waiting))
            self._refused += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= _BATCH_SPANS and not self._awake.is_set():
            self._awake.set()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Returns whether the queue is empty; waiting spans are exported within a second anyway."""
        del timeout_millis
        return not self._waiting

    def shutdown(self) -> None:
        """Exports the waiting spans within the flush time; drops the rest."""
        if self._stopped:
            return
        self._stopped = True
        self._awake.set()
        self._thread.join(self._flush_seconds)
        self._given_up = True
        self._refused += len(self._waiting)
        self._exporter.shutdown()
        # A running export ends now and counts.
        self._thread.join(self._flush_seconds)
        if self.dropped:
            _log.warning("%d spans were not exported", self.dropped)

    def _work(self) -> None:
        while not self._stopped:
            full = self._awake.wait(_DELAY_SECONDS)
            self._awake.clear()
            self._drain(_BATCH_SPANS if full else 1)
        self._drain(1)

    def _drain(self, least: int) -> None:
        """Exports the waiting spans in batches, while at least `least` wait."""
        while len(self._waiting) >= least and not self._given_up:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH_SPANS, len(self._waiting)))]
            if not self._export(batch):
                self._failed += len(batch)

    def _export(self, batch: list[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 - no fault of an exporter may end the thread
            _log.exception("spans cannot be exported")
            return False
