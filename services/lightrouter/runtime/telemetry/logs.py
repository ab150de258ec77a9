"""Structured logs: one JSON object a line with the trace it belongs to, or plain lines for people."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from lightrouter.runtime.text import printable

if TYPE_CHECKING:
    from lightrouter.runtime.settings import ServiceSettings

_SELDOM_SECONDS = 600
_CONSOLE_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _TraceContext(logging.Filter):
    """Adds the ids of the current trace and span to each record."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def filter(self, record: logging.LogRecord) -> bool:
        record.service = self._service
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            record.trace_id = trace.format_trace_id(span.trace_id)
            record.span_id = trace.format_span_id(span.span_id)
        return True


class _ConsoleFormatter(logging.Formatter):
    """One line for people, which ends in the id of the trace that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        trace_id = getattr(record, "trace_id", None)
        # A provider's or a caller's words may stand in it.
        line = printable(line)
        return f"{line} [trace {trace_id}]" if trace_id else line


class _Seldom(logging.Filter):
    """Lets a sentence about the same thing pass once in ten minutes.

    An exporter whose Collector is away says so with every batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        subject = record.args[0] if isinstance(record.args, tuple) and record.args else None
        sentence = (record.levelno, record.msg, str(subject))
        before = self._said.get(sentence)
        if before is not None and record.created - before < _SELDOM_SECONDS:
            return False
        self._said[sentence] = record.created
        return True


def configure_logging(service: str, settings: ServiceSettings) -> None:
    """Sends all logs of this process to standard error in the format that the settings ask for."""
    send_logs(service, settings.log_level, settings.log_format)


def send_logs(service: str, level: str, log_format: str) -> None:
    """Sends all logs of this process of at least `level` to standard error, as `json` or for a `console`."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        renamed = {"levelname": "level", "asctime": "time", "name": "logger"}
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=renamed, datefmt="%Y-%m-%dT%H:%M:%S%z"
            )
        )
    else:
        handler.setFormatter(_ConsoleFormatter(_CONSOLE_FORMAT))
    handler.addFilter(_TraceContext(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # One line a request of a library says nothing that the service's own line and the trace do not.
    for library in ("httpx", "watchfiles"):
        logging.getLogger(library).setLevel(logging.WARNING)
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    exporter.filters = [_Seldom()]
