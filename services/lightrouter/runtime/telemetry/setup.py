"""OpenTelemetry for a service: tracer and meter, the export over OTLP, and the trace context over gRPC metadata."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import version

from opentelemetry import context, propagate, trace
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

from lightrouter.runtime.otlptarget import Target, target
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.runtime.telemetry.instruments import TELEMETRY_DROPPED, Values
from lightrouter.runtime.telemetry.metrics import Metrics, observe_sums, otlp_reader
from lightrouter.runtime.telemetry.spanqueue import SpanQueue

Metadata = tuple[tuple[str, str], ...]
IncomingMetadata = Iterable[tuple[str, str | bytes]]


class _MetadataGetter(Getter[dict[str, str]]):
    def get(self, carrier: dict[str, str], key: str) -> list[str] | None:
        value = carrier.get(key)
        return None if value is None else [value]

    def keys(self, carrier: dict[str, str]) -> list[str]:
        return list(carrier)


_GETTER = _MetadataGetter()
_REFERENCE = re.compile("([0-9a-f]{32})-([0-9a-f]{16})")
_PROPAGATED = frozenset({"traceparent", "tracestate", "baggage"})


def incoming_context(metadata: IncomingMetadata | None) -> context.Context | None:
    """Returns the trace context that a caller sent, or None if it sent none."""
    carrier = {key: value for key, value in metadata or () if key in _PROPAGATED and isinstance(value, str)}
    return propagate.extract(carrier, getter=_GETTER) if carrier else None


def outgoing_metadata(around: context.Context | None = None) -> Metadata:
    """Returns a trace context, by default the current one, as gRPC metadata (W3C traceparent, tracestate, baggage)."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, around)
    return tuple(carrier.items())


def span_reference(span: trace.Span) -> str:
    """Returns trace and span id for `link_to`, in hexadecimal digits; empty if the span is not recorded."""
    if not span.is_recording():
        return ""
    known = span.get_span_context()
    return f"{trace.format_trace_id(known.trace_id)}-{trace.format_span_id(known.span_id)}"


def link_to(reference: str) -> list[trace.Link]:
    """Returns a list with the link to the span of a reference; empty if the reference is not valid."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return []
    sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return [trace.Link(trace.SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=sampled))]


class Telemetry:
    """The tracer and the meter of one service.

    Without a span processor no span is recorded, but each request still has a trace id that joins its log lines.
    Without a reader no metric is collected.
    """

    def __init__(
        self,
        service_name: str,
        spans: SpanProcessor | None,
        sampling_ratio: float | None = None,
        reader: MetricReader | None = None,
        capture: TextCapture = NOTHING,
    ) -> None:
        """Builds the tracer and the meter.

        Args:
            service_name: The service, as traces and metrics name it.
            spans: Receives each span; shut down at the end.
            sampling_ratio: Share of the traced requests, 0 to 1, if the caller has not decided; None: as
                OTEL_TRACES_SAMPLER says, else all.
            reader: Collects the metrics; shut down at the end.
            capture: Puts texts on spans.
        """
        self.capture = capture
        release = version("lightrouter")
        ratio = None if sampling_ratio is None else ParentBased(TraceIdRatioBased(sampling_ratio))
        sampler = ratio if spans else ALWAYS_OFF
        resource = Resource.create({"service.name": service_name, "service.version": release})
        self._metrics = Metrics(resource, reader) if reader else None
        self.meter: Meter = self._metrics.meter(release) if self._metrics else NoOpMeter("lightrouter")
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        if spans:
            self._provider.add_span_processor(spans)
        self.tracer: trace.Tracer = self._provider.get_tracer("lightrouter", release)

    @property
    def measures(self) -> bool:
        """Whether a reader collects the metrics."""
        return self._metrics is not None

    def shutdown(self) -> None:
        """Exports the remaining spans and metrics, within the time limits of processor and reader, and stops."""
        # Concurrently: a pod that ends has no time for one after the other.
        others = [threading.Thread(target=self._metrics.shutdown)] if self._metrics else []
        for other in others:
            other.start()
        self._provider.shutdown()
        for other in others:
            other.join()


def open_telemetry(service_name: str, settings: ServiceSettings, environment: Mapping[str, str]) -> Telemetry:
    """Returns the tracer and the meter of a service; they export to where its settings or `environment` say.

    Raises:
        TargetError: They cannot be exported there.
    """
    spans = otlp_spans(target("traces", settings.otlp_endpoint, settings.otlp_protocol, environment))
    failed_exports = 0

    def failed() -> None:
        nonlocal failed_exports
        failed_exports += 1

    def dropped() -> Mapping[Values, int]:
        return {("spans",): spans.dropped if spans else 0, ("metrics",): failed_exports}

    metrics = target("metrics", settings.metrics_endpoint, settings.otlp_protocol, environment)
    reader = otlp_reader(metrics, settings.metrics_interval_seconds, failed) if metrics else None
    capture = TextCapture(settings.capture_text_characters) if settings.capture_text else NOTHING
    name = environment.get("OTEL_SERVICE_NAME") or service_name
    telemetry = Telemetry(name, spans, settings.sampling_ratio, reader, capture)
    observe_sums(telemetry.meter, TELEMETRY_DROPPED, dropped)
    return telemetry


def otlp_spans(to: Target | None) -> SpanQueue | None:
    """Returns the span queue to a target; None for None."""
    if to is None:
        return None
    # Imported here, so that a service without an endpoint does not pay for it.
    if to.protocol == "http/protobuf":
        from lightrouter.runtime.telemetry.otlphttp import HttpSpanExporter, Sender

        return SpanQueue(HttpSpanExporter(Sender(to)))
    from lightrouter.runtime.telemetry.otlp import SpanExporter

    headers = tuple(to.headers.items())
    return SpanQueue(SpanExporter(endpoint=to.url, insecure=not to.url.startswith("https://"), headers=headers))
