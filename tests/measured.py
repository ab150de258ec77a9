"""What a service measures, collected from its meter."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint

from lightrouter.runtime.telemetry.instruments import Instrument

Series = frozenset[tuple[str, object]]
Point = HistogramDataPoint | NumberDataPoint


def collected(reader: InMemoryMetricReader) -> dict[str, dict[Series, Point]]:
    """Returns the points of each metric that the meter of `reader` has now, by their attributes."""
    data = reader.get_metrics_data()
    found: dict[str, dict[Series, Point]] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points = found.setdefault(metric.name, {})
                for point in metric.data.data_points:
                    assert isinstance(point, HistogramDataPoint | NumberDataPoint)
                    points[frozenset((point.attributes or {}).items())] = point
    return found


def values(reader: InMemoryMetricReader, instrument: Instrument) -> dict[tuple[str, ...], float]:
    """Returns a metric's values, a histogram's counts, by the values of its attributes, "" if one is missing."""
    found: dict[tuple[str, ...], float] = {}
    for attributed, point in collected(reader).get(instrument.name, {}).items():
        attributes: Mapping[str, object] = dict(attributed)
        assert set(attributes) <= set(instrument.attributes), instrument.name
        key = tuple(str(attributes.get(name, "")) for name in instrument.attributes)
        found[key] = point.count if isinstance(point, HistogramDataPoint) else point.value
    return found


def series(reader: InMemoryMetricReader) -> set[tuple[str, Series]]:
    """Returns every time series that the meter of `reader` has now."""
    return {(name, attributes) for name, points in collected(reader).items() for attributes in points}
