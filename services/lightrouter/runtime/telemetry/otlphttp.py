"""Exports spans and metrics by OTLP over HTTP, in the binary encoding.

The SDK's own HTTP exporter has another HTTP client, and encodes spans at several times the cost.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import aiohttp
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from lightrouter.runtime.otlptarget import Target
from lightrouter.runtime.telemetry.otlp import encode

_log = logging.getLogger(__name__)
# The default of OTEL_EXPORTER_OTLP_TIMEOUT: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
_SECONDS: Final = 10.0
# The retryable responses of OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
_RETRYABLE: Final = frozenset({429, 502, 503, 504})
_FIRST_WAIT_SECONDS: Final = 1.0
# A choice: an answer of OTLP has some hundred bytes.
_MOST_BYTES: Final = 64 * 1024
_SHOWN_CHARACTERS: Final = 200
_Response = TypeVar("_Response", ExportTraceServiceResponse, ExportMetricsServiceResponse)


class _RefusedError(Exception):
    """The collector did not take an export; the text says why."""

    def __init__(self, why: str, wait_seconds: float | None = None) -> None:
        super().__init__(why)
        self.wait_seconds = wait_seconds


class Sender:
    """Posts messages to one URL; each within a time limit, retries included.

    The exporters call from threads of their own, so the sender has an event loop of its own.
    """

    def __init__(self, to: Target, seconds: float = _SECONDS) -> None:
        """Opens no connection yet.

        Args:
            to: Where the messages go.
            seconds: Maximum seconds of one message.
        """
        self._to, self._seconds = to, seconds
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._running: asyncio.Task[bytes] | None = None
        self._stopped = self._failing = False

    def send(self, message: bytes) -> bytes | None:
        """Returns the collector's answer; None if it did not take the message."""
        body = gzip.compress(message, compresslevel=1)
        with self._turn:
            if self._stopped:
                return None
            self._running = self._loop.create_task(self._deliver(body))
            try:
                answer = self._loop.run_until_complete(self._running)
            except asyncio.CancelledError:
                return None
            except (_RefusedError, TimeoutError) as refused:
                if not self._failing:
                    why = str(refused) or f"no answer within {self._seconds:g} s"
                    _log.warning("telemetry cannot be exported to %s: %s", self._to.url, why)
                self._failing = True
                return None
        if self._failing:
            _log.info("telemetry is exported to %s again", self._to.url)
        self._failing = False
        return answer

    def stop(self) -> None:
        """Ends a running export and refuses further ones."""
        if self._stopped:
            return
        self._stopped = True
        if self._running:
            self._loop.call_soon_threadsafe(self._running.cancel)
        with self._turn:
            if self._session:
                self._loop.run_until_complete(self._session.close())
            self._loop.close()

    async def _deliver(self, body: bytes) -> bytes:
        if self._stopped:
            raise _RefusedError("the service stops")
        until = self._loop.time() + self._seconds
        wait = _FIRST_WAIT_SECONDS
        async with asyncio.timeout_at(until):
            while True:
                try:
                    return await self._post(body)
                except _RefusedError as refused:
                    if refused.wait_seconds is None:
                        raise
                    pause = max(refused.wait_seconds, wait)
                    if self._loop.time() + pause >= until:
                        raise
                await asyncio.sleep(pause)
                wait *= 2

    async def _post(self, body: bytes) -> bytes:
        answer = bytearray()
        try:
            async with self._connections().post(self._to.url, data=body, allow_redirects=False) as response:
                async for piece in response.content.iter_any():
                    answer += piece
                    if len(answer) > _MOST_BYTES:
                        raise _RefusedError("its answer is too long")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _RefusedError(f"{type(error).__name__} {error}".rstrip(), 0.0) from None
        if 200 <= response.status < 300:
            return bytes(answer)
        text = " ".join(answer.decode(errors="replace").split())[:_SHOWN_CHARACTERS]
        wait = _retry_after(response) if response.status in _RETRYABLE else None
        raise _RefusedError(f"HTTP status {response.status} {text}".rstrip(), wait)

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            trusted = ssl.create_default_context(cafile=self._to.ca_file) if self._to.ca_file else True
            headers = {**self._to.headers, "content-type": "application/x-protobuf", "content-encoding": "gzip"}
            # The limit is that of the whole export.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusted), headers=headers, timeout=aiohttp.ClientTimeout(None)
            )
        return self._session


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """Returns the seconds that the collector asks to wait; 0 if it does not say, or says a date."""
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdecimal() else 0.0


class HttpSpanExporter(SpanExporter):
    """Exports spans; those that the collector rejects fail the export."""

    def __init__(self, sender: Sender) -> None:
        """Sends by `sender`, and stops it at the end."""
        self._sender = sender

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans."""
        answer = self._sender.send(encode(spans).SerializeToString())
        if answer is None:
            return SpanExportResult.FAILURE
        rejected = _parsed(ExportTraceServiceResponse(), answer).partial_success
        if rejected.rejected_spans:
            _log.warning("the collector rejected %d spans: %s", rejected.rejected_spans, _shown(rejected.error_message))
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Ends a running export."""
        self._sender.stop()


class HttpMetricExporter(MetricExporter):
    """Exports metrics, and calls back on a failure."""

    def __init__(self, sender: Sender, failed: Callable[[], None]) -> None:
        """Sends by `sender`, and stops it at the end."""
        super().__init__()
        self._sender = sender
        self._failed = failed

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        """Sends the metrics, within the sender's own time limit."""
        del timeout_millis
        answer = self._sender.send(encode_metrics(metrics_data).SerializeToString())
        rejected = _parsed(ExportMetricsServiceResponse(), answer or b"").partial_success
        if rejected.rejected_data_points:
            said = _shown(rejected.error_message)
            _log.warning("the collector rejected %d data points: %s", rejected.rejected_data_points, said)
        if answer is None or rejected.rejected_data_points:
            self._failed()
            return MetricExportResult.FAILURE
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Returns true: nothing is kept."""
        del timeout_millis
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Ends a running export."""
        del timeout_millis
        self._sender.stop()


def _parsed(message: _Response, body: bytes) -> _Response:
    """Returns the answer's message; an empty one if the answer is none, as some collectors send JSON or nothing."""
    try:
        message.MergeFromString(body)
    except DecodeError:
        message.Clear()
    return message


def _shown(text: str) -> str:
    return " ".join(text.split())[:_SHOWN_CHARACTERS]
