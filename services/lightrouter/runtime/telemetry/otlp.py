"""Encodes spans as OTLP messages at a fraction of the cost of the SDK's encoder.

Most attributes of a span repeat those of the span before it: caller, method, status. So an attribute with a short text
or a small number is encoded once and then copied. The message is built in place, since all spans have one resource and
one scope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeGuard

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import AttributeValue

# Choices: names and labels repeat and are short; at most some megabytes are kept.
_LONGEST_KEPT: Final = 64
_MOST_TEXTS: Final = 16
_LARGEST_KEPT: Final = 16
_MOST_KEPT: Final = 4096
_LOCAL: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMOTE: Final = _LOCAL | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


class SpanExporter(OTLPSpanExporter):
    """The SDK's exporter with the encoder of this module."""

    def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
        return encode(data)


def encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """Returns the message for spans of one resource and one scope; at least one."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    resource, scope = spans[0].resource, spans[0].instrumentation_scope
    of_resource.resource.CopyFrom(Resource(attributes=_attributes(resource.attributes)))
    of_resource.schema_url = resource.schema_url
    of_scope = of_resource.scope_spans.add()
    if scope:
        of_scope.scope.CopyFrom(InstrumentationScope(name=scope.name, version=scope.version or ""))
    for span in spans:
        if span.context:
            _add(of_scope.spans.add(), span, span.context)
    return request


def _add(message: Span, span: ReadableSpan, context: SpanContext) -> None:
    message.trace_id = context.trace_id.to_bytes(16, "big")
    message.span_id = context.span_id.to_bytes(8, "big")
    message.flags = _LOCAL
    if span.parent:
        message.parent_span_id = span.parent.span_id.to_bytes(8, "big")
        if span.parent.is_remote:
            message.flags = _REMOTE
    if context.trace_state:
        message.trace_state = context.trace_state.to_header()
    message.name = span.name
    message.kind = span.kind.value + 1  # type: ignore[assignment]  # OTLP's kinds are the SDK's plus one
    message.start_time_unix_nano = span.start_time or 0
    message.end_time_unix_nano = span.end_time or 0
    _say(message, span.attributes or {})
    for event in span.events:
        _say(message.events.add(name=event.name, time_unix_nano=event.timestamp), event.attributes or {})
    for link in span.links:
        trace_id, span_id = link.context.trace_id.to_bytes(16, "big"), link.context.span_id.to_bytes(8, "big")
        message.links.add(trace_id=trace_id, span_id=span_id, flags=_REMOTE if link.context.is_remote else _LOCAL)
    message.status.code = span.status.status_code.value  # type: ignore[assignment]  # OTLP's codes are the SDK's
    if span.status.description:
        message.status.message = span.status.description


def _say(message: Span | Span.Event, attributes: Mapping[str, AttributeValue]) -> None:
    kept, of_span = [], isinstance(message, Span)
    for key, value in attributes.items():
        if _is_short(value):
            kept.append(_field(key, value, of_span))
        else:
            _set(message.attributes.add(key=key).value, value)
    message.MergeFromString(b"".join(kept))


def _is_short(value: AttributeValue) -> TypeGuard[str | int | tuple[str, ...]]:
    """Tells whether the value is a short text or a few, a small number, or true or false, which probably repeat."""
    if isinstance(value, str):
        return len(value) <= _LONGEST_KEPT
    if isinstance(value, int):
        return 0 <= value <= _LARGEST_KEPT
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], str) and len(value) <= _MOST_TEXTS


# Typed, because 1 equals true.
@lru_cache(_MOST_KEPT, typed=True)
def _field(key: str, value: str | int | tuple[str, ...], of_span: bool) -> bytes:
    """Returns an attribute of a span or an event, encoded; merging that costs less than building it in the message."""
    kind = Span if of_span else Span.Event
    return kind(attributes=_attributes({key: value})).SerializeToString()


def _attributes(attributes: Mapping[str, AttributeValue]) -> list[KeyValue]:
    found = []
    for key, value in attributes.items():
        found.append(KeyValue(key=key))
        _set(found[-1].value, value)
    return found


def _set(message: AnyValue, value: AttributeValue) -> None:
    # bool is a subclass of int.
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int_value = value
    elif isinstance(value, float):
        message.double_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, Sequence):
        message.array_value.SetInParent()
        for each in value:
            _set(message.array_value.values.add(), each)
