"""The encoder says of a span what the SDK's says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

from lightrouter.runtime.telemetry.otlp import encode

RESOURCE = Resource({"service.name": "router", "k8s.pod.name": "r-1"}, schema_url="https://schema")

numbers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(max_size=80)
values: st.SearchStrategy[AttributeValue] = st.one_of(
    texts,
    st.booleans(),
    numbers,
    st.floats(allow_nan=False),
    st.lists(texts, max_size=20).map(tuple),
    st.lists(st.booleans(), max_size=2).map(tuple),
    st.lists(st.integers(0, 1), max_size=2).map(tuple),
)
# Few keys, so that what is kept of one value would be met by another.
attributes = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), values)
moments = st.integers(0, 2**63 - 1)


@st.composite
def contexts(draw: st.DrawFn) -> SpanContext:
    state = TraceState(draw(st.sampled_from([[], [("v", "1")], [("v", "1"), ("w", "2")]])))
    ids = draw(st.integers(1, 2**128 - 1)), draw(st.integers(1, 2**64 - 1))
    return SpanContext(*ids, draw(st.booleans()), TraceFlags(TraceFlags.SAMPLED), state)


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    code = draw(st.sampled_from(StatusCode))
    return Status(code, draw(texts) if code is StatusCode.ERROR else None)


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    return ReadableSpan(
        name=draw(texts),
        context=draw(contexts()),
        parent=draw(st.none() | contexts()),
        resource=RESOURCE,
        attributes=draw(attributes),
        events=[Event(draw(texts), draw(attributes), draw(moments)) for _ in range(draw(st.integers(0, 2)))],
        links=[Link(draw(contexts()), {}) for _ in range(draw(st.integers(0, 2)))],
        kind=draw(st.sampled_from(SpanKind)),
        status=draw(statuses()),
        start_time=draw(moments),
        end_time=draw(moments),
        instrumentation_scope=InstrumentationScope("lightrouter", "1.0"),
    )


def in_order(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Returns the message with the attributes of spans and events by name: their order says nothing."""
    spans = of(request)
    of_events = [event.attributes for span in spans for event in span.events]
    for attributes in [*(span.attributes for span in spans), *of_events]:
        ordered = sorted(attributes, key=lambda each: each.key)
        del attributes[:]
        attributes.extend(ordered)
    return request


def of(request: ExportTraceServiceRequest) -> list[Span]:
    return list(request.resource_spans[0].scope_spans[0].spans)


@given(st.lists(spans(), min_size=1, max_size=3))
def test_it_encodes_as_the_sdk_does(ended: list[ReadableSpan]) -> None:
    assert in_order(encode(ended)) == in_order(encode_spans(ended))
