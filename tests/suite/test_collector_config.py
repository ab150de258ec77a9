"""deploy/collector in a real Collector: which traces it keeps, and what it makes of the metrics for Prometheus.

Jaeger's program is one, built of the same parts. Its health check has another name.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import yaml
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

from lightrouter.runtime.telemetry import names
from tests.suite.otlp import Received, in_prometheus, receiver
from tests.suite.up_support import until

CONFIG: Final = Path(__file__).parents[2] / "deploy/collector/config.yaml"
SECOND: Final = 1_000_000_000


@pytest.fixture(scope="module")
def program() -> str:
    """The Collector's program."""
    named = os.environ.get("JAEGER", "")
    if not named or "://" in named:
        pytest.skip("JAEGER names no program, which would be the Collector here: set it to Jaeger's")
    return named


@pytest.fixture
def config() -> dict[str, Any]:
    """The configuration, listening where a test may."""
    found: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    found["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] = f"127.0.0.1:{free_port()}"
    found["exporters"]["prometheus"]["endpoint"] = f"127.0.0.1:{free_port()}"
    found["extensions"] = {}
    found["service"] |= {"extensions": [], "telemetry": {"metrics": {"level": "none"}}}
    return found


def free_port() -> int:
    """Returns a port that nobody has: the Prometheus exporter does not say which one it took."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(program: str, config: dict[str, Any], folder: Path) -> Iterator[str]:
    """Runs a Collector; yields its OTLP endpoint once that takes calls."""
    path = folder / "collector.yaml"
    path.write_text(yaml.safe_dump(config))
    endpoint: str = config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    log = folder / "collector.log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, "--config", str(path)], stdout=output, stderr=output)
    try:
        with grpc.insecure_channel(endpoint) as channel:
            grpc.channel_ready_future(channel).result(timeout=600)
        assert process.poll() is None, log.read_text()
        yield endpoint
    finally:
        process.kill()
        process.wait()


def test_the_configuration_is_valid(program: str, tmp_path: Path) -> None:
    path = tmp_path / "collector.yaml"
    path.write_text(CONFIG.read_text().replace("health_check", "healthcheckv2"))
    done = subprocess.run([program, "validate", "--config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path.write_text(path.read_text().replace("threshold_ms", "threshold"))
    broken = subprocess.run([program, "validate", "--config", str(path)], capture_output=True, text=True, check=False)
    assert broken.returncode != 0
    assert "threshold" in broken.stderr


class Traces:
    """Sends a trace of two spans each, the first of which stands for a route."""

    def __init__(self, endpoint: str) -> None:
        self._provider = TracerProvider(shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
        self._provider.add_span_processor(SimpleSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("test")

    def send(self, *, seconds: float = 1, failed: bool = False, degraded: bool = False) -> bytes:
        """Sends one; returns its id as the receiver has it."""
        begun = time.time_ns()
        route = self._tracer.start_span(names.ROUTE, start_time=begun)
        trace_id = route.get_span_context().trace_id.to_bytes(16, "big")
        if degraded:
            route.set_attribute(names.DEGRADED, ["candidate_slow"])
        if failed:
            route.set_status(Status(StatusCode.ERROR, "ALL_CANDIDATES_FAILED"))
        route.end(begun + int(seconds * SECOND))
        return trace_id

    def close(self) -> None:
        self._provider.shutdown()


@pytest.mark.parametrize("percentage", [0, 100])
def test_all_that_failed_were_degraded_or_slow_are_kept(
    program: str, config: dict[str, Any], tmp_path: Path, percentage: int
) -> None:
    sampling = config["processors"]["tail_sampling"]
    sampling["decision_wait"] = "1s"
    (share,) = (policy["probabilistic"] for policy in sampling["policies"] if policy["name"] == "share")
    share["sampling_percentage"] = percentage
    with receiver() as (jaeger, received):
        config["exporters"]["otlp/jaeger"]["endpoint"] = jaeger
        with running(program, config, tmp_path) as endpoint:
            traces = Traces(endpoint)
            well = {traces.send() for _ in range(20)}
            kept = {traces.send(failed=True), traces.send(degraded=True), traces.send(seconds=11)}
            until("they are kept", lambda: kept <= {span.trace_id for span in received.spans})
            # Whatever was sent before this one is decided once this one is.
            last = traces.send(failed=True)
            until("the last is kept", lambda: last in {span.trace_id for span in received.spans})
            traces.close()
    assert {span.trace_id for span in received.spans} == kept | {last} | (well if percentage else set())


def test_prometheus_gets_the_names_and_labels_that_the_queries_are_checked_against(
    program: str, config: dict[str, Any], tmp_path: Path, received: Received
) -> None:
    expected = in_prometheus(received.metrics)
    with running(program, config, tmp_path) as endpoint, grpc.insecure_channel(endpoint) as channel:
        export = MetricsServiceStub(channel).Export  # type: ignore[no-untyped-call]  # generated
        for request in received.metrics:
            export(request, timeout=600)
        url = f"http://{config['exporters']['prometheus']['endpoint']}/metrics"
        scraped = until("all is there", lambda: scrape(url, expected.keys()))
    assert scraped.keys() == expected.keys()
    for name, labels in expected.items():
        assert labels.keys() <= scraped[name], name


def scrape(url: str, wanted: Iterable[str]) -> dict[str, set[str]] | None:
    """Returns the labels of each series that Prometheus would get; None while one of those wanted is not there."""
    try:
        with urllib.request.urlopen(url, timeout=600) as response:
            text = response.read().decode()
    except urllib.error.URLError:
        return None
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)\{(.*)\} \S+$", text, re.MULTILINE):
        if name != "target_info":
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found if set(found) >= set(wanted) else None
