"""The observer of a generation: one span and one measurement, whatever comes after the end."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from lightrouter.adapter import instruments as i
from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.telemetry import CallMetrics, CallObserver
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.errors import Spent
from lightrouter.runtime.telemetry.capture import NOTHING
from lightrouter.runtime.telemetry.metrics import Metrics
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.chat_pb2 import Sampling, Usage
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from tests.measured import values

ENTRY = CandidateEntry.model_validate({"name": "fast", "base_url": "http://h/v1", "model": "tiny"})
REQUEST = ProviderRequest([], Sampling(), 8)
SPENT = Spent(Usage(), 0)
BOOT = ("chat", "openai", "tiny", "fast", "boot")


class Observed:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        metrics = CallMetrics(Metrics(Resource.create({}), self.reader).meter("1"))
        self.observer = CallObserver(provider.get_tracer("test"), metrics, NOTHING, ENTRY, STAGE_BOOT, "")


@pytest.fixture
def observed() -> Observed:
    return Observed()


def test_a_reader_that_leaves_after_the_result_makes_no_failure_of_it(observed: Observed) -> None:
    observed.observer.delivered(REQUEST, GenerationResult(attempts=1), "Hello", [], None)
    observed.observer.failed(REQUEST, GeneratorExit(), SPENT, 1)
    (span,) = observed.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.UNSET
    assert values(observed.reader, i.CALL_DURATION) == {(*BOOT, ""): 1}


def test_a_failure_is_recorded_once(observed: Observed) -> None:
    for _ in range(2):
        observed.observer.failed(REQUEST, RuntimeError(), SPENT, 1)
    (span,) = observed.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert values(observed.reader, i.CALL_DURATION) == {(*BOOT, "INTERNAL"): 1}


def test_a_call_without_an_attempt_has_a_span_and_no_measurement(observed: Observed) -> None:
    observed.observer.failed(REQUEST, RuntimeError(), SPENT, 0)
    assert len(observed.spans.get_finished_spans()) == 1
    assert values(observed.reader, i.CALL_DURATION) == {}
