"""Histograms: what they export is what the SDK's own would, for every reader."""

from __future__ import annotations

from typing import Final

import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    MetricsData,
)
from opentelemetry.sdk.metrics.export import Histogram as Points
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from lightrouter.runtime.telemetry import histograms
from lightrouter.runtime.telemetry.instruments import Instrument
from lightrouter.runtime.telemetry.metrics import Metrics, Tally, histogram

SECONDS: Final = Instrument("call.seconds", "s", "Seconds of a call.", ("name", "error"), (0.5, 1.0, 2.0))
CALLS: Final = Instrument("calls", "{call}", "Calls.", ("name",))
# On a bound, below the first, beyond the last, whole numbers and fractions.
RECORDED: Final = [(0.5, "a", ""), (0.1, "a", ""), (1.0, "a", ""), (7, "a", ""), (1.5, "b", "gone"), (0, "b", "gone")]


def collected(reader: InMemoryMetricReader) -> dict[str, Metric]:
    data = reader.get_metrics_data()
    assert data is None or isinstance(data, MetricsData)
    found = [
        metric
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    assert len({metric.name for metric in found}) == len(found)
    return {metric.name: metric for metric in found}


def points(metric: Metric) -> dict[str, HistogramDataPoint]:
    assert isinstance(metric.data, Points)
    return {str(sorted((point.attributes or {}).items())): point for point in metric.data.data_points}


def of_sdk(reader: InMemoryMetricReader) -> api.Histogram:
    return (
        MeterProvider([reader])
        .get_meter("test")
        .create_histogram(
            SECONDS.name,
            unit=SECONDS.unit,
            description=SECONDS.description,
            explicit_bucket_boundaries_advisory=SECONDS.buckets,
        )
    )


def test_an_export_is_the_sdk_s() -> None:
    ours, theirs = InMemoryMetricReader(), InMemoryMetricReader()
    mine, sdk = histogram(Metrics(Resource.create({}), ours).meter("1"), SECONDS), of_sdk(theirs)
    assert isinstance(mine, histograms.Histogram)
    tracer = TracerProvider().get_tracer("test")
    # Exemplars are those since the last export, all else is since the start.
    for _ in range(2):
        with tracer.start_as_current_span("call") as span:
            for value, *values in RECORDED:
                mine.record(value, *values)
                sdk.record(value, {key: text for key, text in zip(SECONDS.attributes, values, strict=True) if text})
        got, wanted = collected(ours)[SECONDS.name], collected(theirs)[SECONDS.name]
        assert (got.unit, got.description) == (wanted.unit, wanted.description)
        assert isinstance(got.data, Points)
        assert got.data.aggregation_temporality == AggregationTemporality.CUMULATIVE
        assert points(got).keys() == points(wanted).keys()
        for key, point in points(got).items():
            other = points(wanted)[key]
            assert list(point.bucket_counts) == list(other.bucket_counts)
            assert list(point.explicit_bounds) == list(other.explicit_bounds)
            assert (point.count, point.sum, point.min, point.max) == (other.count, other.sum, other.min, other.max)
            seen = {(e.value, e.trace_id, e.span_id) for e in point.exemplars}
            assert seen == {(e.value, e.trace_id, e.span_id) for e in other.exemplars}
            assert {e[2] for e in seen} == {span.get_span_context().span_id}
            assert point.start_time_unix_nano <= point.time_unix_nano


def test_a_value_outside_spans_has_no_exemplar() -> None:
    reader = InMemoryMetricReader()
    histogram(Metrics(Resource.create({}), reader).meter("1"), SECONDS).record(1.0, "a", "")
    (point,) = points(collected(reader)[SECONDS.name]).values()
    assert not point.exemplars


def test_histograms_come_with_the_other_metrics_and_without_them() -> None:
    reader = InMemoryMetricReader()
    resource = Resource.create({"service.name": "it"})
    meter = Metrics(resource, reader).meter("1")
    tally, seconds = Tally(CALLS).report(meter), histogram(meter, SECONDS)
    assert not collected(reader)
    seconds.record(1.0, "a", "")
    assert collected(reader).keys() == {SECONDS.name}
    tally.add(1, "a")
    data = reader.get_metrics_data()
    assert data is not None
    (of_resource,) = data.resource_metrics
    assert of_resource.resource.attributes == resource.attributes
    # The SDK's encoder takes only the last of two scopes that are equal.
    (of_scope,) = of_resource.scope_metrics
    assert (of_scope.scope.name, of_scope.scope.version) == ("lightrouter", "1")
    assert {metric.name for metric in of_scope.metrics} == {SECONDS.name, CALLS.name}


def test_series_beyond_the_limit_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histograms, "MOST_SERIES", 2)
    reader = InMemoryMetricReader()
    seconds = histogram(Metrics(Resource.create({}), reader).meter("1"), SECONDS)
    for name in "abcda":
        seconds.record(1.0, name, "")
    counts = {key: point.count for key, point in points(collected(reader)[SECONDS.name]).items()}
    assert counts == {"[('name', 'a')]": 2, "[('name', 'b')]": 1, "[('otel.metric.overflow', True)]": 2}


def test_a_reader_that_wants_another_form_gets_it() -> None:
    delta = InMemoryMetricReader(preferred_temporality={Histogram: AggregationTemporality.DELTA})
    seconds = histogram(Metrics(Resource.create({}), delta).meter("1"), SECONDS)
    for _ in range(2):
        seconds.record(1.0, "a", "")
        (point,) = points(collected(delta)[SECONDS.name]).values()
        assert (point.attributes, point.count) == ({"name": "a"}, 1)
    exponential = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    histogram(Metrics(Resource.create({}), exponential).meter("1"), SECONDS).record(1.0, "a", "")
    assert isinstance(collected(exponential)[SECONDS.name].data, ExponentialHistogram)
