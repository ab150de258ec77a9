"""What is read from Jaeger's API, what stands in for it, and how a trace is drawn."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from rich.console import Console

from lightrouter.cli.__main__ import run
from lightrouter.cli.jaeger import Event, Jaeger, JaegerError, Span, Value, is_whole
from lightrouter.cli.waterfall import waterfall
from lightrouter.runtime.telemetry import names
from tests.unit.cli import events
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter

CALLER = "c" * 16


def span(
    name: str, begin: int, end: int, parent: str = "", kind: str = "internal", /, *events: Event, **attributes: Value
) -> Span:
    said = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span(f"{name}-{begin}", parent, (), name, "service", kind, begin, end, said, events)


ROUTE = [
    span("Complete", 0, 1000, CALLER, "server"),
    span("route", 10, 990, "Complete-0", lightrouter__cost_nanousd=7, lightrouter__degraded='["candidate_slow"]'),
    span(
        "boot",
        20,
        500,
        "route-10",
        "internal",
        Event(names.CANDIDATE_DROPPED, {names.CANDIDATE: "b", names.REASON: "candidate_slow", names.MESSAGE: "late"}),
    ),
    span("Generate", 30, 490, "boot-20", "client"),
    span("Generate", 40, 480, "Generate-30", "server"),
    span(
        "chat m",
        50,
        470,
        "Generate-40",
        gen_ai__operation__name="chat",
        lightrouter__candidate="a",
        gen_ai__usage__output_tokens=3,
        gen_ai__usage__input_tokens=2,
        lightrouter__cost_nanousd=7,
        gen_ai__response__finish_reasons='["stop"]',
    ),
    span(
        "select",
        500,
        900,
        "route-10",
        "internal",
        Event(names.CANDIDATE_RANKED, {names.CANDIDATE: "a", names.RANK: 1, names.SCORE: 0.5, names.CHOSEN: True}),
        lightrouter__k=1,
        lightrouter__selection_reason="margin",
        lightrouter__margin=0.25,
        lightrouter__strategy="prior",
    ),
]


def drawn(spans: list[Span]) -> list[str]:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(waterfall(spans))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_stages_and_calls_are_drawn_where_they_ran() -> None:
    lines = drawn(ROUTE)
    assert [line.split()[0] for line in lines if "━" in line] == ["route", "boot", "chat", "select"]
    boot = next(line for line in lines if line.startswith("   boot"))
    select = next(line for line in lines if line.startswith("   select"))
    assert boot.rindex("━") < select.index("━") + 1
    assert "a, 2 tokens in (0 cached), 3 out, $0.000000007, stop" in "\n".join(lines)
    assert "prior, k 1 (margin), margin 0.25" in select
    assert any("1. a 0.50 goes on" in line for line in lines)
    assert any("b dropped (candidate_slow): late" in line for line in lines)
    assert any("degraded: candidate_slow" in line for line in lines)


def test_text_of_a_span_cannot_move_the_cursor() -> None:
    evil = span("boot\x1b[2J", 0, 1, "", "internal", Event(names.RETRY, {names.MESSAGE: "\x1b]0;x\x07"}))
    assert not any(sign in "".join(drawn([evil])) for sign in ("\x1b", "\x07"))


def test_a_trace_is_whole_once_the_router_and_every_called_service_have_sent_theirs() -> None:
    assert is_whole(ROUTE, CALLER)
    assert not is_whole(ROUTE[1:], CALLER)
    assert not is_whole([each for each in ROUTE if each.id != "Generate-40"], CALLER)
    failed = span("Generate", 30, 490, "boot-20", "client", error=True)
    assert is_whole([*ROUTE[:3], failed], CALLER)


@contextmanager
def serving(reply: Callable[[], tuple[int, str]]) -> Iterator[str]:
    """Serves this reply to every request; yields the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = reply()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"data": 1}', '{"data": [{"spans": [{}], "processes": {}}]}'])
def test_a_server_that_is_no_jaeger_is_named(body: str) -> None:
    said = "does not answer as Jaeger's query API does"
    with serving(lambda: (200, body)) as url, httpx.Client() as http, pytest.raises(JaegerError, match=said):
        Jaeger(url, http).read("1")


def test_an_unreachable_jaeger_is_named() -> None:
    with httpx.Client() as http, pytest.raises(JaegerError, match=r"http://127.0.0.1:9 cannot be read: "):
        Jaeger("http://127.0.0.1:9", http).read("1")


def test_a_trace_that_does_not_come_is_not_waited_for_without_end() -> None:
    with serving(lambda: (404, '{"data": null}')) as url, httpx.Client() as http:
        assert Jaeger(url, http).wait("1", CALLER, longest_s=0.3) == ([], False)


def test_a_trace_is_read_until_it_is_whole() -> None:
    root = {
        "spanID": "1",
        "operationName": "Complete",
        "references": [{"refType": "CHILD_OF", "spanID": CALLER}],
        "startTime": 1,
        "duration": 2,
        "tags": [{"key": "span.kind", "value": "server"}],
        "logs": [{"fields": [{"key": "event", "value": "e"}, {"key": "n", "value": 1}]}],
        "processID": "p",
    }
    found = {"data": [{"spans": [root], "processes": {"p": {"serviceName": "router"}}}]}
    replies = iter([(404, ""), (200, json.dumps({"data": []})), (200, json.dumps(found))])
    with serving(lambda: next(replies)) as url, httpx.Client() as http:
        spans, whole = Jaeger(url, http).wait("1", CALLER)
    assert whole
    [read] = spans
    assert (read.service, read.parent, read.begin, read.end) == ("router", CALLER, 1, 3)
    assert read.events == [Event("e", {"n": 1})]


def test_ask_prints_its_trace_id_and_has_it_recorded(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", "--trace", "--address", serve(router)]) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("trace: "))
    trace_id = line.removeprefix("trace: ")
    [metadata] = router.metadata
    assert re.fullmatch(f"00-{trace_id}-[0-9a-f]{{16}}-01", str(metadata["traceparent"]))


def test_a_request_that_fails_has_its_trace_named_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", "Why?", "--trace", "--address", "127.0.0.1:9"]) == 1
    trace, error = capsys.readouterr().err.splitlines()
    assert trace.startswith("trace: ")
    assert error.startswith("lightrouter ask: no router answers")


def test_a_command_without_trace_sends_no_traceparent(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", "--address", serve(router)]) == 0
    assert "trace" not in capsys.readouterr().err
    assert "traceparent" not in router.metadata[0]
