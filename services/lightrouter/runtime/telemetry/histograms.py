"""Histograms that cost a route little, exported through the SDK's readers.

The SDK's histogram takes some ten microseconds for each value, and a route of eight calls records three dozen. So this
module keeps the buckets, and adds them to what the SDK collects. Exemplars are kept as the SDK keeps them: for each
bucket the last value that a recorded span saw since the last export.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import replace
from typing import Any, Final, cast

from opentelemetry.metrics import (
    Counter,
    Meter,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    MetricReader,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Histogram as Points
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, get_current_span

from lightrouter.runtime.telemetry.instruments import Instrument, Values, attributes

MOST_SERIES: Final = 10_000
"""The series of a metric. A choice: enough for a whole pool in every stage with every type of tokens."""
# The attribute of the series that has the values of all beyond the limit (OpenTelemetry's SDK specification).
_OVERFLOW: Final = {"otel.metric.overflow": True}
# The SDK's default.
_COLLECT_MILLIS: Final = 10_000.0


class Histogram:
    """Numbers of values by bucket, for each combination of attributes."""

    def __init__(self, instrument: Instrument) -> None:
        """Has no series; the instrument has the buckets."""
        self._instrument = instrument
        self._series: dict[Values | None, _Series] = {}

    def record(self, value: float, *values: str) -> None:
        """Records a value under the values of the instrument's attributes, empty for an absent one."""
        series = self._series.get(values) or self._new(values)
        series.add(value)

    def metric(self, now: int) -> Metric | None:
        """Returns all values so far; None without any. Runs in the thread of the reader.

        A value that is recorded meanwhile may be in the sum and not yet in the buckets; the next export has both.
        """
        # A copy is one atomic step, during which no series is added.
        points = [
            series.point(now, _OVERFLOW if values is None else attributes(self._instrument, values))
            for values, series in self._series.copy().items()
        ]
        data = Points(points, AggregationTemporality.CUMULATIVE)
        instrument = self._instrument
        return Metric(instrument.name, instrument.description, instrument.unit, data) if points else None

    def _new(self, values: Values) -> _Series:
        key = values if len(self._series) < MOST_SERIES else None
        return self._series.setdefault(key, _Series(self._instrument.buckets))


class _Series:
    __slots__ = ("_begun", "_bounds", "_buckets", "_least", "_most", "_seen", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._buckets = [0] * (len(bounds) + 1)
        self._seen: dict[int, tuple[float, int, SpanContext]] = {}
        self._sum: float = 0
        self._least, self._most = float("inf"), float("-inf")
        self._begun = time.time_ns()

    def add(self, value: float) -> None:
        bucket = bisect_left(self._bounds, value)
        self._buckets[bucket] += 1
        self._sum += value
        if value < self._least:
            self._least = value
        if value > self._most:
            self._most = value
        span = get_current_span()
        if span.is_recording():
            self._seen[bucket] = value, time.time_ns(), span.get_span_context()

    def point(self, now: int, of: dict[str, Any]) -> HistogramDataPoint:
        seen, self._seen = self._seen, {}
        buckets = self._buckets.copy()
        return HistogramDataPoint(
            attributes=of,
            start_time_unix_nano=self._begun,
            time_unix_nano=now,
            count=sum(buckets),
            sum=self._sum,
            bucket_counts=buckets,
            explicit_bounds=self._bounds,
            min=self._least,
            max=self._most,
            exemplars=[Exemplar({}, value, at, by.span_id, by.trace_id) for value, at, by in seen.values()],
        )


class HistogramMeter(Meter):
    """A meter with the histograms of this module; its other instruments are the SDK's."""

    def __init__(self, meter: Meter, resource: Resource, reader: MetricReader) -> None:
        """Wraps the SDK's `meter` of the service `resource`, and adds its histograms to what `reader` collects."""
        super().__init__(meter.name, meter.version)
        self._meter = meter
        self._resource = resource
        self._histograms: list[Histogram] = []
        # The SDK names the callback but has no public way to set it, and its types are not those of its own callback.
        collect: Any = reader._collect  # noqa: SLF001

        def collected(reader: MetricReader, timeout_millis: float = _COLLECT_MILLIS) -> MetricsData | None:
            return self._added_to(collect(reader, timeout_millis=timeout_millis))

        reader._set_collect_callback(cast("Any", collected))  # noqa: SLF001

    def histogram(self, instrument: Instrument) -> Histogram:
        """Returns the histogram of an instrument; to be called once for each."""
        self._histograms.append(Histogram(instrument))
        return self._histograms[-1]

    def _added_to(self, data: MetricsData | None) -> MetricsData | None:
        """Returns what the SDK has collected, None for nothing, and the histograms."""
        now = time.time_ns()
        found = [metric for histogram in self._histograms if (metric := histogram.metric(now))]
        if not found:
            return data
        if data is None or not data.resource_metrics:
            scope = ScopeMetrics(InstrumentationScope(self.name, self.version), found, "")
            return MetricsData([ResourceMetrics(self._resource, [scope], self._resource.schema_url)])
        # The service has one resource and one scope, which the SDK's encoder takes only once.
        (of_resource,) = data.resource_metrics
        (of_scope,) = of_resource.scope_metrics
        scope = replace(of_scope, metrics=[*of_scope.metrics, *found])
        return MetricsData([replace(of_resource, scope_metrics=[scope])])

    def create_counter(self, *arguments: Any, **more: Any) -> Counter:
        """Returns the SDK's."""
        return self._meter.create_counter(*arguments, **more)

    def create_up_down_counter(self, *arguments: Any, **more: Any) -> UpDownCounter:
        """Returns the SDK's."""
        return self._meter.create_up_down_counter(*arguments, **more)

    def create_observable_counter(self, *arguments: Any, **more: Any) -> ObservableCounter:
        """Returns the SDK's."""
        return self._meter.create_observable_counter(*arguments, **more)

    def create_histogram(self, *arguments: Any, **more: Any) -> SdkHistogram:
        """Returns the SDK's."""
        return self._meter.create_histogram(*arguments, **more)

    def create_observable_gauge(self, *arguments: Any, **more: Any) -> ObservableGauge:
        """Returns the SDK's."""
        return self._meter.create_observable_gauge(*arguments, **more)

    def create_observable_up_down_counter(self, *arguments: Any, **more: Any) -> ObservableUpDownCounter:
        """Returns the SDK's."""
        return self._meter.create_observable_up_down_counter(*arguments, **more)
