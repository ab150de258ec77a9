"""The span queue: bounded, counted, and done within its time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from lightrouter.runtime.telemetry.spanqueue import SpanQueue


class Gate(SpanExporter):
    """Exports once it is opened, with the result that it is given."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.names: list[str] = []
        self.sizes: list[int] = []
        self.waits = threading.Event()
        self.opened = threading.Event()
        self.closed = False
        self._result = result

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.waits.set()
        self.opened.wait(20)
        if isinstance(self._result, Exception):
            raise self._result
        self.names += [span.name for span in spans]
        self.sizes.append(len(spans))
        return self._result

    def shutdown(self) -> None:
        self.closed = True
        self.opened.set()


def end_spans(queue: SpanQueue, count: int) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    for number in range(count):
        tracer.start_span(str(number)).end()


def test_all_are_exported_in_order_and_in_batches() -> None:
    exporter = Gate()
    exporter.opened.set()
    queue = SpanQueue(exporter)
    end_spans(queue, 150)
    queue.shutdown()
    assert exporter.names == [str(number) for number in range(150)]
    assert max(exporter.sizes) <= 64
    assert queue.dropped == 0
    assert exporter.closed


def test_a_few_are_exported_without_a_shutdown() -> None:
    exporter = Gate()
    queue = SpanQueue(exporter)
    end_spans(queue, 1)
    assert exporter.waits.wait()
    exporter.opened.set()
    queue.shutdown()
    assert exporter.names == ["0"]


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    exporter = Gate()
    queue = SpanQueue(exporter, most_spans=100)
    end_spans(queue, 1)
    assert exporter.waits.wait()
    # One span is with the exporter, which hangs; a hundred may wait.
    end_spans(queue, 130)
    assert queue.dropped == 30
    exporter.opened.set()
    queue.shutdown()
    assert len(exporter.names) == 101
    assert queue.dropped == 30


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, OSError("no network")], ids=["failure", "defect"])
def test_what_the_exporter_fails_with_is_counted(result: SpanExportResult | Exception) -> None:
    exporter = Gate(result)
    exporter.opened.set()
    queue = SpanQueue(exporter)
    end_spans(queue, 70)
    queue.shutdown()
    assert queue.dropped == 70


def test_a_shutdown_does_not_wait_for_an_exporter_that_hangs() -> None:
    exporter = Gate()
    queue = SpanQueue(exporter, flush_seconds=0.05)
    end_spans(queue, 64)
    assert exporter.waits.wait()
    end_spans(queue, 10)
    queue.shutdown()
    assert exporter.closed
    assert queue.dropped == 10
    end_spans(queue, 1)
    assert queue.dropped == 11
    queue.shutdown()
