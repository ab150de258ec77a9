"""Structured logs: one JSON object a line with its trace id, or plain lines for people."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from lightrouter.runtime.text import printable

if TYPE_CHECKING:
    from lightrouter.runtime.settings import ServiceSettings

# A choice: an exporter whose Collector is down logs an error with every batch.
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
    """Formats one line for people, with the trace id at its end."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        trace_id = getattr(record, "trace_id", None)
        # It may contain text of a provider or a caller.
        line = printable(line)
        return f"{line} [trace {trace_id}]" if trace_id else line


class _Seldom(logging.Filter):
    """Passes each message once in ten minutes."""

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


def _is_no_header(record: logging.LogRecord) -> bool:
    """Tells gRPC's other lines from those about a header that is not UTF-8.

    Anyone can send such a header, and the line has its bytes, perhaps a token, and a stack trace.
    """
    return record.msg != "Invalid encoding on %s"


def configure_logging(service: str, settings: ServiceSettings) -> None:
    """Sends all logs of this process to standard error, in the format of the settings."""
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
    # The libraries' line for each request repeats the service's own line and the trace.
    for library in ("httpx", "watchfiles"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("grpc._cython.cygrpc").filters = [_is_no_header]
    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    exporter.filters = [_Seldom()]
