"""OpenTelemetry metrics of a service: counters, gauges, histograms and the export over OTLP.

The SDK's counter takes microseconds for each addition, and a route makes a hundred of them. So this module keeps the
sums, and the SDK reads them when it collects. `histograms` does the same for histograms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, Self

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource

from lightrouter.runtime.otlptarget import Target
from lightrouter.runtime.telemetry.histograms import MOST_SERIES, HistogramMeter
from lightrouter.runtime.telemetry.instruments import Instrument, Values, attributes

Read = Callable[[], Mapping[Values, int]]
"""Returns numbers by the values of an instrument's attributes; runs in the thread of the SDK."""

# A failed export loses nothing: the next one sends the same sums.
_EXPORT_SECONDS: Final = 5.0
_SHUTDOWN_SECONDS: Final = 3.0


class Tally:
    """A counter, by the values of its attributes."""

    def __init__(self, instrument: Instrument) -> None:
        """Starts at zero."""
        self._instrument = instrument
        self._sums: dict[Values, int] = {}

    def add(self, amount: int, *values: str) -> None:
        """Adds to the sum of these values."""
        self._sums[values] = self._sums.get(values, 0) + amount

    def report(self, meter: Meter) -> Self:
        """Reports to `meter` whenever the SDK collects; returns itself."""
        # Another thread collects; a copy is one atomic step, during which no sum changes.
        observe_sums(meter, self._instrument, self._sums.copy)
        return self


def observe(meter: Meter, instrument: Instrument, read: Read) -> None:
    """Reports the values of `read` to `meter` whenever the SDK collects, as gauges."""
    callbacks = [_callback(instrument, read)]
    meter.create_observable_gauge(instrument.name, callbacks, unit=instrument.unit, description=instrument.description)


def observe_sums(meter: Meter, instrument: Instrument, read: Read) -> None:
    """Reports the values of `read` to `meter` whenever the SDK collects, as counters."""
    callbacks = [_callback(instrument, read)]
    meter.create_observable_counter(
        instrument.name, callbacks, unit=instrument.unit, description=instrument.description
    )


class Recorder(Protocol):
    """A histogram."""

    def record(self, value: float, *values: str) -> None:
        """Records a value under the values of the instrument's attributes, empty for an absent one."""


def histogram(meter: Meter, instrument: Instrument) -> Recorder:
    """Returns the histogram of an instrument, with its buckets."""
    return meter.histogram(instrument) if isinstance(meter, HistogramMeter) else _SdkHistogram(meter, instrument)


class _SdkHistogram:
    """The SDK's histogram, for a reader that wants another form than the usual one."""

    def __init__(self, meter: Meter, instrument: Instrument) -> None:
        self._instrument = instrument
        self._histogram = meter.create_histogram(
            instrument.name,
            unit=instrument.unit,
            description=instrument.description,
            explicit_bucket_boundaries_advisory=instrument.buckets,
        )

    def record(self, value: float, *values: str) -> None:
        self._histogram.record(value, attributes(self._instrument, values))


def _callback(instrument: Instrument, read: Read) -> Callable[[CallbackOptions], list[Observation]]:
    def observations(_: CallbackOptions) -> list[Observation]:
        return [Observation(number, attributes(instrument, values)) for values, number in read().items()]

    return observations


class Metrics:
    """The metrics of one service, if a reader collects them."""

    def __init__(self, resource: Resource, reader: MetricReader) -> None:
        """Lets `reader` collect the metrics of the service that `resource` describes."""
        self._resource = resource
        self._reader = reader
        self._provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)

    def meter(self, version: str) -> Meter:
        """Returns the meter of this release; to be called once."""
        meter = self._provider.get_meter("lightrouter", version)
        return HistogramMeter(meter, self._resource, self._reader) if _is_usual(self._reader) else meter

    def shutdown(self) -> None:
        """Exports the metrics once more and stops, within 3 seconds."""
        self._provider.shutdown(timeout_millis=_SHUTDOWN_SECONDS * 1000)


def _is_usual(reader: MetricReader) -> bool:
    """Returns whether a reader takes sums since the start and explicit buckets; OTEL_* variables may say otherwise."""
    # The SDK has no public way to ask.
    temporalities, forms = reader._instrument_class_temporality, reader._instrument_class_aggregation  # noqa: SLF001
    return set(temporalities.values()) == {AggregationTemporality.CUMULATIVE} and not any(
        isinstance(form, ExponentialBucketHistogramAggregation) for form in forms.values()
    )


def otlp_reader(to: Target, interval_seconds: float, failed: Callable[[], None]) -> MetricReader:
    """Returns the reader that exports the metrics periodically by OTLP.

    Args:
        to: Where they go.
        interval_seconds: Seconds between two exports.
        failed: Called for each failed export.
    """
    exporter: MetricExporter
    if to.protocol == "http/protobuf":
        # Imported here, so that a service without HTTP does not pay for it.
        from lightrouter.runtime.telemetry.otlphttp import HttpMetricExporter, Sender

        exporter = HttpMetricExporter(Sender(to, _EXPORT_SECONDS), failed)
    else:
        exporter = _Exporter(to, failed)
    return PeriodicExportingMetricReader(
        exporter,
        export_interval_millis=interval_seconds * 1000,
        export_timeout_millis=_EXPORT_SECONDS * 1000,
        cardinality_limits={ObservableCounter: MOST_SERIES},
    )


class _Exporter(OTLPMetricExporter):
    """The SDK's exporter with a callback for failures."""

    def __init__(self, to: Target, failed: Callable[[], None]) -> None:
        super().__init__(
            endpoint=to.url,
            insecure=not to.url.startswith("https://"),
            headers=tuple(to.headers.items()),
            timeout=_EXPORT_SECONDS,
        )
        self._tell = failed

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **more: Any) -> MetricExportResult:
        """Exports, and calls back on a failure."""
        result = super().export(metrics_data, timeout_millis, **more)
        if result is not MetricExportResult.SUCCESS:
            self._tell()
        return result
