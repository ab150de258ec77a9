"""Telemetry by OTLP over HTTP, against servers that take it, take some of it, or misbehave."""

from __future__ import annotations

import gzip
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry import instruments as i
from lightrouter.runtime.otlptarget import Target
from lightrouter.runtime.telemetry.metrics import Metrics, Tally, otlp_reader
from lightrouter.runtime.telemetry.otlphttp import HttpMetricExporter, HttpSpanExporter, Sender
from lightrouter.runtime.telemetry.setup import Telemetry, open_telemetry
from lightrouter.runtime.telemetry.spanqueue import SpanQueue
from tests.rpc.router_suite import RouterSuite
from tests.suite.otlp import in_prometheus
from tests.unit.router.builders import prompt


class Request(BaseHTTPRequestHandler):
    """A request to the collector; a behaviour answers it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raise NotImplementedError

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answers with a whole body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Writes no log."""


Behaviour = Callable[[Request], None]


@dataclass
class Received:
    """What came: path, headers and body of each request, in their order."""

    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def bodies(self, signal: str = "") -> list[bytes]:
        """Returns the bodies of the requests to the path of a signal, by default to all."""
        return [body for path, _, body in self.requests if path.endswith(signal)]

    def spans(self) -> list[str]:
        """Returns the names of the spans that came to the path of traces."""
        messages = [ExportTraceServiceRequest.FromString(body) for body in self.bodies("/v1/traces")]
        return [span.name for each in messages for span in each.resource_spans[0].scope_spans[0].spans]


@contextmanager
def collector(behave: Behaviour, authority: trustme.CA | None = None) -> Iterator[tuple[str, Received]]:
    """Serves HTTP with a behaviour; yields the URL and what came."""
    received = Received()

    class Handler(Request):
        """Notes each request."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.requests.append((self.path, headers, gzip.decompress(body)))
            behave(self)

    class Server(ThreadingHTTPServer):
        """Says nothing of clients that hang up."""

        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Is expected."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http{'s' if authority else ''}://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def takes(request: Request) -> None:
    request.answer(200)


def exported(url: str, spans: int = 1, seconds: float = 600.0) -> int:
    """Exports some spans to a URL; returns the number of lost ones."""
    queue = SpanQueue(HttpSpanExporter(Sender(Target(url, "http/protobuf"), seconds)), flush_seconds=600)
    telemetry = Telemetry("test", queue)
    for number in range(spans):
        telemetry.tracer.start_span(str(number)).end()
    telemetry.shutdown()
    return queue.dropped


def reader(url: str, failed: Callable[[], None]) -> MetricReader:
    return otlp_reader(Target(url, "http/protobuf"), 3600, failed)


def count(metrics: MetricReader) -> None:
    """Exports one metric, at the end."""
    provider = Metrics(Resource.create({"service.name": "test"}), metrics)
    Tally(i.REQUESTS).report(provider.meter("1")).add(3, "ok", "")
    provider.shutdown()


def test_traces_and_metrics_go_to_their_paths_with_the_headers(tmp_path: Path) -> None:
    with collector(takes) as (url, received):
        values = {"pool": tmp_path, "selector_address": "s", "aggregator_address": "a"}
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{url}/api/public/otel",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic cGs6c2s=",
            "OTEL_SERVICE_NAME": "mine",
        }
        telemetry = open_telemetry("test", RouterSettings.model_validate(values), environment)
        for number in range(70):
            telemetry.tracer.start_span(str(number)).end()
        telemetry.shutdown()
    assert received.spans() == [str(number) for number in range(70)]
    assert {path for path, _, _ in received.requests} == {"/api/public/otel/v1/traces", "/api/public/otel/v1/metrics"}
    for _, headers, _ in received.requests:
        assert headers["authorization"] == "Basic cGs6c2s="
        assert (headers["content-type"], headers["content-encoding"]) == ("application/x-protobuf", "gzip")
    resource = ExportTraceServiceRequest.FromString(received.bodies("/v1/traces")[0]).resource_spans[0].resource
    assert {each.key: each.value.string_value for each in resource.attributes}["service.name"] == "mine"


async def test_telemetry_that_is_turned_off_changes_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with collector(takes) as (url, received):
        values = {"pool": tmp_path, "selector_address": "s", "aggregator_address": "a", "otlp_endpoint": url}
        telemetry = open_telemetry("test", RouterSettings.model_validate(values), os.environ)
        assert not telemetry.measures
        telemetry.shutdown()
        async with RouterSuite() as suite:
            answer = (await suite.complete(prompt())).answer
    assert answer.text
    assert not answer.degraded
    assert not received.requests


def test_metrics_are_what_they_are_over_grpc() -> None:
    with collector(takes) as (url, received):
        count(reader(url, pytest.fail))
    (message,) = [ExportMetricsServiceRequest.FromString(body) for body in received.bodies()]
    assert in_prometheus([message])["lightrouter_route_requests_total"]["lightrouter_outcome"] == {"ok"}


def test_a_collector_is_verified_by_the_authorities_of_the_variable(tmp_path: Path) -> None:
    authority = trustme.CA()
    file = tmp_path / "ca.crt"
    authority.cert_pem.write_to_path(str(file))
    with collector(takes, authority) as (url, received):
        for ca_file, seconds, taken in (("", 1, 0), (str(file), 600, 1)):
            sender = Sender(Target(url, "http/protobuf", ca_file=ca_file), seconds)
            assert (sender.send(b"x") is not None) == bool(taken)
            sender.stop()
            assert len(received.bodies()) == taken


def refuses(status: int) -> Behaviour:
    return lambda request: request.answer(status, b"no such project")


def closes(request: Request) -> None:
    request.close_connection = True


def is_endless(request: Request) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    while True:
        request.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")


def is_no_http(request: Request) -> None:
    request.wfile.write(b"\x00\x00\x12\x04 nonsense\r\n\r\n")
    request.close_connection = True


def redirects(request: Request) -> None:
    request.answer(307, Location="http://127.0.0.1:9/v1/traces")


@pytest.mark.parametrize(
    "behave",
    [refuses(400), refuses(401), refuses(404), refuses(415), refuses(500), closes, is_endless, is_no_http, redirects],
    ids=["400", "401", "404", "415", "500", "closes", "endless", "no HTTP", "redirects"],
)
def test_spans_that_are_not_taken_are_counted(behave: Behaviour) -> None:
    failures: list[int] = []
    with collector(behave) as (url, _):
        assert exported(url, seconds=1) == 1
        count(otlp_reader(Target(url, "http/protobuf"), 3600, lambda: failures.append(1)))
    assert failures


def test_an_absent_collector_is_counted() -> None:
    assert exported("http://127.0.0.1:9", spans=70, seconds=0.1) == 70


def test_a_refusal_is_said_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with collector(refuses(401)) as (url, received):
        exported(f"{url}/v1/traces", spans=200)
    assert len(received.bodies()) > 1
    (line,) = [record.getMessage() for record in caplog.records if "cannot be exported" in record.getMessage()]
    assert line.endswith("/v1/traces: HTTP status 401 no such project")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_collector_that_is_busy_is_asked_again(status: int) -> None:
    asked = []

    def busy(request: Request) -> None:
        asked.append(request.path)
        request.answer(status if len(asked) == 1 else 200, Retry_After="0")

    with collector(busy) as (url, received):
        assert exported(f"{url}/v1/traces") == 0
    assert received.spans() == ["0", "0"]


def test_a_wait_beyond_the_time_limit_is_not_begun() -> None:
    with collector(lambda request: request.answer(503, Retry_After="86400")) as (url, received):
        assert exported(url) == 1
    assert len(received.bodies()) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xff", b"<html>"])
def test_an_answer_that_is_no_message_is_a_success(body: bytes) -> None:
    with collector(lambda request: request.answer(200, body)) as (url, _):
        assert exported(url) == 0


def test_spans_that_a_collector_rejects_are_counted() -> None:
    traces, metrics = ExportTraceServiceResponse(), ExportMetricsServiceResponse()
    traces.partial_success.rejected_spans = 2
    metrics.partial_success.rejected_data_points = 1
    failures: list[int] = []
    with collector(lambda request: request.answer(200, traces.SerializeToString())) as (url, _):
        assert exported(url, spans=3) == 3
    with collector(lambda request: request.answer(200, metrics.SerializeToString())) as (url, _):
        count(otlp_reader(Target(url, "http/protobuf"), 3600, lambda: failures.append(1)))
    assert failures == [1]


def test_the_end_of_a_service_ends_a_wait() -> None:
    waits = threading.Event()

    def busy(request: Request) -> None:
        request.answer(503, Retry_After="3000")
        waits.set()

    with collector(busy) as (url, _):
        sender = Sender(Target(url, "http/protobuf"), seconds=6000)
        answers: list[bytes | None] = []
        export = threading.Thread(target=lambda: answers.append(sender.send(b"x")))
        export.start()
        waits.wait()
        sender.stop()
        export.join()
    assert answers == [None]


def test_a_service_that_stops_does_not_wait_for_a_collector_that_hangs() -> None:
    over = threading.Event()

    def hangs(_: Request) -> None:
        over.wait()

    with collector(hangs) as (url, _):
        queue = SpanQueue(HttpSpanExporter(Sender(Target(url, "http/protobuf"))), flush_seconds=0.1)
        telemetry = Telemetry("test", queue)
        telemetry.tracer.start_span("0").end()
        telemetry.shutdown()
        over.set()


def test_an_exporter_sends_nothing_after_its_end() -> None:
    with collector(takes) as (url, received):
        exporter = HttpMetricExporter(Sender(Target(url, "http/protobuf")), lambda: None)
        assert exporter.force_flush()
        exporter.shutdown()
        exporter._sender.send(b"x")
    assert not received.requests
