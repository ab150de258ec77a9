"""References from one span to another, sampling, the resource, and what goes on with a trace."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import INVALID_SPAN

from lightrouter.runtime.telemetry.setup import Telemetry, incoming_context, link_to, outgoing_metadata, span_reference


def test_a_reference_leads_back_to_its_span() -> None:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("boot")
    known = span.get_span_context()
    (link,) = link_to(span_reference(span))
    assert (link.context.trace_id, link.context.span_id) == (known.trace_id, known.span_id)
    assert link.context.is_remote
    span.end()


def test_a_span_that_is_not_recorded_has_none() -> None:
    assert span_reference(INVALID_SPAN) == ""


@pytest.mark.parametrize("reference", ["", "-", f"{1:032x}-{1:016x}-01", f"{1:032X}-{10:016X}", "x" * 49])
def test_an_invalid_reference_links_to_nothing(reference: str) -> None:
    assert link_to(reference) == []


class Kept(SpanProcessor):
    """Keeps the names of the spans that were recorded."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def called(flags: str) -> Context | None:
    """Returns the context of a caller that decided so."""
    return incoming_context((("traceparent", f"00-{7:032x}-{9:016x}-{flags}"), ("baggage", "team=blue")))


def recorded(ratio: float | None, around: Context | None = None, requests: int = 200) -> int:
    """Returns the number of recorded requests."""
    kept = Kept()
    telemetry = Telemetry("test", kept, ratio)
    for _ in range(requests):
        telemetry.tracer.start_span("request", around).end()
    telemetry.shutdown()
    return len(kept.ended)


def test_the_ratio_decides_where_the_caller_has_not() -> None:
    assert recorded(0.0) == 0
    assert recorded(1.0) == 200
    # Trace ids are random: 1000 times 0.3 is within 0.2 and 0.4 but once in 10^11 times.
    assert 200 <= recorded(0.3, requests=1000) <= 400


@pytest.mark.parametrize(
    ("sampler", "argument", "flags", "count"),
    [
        ("", "", None, 200),
        ("always_off", "", None, 0),
        ("always_off", "", "01", 0),
        ("always_on", "", "00", 200),
        ("parentbased_always_off", "", None, 0),
        ("parentbased_always_off", "", "01", 200),
        ("traceidratio", "0", None, 0),
        ("parentbased_traceidratio", "0.0", None, 0),
        ("parentbased_traceidratio", "1", None, 200),
    ],
)
def test_the_standard_variable_names_the_sampler_without_a_ratio(
    monkeypatch: pytest.MonkeyPatch, sampler: str, argument: str, flags: str | None, count: int
) -> None:
    if sampler:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    around = called(flags) if flags else None
    assert recorded(None, around) == count
    assert recorded(1.0) == 200


@pytest.mark.parametrize(("flags", "count"), [("01", 200), ("00", 0)])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_a_caller_decides_for_its_trace(flags: str, count: int, ratio: float) -> None:
    assert recorded(ratio, called(flags)) == count


def test_a_request_without_a_processor_has_a_trace_id_and_is_not_recorded() -> None:
    span = Telemetry("test", None).tracer.start_span("request")
    assert not span.is_recording()
    assert span.get_span_context().trace_id


def test_the_pod_s_resource_is_on_every_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=router-1,k8s.namespace.name=prod,service.name=other")
    kept = Kept()
    telemetry = Telemetry("lightrouter-router", kept)
    telemetry.tracer.start_span("request").end()
    telemetry.shutdown()
    attributes = kept.ended[0].resource.attributes
    assert attributes["service.name"] == "lightrouter-router"
    assert attributes["service.version"] == version("lightrouter")
    assert (attributes["k8s.pod.name"], attributes["k8s.namespace.name"]) == ("router-1", "prod")


def test_baggage_and_trace_state_go_on_with_the_trace() -> None:
    around = incoming_context(
        (("traceparent", f"00-{7:032x}-{9:016x}-01"), ("tracestate", "v=1"), ("baggage", "team=blue"), ("other", "x"))
    )
    sent = dict(outgoing_metadata(around))
    assert sent["traceparent"] == f"00-{7:032x}-{9:016x}-01"
    assert (sent["tracestate"], sent["baggage"]) == ("v=1", "team=blue")
    assert set(sent) == {"traceparent", "tracestate", "baggage"}
