"""Logs are JSON objects that name the trace they belong to."""

from __future__ import annotations

import json
import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry.logs import configure_logging, send_logs


def test_json_lines_carry_service_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("example", ServiceSettings())
    provider = TracerProvider(shutdown_on_exit=False)
    with provider.get_tracer("test").start_as_current_span("route") as span:
        logging.getLogger("somewhere").warning("all %s", "well")
    line = json.loads(capsys.readouterr().err)
    assert (line["message"], line["level"], line["logger"], line["service"]) == (
        "all well",
        "WARNING",
        "somewhere",
        "example",
    )
    assert line["span_id"] == trace.format_span_id(span.get_span_context().span_id)
    assert line["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)


def test_console_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("example", ServiceSettings(log_format="console", log_level="warning"))
    logging.getLogger("somewhere").warning("look")
    logging.getLogger("somewhere").info("quiet")
    written = capsys.readouterr().err
    assert "look" in written
    assert "quiet" not in written


def test_a_console_line_ends_in_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("example", ServiceSettings(log_format="console"))
    provider = TracerProvider(shutdown_on_exit=False)
    with provider.get_tracer("test").start_as_current_span("route") as span:
        logging.getLogger("somewhere").warning("look")
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert capsys.readouterr().err.rstrip().endswith(f"WARNING somewhere: look [trace {trace_id}]")


def test_an_exporter_that_fails_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("example", ServiceSettings(log_format="console"))
    log = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    for _ in range(3):
        log.error("Failed to export %s to %s", "traces", "nobody")
        log.error("Failed to export %s to %s", "metrics", "nobody")
    assert capsys.readouterr().err.count("Failed to export") == 2


def test_a_console_line_has_no_raw_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    send_logs("router", "info", "console")
    logging.getLogger("x").error("the provider said %s", "\x1b[2J\x9b31m\x07no\u202e")
    assert capsys.readouterr().err.endswith("the provider said [2J31mno\n")
