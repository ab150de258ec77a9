"""Reads a trace from Jaeger's query API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from lightrouter.cli.text import reason

# Choices: exporters send after a second, and Jaeger stores a span within a few more.
_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.2
_LONGEST_WAIT_S: Final = 10.0

Value = str | int | float | bool


class JaegerError(Exception):
    """A trace that cannot be read; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a span.

    Attributes:
        name: Its name.
        attributes: Its attributes.
    """

    name: str
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Span:
    """A span.

    Attributes:
        id: Its id, 16 hexadecimal digits.
        parent: The id of the span above; empty if there is none.
        links: Ids of the spans that it continues.
        name: Its name.
        service: Its service.
        kind: internal, client or server.
        begin: Start, in microseconds since the epoch.
        end: End, in microseconds since the epoch.
        attributes: Its attributes.
        events: Its events, in order.
    """

    id: str
    parent: str
    links: Sequence[str]
    name: str
    service: str
    kind: str
    begin: int
    end: int
    attributes: Mapping[str, Value]
    events: Sequence[Event]


class Jaeger:
    """Jaeger's query API at a URL."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        """Reads over `http` from `url`, for example http://localhost:16686."""
        self._url = url.rstrip("/")
        self._http = http

    def read(self, trace_id: str) -> list[Span]:
        """Returns the spans of a trace that Jaeger has so far.

        Raises:
            JaegerError: It cannot be reached, or is no Jaeger.
        """
        address = f"{self._url}/api/traces/{trace_id}"
        try:
            reply = self._http.get(address, timeout=_TIMEOUT_S)
            if reply.status_code == httpx.codes.NOT_FOUND:
                return []
            reply.raise_for_status()
            return [span for trace in reply.json()["data"] for span in _spans(trace)]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise JaegerError(f"{self._url} cannot be read: {reason(error)}") from None
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise JaegerError(f"{self._url} does not answer as Jaeger's query API does") from None

    def wait(self, trace_id: str, caller: str, longest_s: float = _LONGEST_WAIT_S) -> tuple[list[Span], bool]:
        """Returns the spans of a trace, and whether they are complete; waits up to 10 seconds for them.

        Args:
            trace_id: The trace.
            caller: The id of the caller's own span, which Jaeger does not have.
            longest_s: Seconds after which what there is has to do.

        Raises:
            JaegerError: See `read`.
        """
        end = time.monotonic() + longest_s
        while True:
            spans = self.read(trace_id)
            if (whole := is_whole(spans, caller)) or time.monotonic() + _POLL_S > end:
                return spans, whole
            time.sleep(_POLL_S)  # Jaeger has no notification of new spans, and the command has nothing else to do


def is_whole(spans: Sequence[Span], caller: str) -> bool:
    """Returns whether each service has sent its spans: the router its last one, and the called one for each call."""
    above = {span.parent for span in spans}
    answered = (span.id for span in spans if span.kind == "client" and "error" not in span.attributes)
    return caller in above and all(span in above for span in answered)


def _spans(trace: Any) -> Iterator[Span]:
    """Yields the spans of a trace; raises LookupError, TypeError, ValueError or AttributeError if it is none."""
    for span in trace["spans"]:
        attributes = _values(span["tags"])
        references = [(str(each["refType"]), str(each["spanID"])) for each in span["references"]]
        begin = int(span["startTime"])
        yield Span(
            id=str(span["spanID"]),
            parent=next((above for kind, above in references if kind == "CHILD_OF"), ""),
            links=[above for kind, above in references if kind == "FOLLOWS_FROM"],
            name=str(span["operationName"]),
            service=str(trace["processes"][span["processID"]]["serviceName"]),
            kind=str(attributes.get("span.kind", "internal")),
            begin=begin,
            end=begin + int(span["duration"]),
            attributes=attributes,
            events=[_event(_values(log["fields"])) for log in span["logs"]],
        )


def _values(tags: Any) -> dict[str, Value]:
    return {str(tag["key"]): tag["value"] if isinstance(tag["value"], Value) else str(tag["value"]) for tag in tags}


def _event(fields: dict[str, Value]) -> Event:
    return Event(str(fields.pop("event", "")), fields)
