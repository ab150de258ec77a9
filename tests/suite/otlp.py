"""An OTLP receiver in threads of its own, and what Prometheus makes of the metrics that it got."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import Span

# Of the units that there are; those in braces are no part of a name.
_UNITS: Final = {"s": "_seconds"}
Exported = dict[str, dict[str, set[str]]]
"""By the name of a series in Prometheus, its labels and the values that each has."""


@dataclass
class Received:
    """What came.

    Attributes:
        metrics: The requests with metrics, in their order.
        spans: The spans, in their order.
    """

    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


class _Metrics(MetricsServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    def Export(
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        self._received.metrics.append(request)
        return ExportMetricsServiceResponse()


class _Traces(TraceServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    def Export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self._received.spans.extend(scope.spans)
        return ExportTraceServiceResponse()


@contextmanager
def receiver() -> Iterator[tuple[str, Received]]:
    """Takes traces and metrics; yields the endpoint, HOST:PORT, and what came."""
    received = Received()
    server = grpc.server(ThreadPoolExecutor(4))
    add_MetricsServiceServicer_to_server(_Metrics(received), server)  # type: ignore[no-untyped-call]  # generated
    add_TraceServiceServicer_to_server(_Traces(received), server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", received
    finally:
        server.stop(None).wait()


def in_prometheus(requests: list[ExportMetricsServiceRequest]) -> Exported:
    """Returns what the Collector's Prometheus exporter makes of metrics, with resource attributes as labels."""
    exported: Exported = {}
    for request in requests:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    _add(exported, resource, metric)
    return exported


def _add(exported: Exported, resource: ResourceMetrics, metric: Metric) -> None:
    name = _name(metric.name) + _UNITS.get(metric.unit, "")
    kind = metric.WhichOneof("data")
    assert metric.unit in _UNITS or metric.unit.startswith("{"), f"{metric.name}: what Prometheus calls {metric.unit}?"
    points: list[HistogramDataPoint | NumberDataPoint] = []
    if kind == "histogram":
        names = [f"{name}_{part}" for part in ("bucket", "sum", "count")]
        points.extend(metric.histogram.data_points)
    elif kind == "sum":
        assert metric.sum.is_monotonic
        names = [f"{name}_total"]
        points.extend(metric.sum.data_points)
    else:
        assert kind == "gauge"
        names = [name]
        points.extend(metric.gauge.data_points)
    for point in points:
        labels = _labels(resource.resource.attributes) | _labels(point.attributes)
        labels |= {"job": labels["service_name"], "instance": labels["service_instance_id"]}
        for each in names:
            known = exported.setdefault(each, {"le": set()} if each.endswith("_bucket") else {})
            for label, value in labels.items():
                known.setdefault(label, set()).add(value)


def _labels(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {_name(each.key): each.value.string_value for each in attributes}


def _name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
