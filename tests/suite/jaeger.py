"""A real Jaeger for tests: named by the environment, or started from its program."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.suite.up_support import until

# Port 0 everywhere; the log says which ports were taken.
CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}, logs: {encoding: json}}
extensions:
  jaeger_query:
    storage: {traces: memory}
    http: {endpoint: "127.0.0.1:0"}
    grpc: {endpoint: "127.0.0.1:0"}
  jaeger_storage: {backends: {memory: {memory: {max_traces: 10000}}}}
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}}}
exporters:
  jaeger_storage_exporter: {trace_storage: memory}
"""


@dataclass(frozen=True)
class Started:
    """A running Jaeger.

    Attributes:
        url: Its query API.
        otlp: Its OTLP gRPC endpoint.
    """

    url: str
    otlp: str


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Started]:
    """Yields the Jaeger that JAEGER names; its files, if it is a program, are put into `folder`."""
    named = os.environ.get("JAEGER")
    if not named:
        pytest.skip("JAEGER names no Jaeger: set it to Jaeger's program, or to its query URL and JAEGER_OTLP")
    if "://" in named:
        yield Started(named.rstrip("/"), os.environ.get("JAEGER_OTLP", f"http://{urlsplit(named).hostname}:4317"))
        return
    config = folder / "jaeger.yaml"
    config.write_text(CONFIG)
    log = folder / "jaeger.log"
    with log.open("wb") as output:
        process = subprocess.Popen([named, "--config", str(config)], stdout=output, stderr=output)
    try:
        yield _ports(process, log)
    finally:
        # It keeps everything in memory: there is nothing to end in order.
        process.kill()
        process.wait()


def _ports(process: subprocess.Popen[bytes], log: Path) -> Started:
    def found() -> Started | None:
        assert process.poll() is None, log.read_text()
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{") and line[-1] == "}"]
        query = next((line["http_addr"] for line in lines if "http_addr" in line), None)
        otlp = next((line["endpoint"] for line in lines if line.get("otelcol.component.id") == "otlp"), None)
        return Started(f"http://{query}", f"http://{otlp}") if query and otlp else None

    return until("Jaeger says its ports", found)
