"""A real Jaeger reads what `lightrouter up --processes` sends: one whole tree a request, and it adds up."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, ClassVar

import grpc
import httpx
import pytest

from lightrouter.cli.jaeger import Jaeger, Span, is_whole
from lightrouter.runtime.telemetry import names
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.readme import DOCS, blocks
from tests.suite.jaeger import Started, started
from tests.suite.up_support import TIMEOUT_S, Chat, Up, cli, pool_text, upstream

CANDIDATES = ("alpha", "beta", "gamma")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
UNSAMPLED_ID = "0af7651916cd43dd8448eb211c80319c"
LAST_ID = "d0e0e47364bf92f3577b34da6a3ce929"
LATER_ID = "a3ce929d0e0e47364bf92f3577b34da6"
LONG = "Why, in many words?"
CALLER_SPAN = "00f067aa0ba902b7"
POLICY = Policy(
    boot_tokens=2,
    k=2,
    margin=1.0,
    agreement=1.0,
    quorum=1.0,
    selector=SelectorStrategy.SELECTOR_STRATEGY_LLM,
    aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
)


class Together(Chat):
    """Answers the first request of each candidate once all of them are there, and judges."""

    boots = threading.Barrier(len(CANDIDATES))
    booted: ClassVar[set[str]] = set()
    lock = threading.Lock()
    dropped: ClassVar[list[threading.Event]] = [threading.Event() for _ in CANDIDATES[1:]]

    def answer(self, request: dict[str, Any]) -> None:
        if request["messages"][-1]["content"] == LONG:
            self.hold(request)
            return
        with self.lock:
            is_boot = request["model"] not in self.booted
            self.booted.add(request["model"])
        if is_boot:
            self.boots.wait(60)
        if verdict := re.search("Score the answers (.*) now, as one JSON object", request["messages"][-1]["content"]):
            points = {label: {"consistency": 5, "correctness": 5} for label in verdict[1].split(", ")}
            self.say(request, json.dumps(points), "stop")
            return
        super().answer(request)

    def hold(self, request: dict[str, Any]) -> None:
        """Writes until the client leaves; the first candidate ends once it has left all others."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        place = CANDIDATES.index(request["model"])
        try:
            for _ in range(3):
                self.event({"delta": {"content": "word "}, "finish_reason": None})
            if place:
                while True:
                    self.event({"delta": {"content": "word "}, "finish_reason": None})
                    self.dropped[place - 1].wait(0.05)
            for left in self.dropped:
                left.wait(60)
            self.event({"delta": {}, "finish_reason": "stop"})
        except OSError:
            self.dropped[place - 1].set()
        self.close_connection = True

    def event(self, choice: dict[str, Any]) -> None:
        """Sends one event with this choice."""
        event = {"id": "x", "created": 1, "model": "m", "choices": [{"index": 0, **choice}]}
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())


def up_with(folder: Path, pool: Path, found: Started) -> Up:
    """Starts a suite that sends its traces to this Jaeger."""
    return Up(folder, "--processes", "--pool", str(pool), "--otlp", found.otlp)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pool of candidates that answer, and a candidate without a server."""
    with upstream(Together) as base_url:
        path = tmp_path_factory.mktemp("pool") / "pool.yaml"
        gone = pool_text("http://127.0.0.1:9/v1", "gone").removeprefix("candidates:\n")
        path.write_text(pool_text(base_url, *CANDIDATES) + gone + "    limits: {retries: 0}\njudge: gamma\n")
        yield path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, pool: Path) -> Iterator[tuple[Started, str]]:
    """A Jaeger, and the address of a router that sends its traces there."""
    folder = tmp_path_factory.mktemp("jaeger")
    with started(folder) as found:
        up = up_with(folder, pool, found)
        try:
            yield found, up.wait_ready()
        finally:
            up.end()


def ask(address: str, trace_id: str, flags: str = "01") -> Answer:
    """Has a prompt of a caller with a trace of its own answered."""
    prompt = Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content="Why?")], policy=POLICY)
    metadata = (("traceparent", f"00-{trace_id}-{CALLER_SPAN}-{flags}"), ("baggage", "team=blue"))
    with grpc.insecure_channel(address) as channel:
        return (
            RouterServiceStub(channel).Complete(CompleteRequest(prompt=prompt), timeout=600, metadata=metadata).answer
        )


@pytest.fixture(scope="module")
def routed(running: tuple[Started, str]) -> tuple[Answer, list[Span]]:
    """The answer to a traced caller's prompt, and the trace as Jaeger has it."""
    started, address = running
    answer = ask(address, TRACE_ID)
    with httpx.Client() as http:
        spans, whole = Jaeger(started.url, http).wait(TRACE_ID, CALLER_SPAN, TIMEOUT_S)
    assert whole
    return answer, spans


def internal(spans: list[Span]) -> Iterator[tuple[str, Span]]:
    """Yields each span that is no call between services, with the name of the next such span above it."""
    by_id = {span.id: span for span in spans}
    for span in spans:
        if span.kind != "internal":
            continue
        above = by_id.get(span.parent)
        while above and above.kind != "internal":
            above = by_id.get(above.parent)
        yield (above.name if above else ""), span


def chats(spans: list[Span], stage: str = "") -> list[Span]:
    return [span for span in spans if span.name.startswith("chat ") and stage in {"", span.attributes[names.STAGE]}]


def test_the_tree(routed: tuple[Answer, list[Span]]) -> None:
    _, spans = routed
    ids = {span.id for span in spans}
    assert {span.parent for span in spans} - ids == {CALLER_SPAN}
    found: dict[str, Counter[str]] = {}
    for above, span in internal(spans):
        found.setdefault(above, Counter())[span.name] += 1
    assert found[""] == {names.ROUTE: 1}
    assert found[names.ROUTE] == {names.BOOT: 1, names.SELECT: 1, names.COMPLETE: 1, names.AGGREGATE: 1}
    assert found[names.BOOT] == {f"chat {name}": 1 for name in (*CANDIDATES, "gone")}
    assert set(found[names.SELECT]) == {"chat gamma"}
    assert found[names.COMPLETE].total() == 2
    assert found[names.AGGREGATE].total() == 1


def test_the_services(routed: tuple[Answer, list[Span]]) -> None:
    _, spans = routed
    assert {span.service for span in spans} == {
        "lightrouter-router",
        "lightrouter-selector",
        "lightrouter-aggregator",
        *(f"lightrouter-adapter-{name}" for name in (*CANDIDATES, "gone")),
    }
    judged = [span for span in spans if span.service == "lightrouter-selector" and span.kind == "client"]
    assert {span.name for span in judged} <= {f"{names.ADAPTER_SERVICE}/Generate"}
    assert judged


def test_completions_follow_from_their_boots(routed: tuple[Answer, list[Span]]) -> None:
    answer, spans = routed
    boots = {span.id: span.attributes[names.CANDIDATE] for span in chats(spans, "boot")}
    completions = chats(spans, "complete")
    assert {span.attributes[names.CANDIDATE] for span in completions} == set(answer.selection.chosen)
    for span in completions:
        assert [boots[linked] for linked in span.links] == [span.attributes[names.CANDIDATE]]


def test_parallel_calls_overlap_and_stages_cover_their_calls(routed: tuple[Answer, list[Span]]) -> None:
    _, spans = routed
    boots = [span for span in chats(spans, "boot") if span.attributes[names.CANDIDATE] != "gone"]
    assert max(span.begin for span in boots) < min(span.end for span in boots)
    stages = {span.name: span for above, span in internal(spans) if above == names.ROUTE}
    for call in chats(spans):
        stage = stages[str(call.attributes[names.STAGE])]
        assert stage.begin <= call.begin
        assert call.end <= stage.end


def test_the_ledger_is_the_sum_over_the_spans(routed: tuple[Answer, list[Span]]) -> None:
    answer, spans = routed
    sums = {
        name: sum(int(span.attributes.get(name, 0)) for span in chats(spans))
        for name in (names.COST, names.GEN_AI_USAGE_INPUT_TOKENS, names.GEN_AI_USAGE_OUTPUT_TOKENS)
    }
    ledger = answer.ledger
    assert ledger.cost_nanousd > 0
    assert sums == {
        names.COST: ledger.cost_nanousd,
        names.GEN_AI_USAGE_INPUT_TOKENS: ledger.usage.input_tokens,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: ledger.usage.output_tokens,
    }
    (route,) = (span for span in spans if span.name == names.ROUTE)
    assert route.attributes[names.COST] == ledger.cost_nanousd


def test_the_trace_names_failed_and_chosen_candidates(routed: tuple[Answer, list[Span]]) -> None:
    answer, spans = routed
    (gone,) = (span for span in chats(spans) if span.attributes[names.CANDIDATE] == "gone")
    assert (gone.attributes["error"], gone.attributes[names.ERROR_TYPE]) == (True, "UPSTREAM_UNAVAILABLE")
    (boot,) = (span for span in spans if span.name == names.BOOT)
    (dropped,) = boot.events
    assert (dropped.name, dropped.attributes[names.CANDIDATE]) == (names.CANDIDATE_DROPPED, "gone")
    (select,) = (span for span in spans if span.name == names.SELECT)
    ranked = [event for event in select.events if event.name == names.CANDIDATE_RANKED]
    assert [event.attributes[names.CANDIDATE] for event in ranked] == [
        each.candidate for each in answer.selection.ranking.candidates
    ]
    chosen = [event.attributes[names.CANDIDATE] for event in ranked if event.attributes[names.CHOSEN]]
    assert chosen == list(answer.selection.chosen)
    (route,) = (span for span in spans if span.name == names.ROUTE)
    assert "candidate_failed" in json.loads(str(route.attributes[names.DEGRADED]))


def test_a_request_that_its_caller_does_not_sample_is_not_traced(running: tuple[Started, str], routed: object) -> None:
    started, address = running
    ask(address, UNSAMPLED_ID, flags="00")
    ask(address, LATER_ID)
    with httpx.Client() as http:
        jaeger = Jaeger(started.url, http)
        # Each service sends in order: once the later trace is there, the earlier one would be.
        assert jaeger.wait(LATER_ID, CALLER_SPAN, TIMEOUT_S)[1]
        assert jaeger.read(UNSAMPLED_ID) == []


@pytest.fixture(scope="module")
def merged(running: tuple[Started, str], routed: object) -> CompletedProcess[str]:
    """What `ask --jaeger` says of a route whose drafts are merged."""
    return ask_jaeger(running, "Why?", "--k", "2", "--selector", "consensus")


@pytest.fixture(scope="module")
def held(running: tuple[Started, str], routed: object) -> CompletedProcess[str]:
    """What `ask --jaeger` says of a route that chooses among held calls."""
    return ask_jaeger(running, LONG, "--boot-tokens", "2", "--k", "1", "--selector", "prior", "--hold", "always")


def ask_jaeger(running: tuple[Started, str], prompt: str, *flags: str) -> CompletedProcess[str]:
    """Asks without an early exit."""
    started, address = running
    asked = cli(
        "ask", prompt, "--jaeger", started.url, "--margin", "1", "--agreement", "1", "-o", "json", *flags,
        address=address,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    return asked


def test_ask_prints_the_waterfall(running: tuple[Started, str], merged: CompletedProcess[str]) -> None:
    answer = json.loads(merged.stdout)
    first, _, *lines = merged.stderr.splitlines()
    named = re.fullmatch("trace: ([0-9a-f]{32})", first)
    assert named
    with httpx.Client() as http:
        spans = Jaeger(running[0].url, http).read(named[1])
    routes = [span for span in spans if span.name == names.ROUTE]
    assert [span.attributes[names.ROUTE_ID] for span in routes] == [answer["routeId"]]
    drawn = [line.split()[0] for line in lines if "━" in line]
    boots = ["boot", *["chat"] * (len(CANDIDATES) + 1)]
    assert drawn == ["route", *boots, "select", "complete", "chat", "chat", "aggregate", "chat"]
    assert any("gone dropped (candidate_failed)" in line for line in lines)
    total = f"${int(answer['ledger']['costNanousd']) / 1e9:.9f}"
    assert any(line.split()[0] == "route" and total in line for line in lines if line.strip())


def test_ask_says_which_held_calls_were_chosen(held: CompletedProcess[str]) -> None:
    words = Counter(re.findall("(checkpoint|chosen|dropped) after", held.stderr))
    assert words == {"checkpoint": len(CANDIDATES), "chosen": 1, "dropped": len(CANDIDATES) - 1}, held.stderr


def test_the_waterfall_in_the_documents_has_the_lines_of_a_real_one(
    merged: CompletedProcess[str], held: CompletedProcess[str]
) -> None:
    (shown,) = [block for block in blocks(DOCS / "how-to" / "trace.md", "") if "--jaeger" in block]
    drawn = {shape(line) for asked in (merged, held) for line in asked.stderr.splitlines()}
    assert {shape(line) for line in shown.partition("trace: ")[2].splitlines()[1:]} <= drawn
    assert all(f"{word} after" in shown for word in ("checkpoint", "chosen", "dropped"))


def shape(line: str) -> str:
    """Returns a line of a waterfall without its bar, its figures, and what depends on the pool."""
    line = " ".join(re.sub("━|, degraded: .*", "", line).split())
    line = re.sub(r"^chat \S+", "chat", line)
    line = re.sub(r"[a-z]+(?=, \d+ tokens in)|(?<=^\d\. )[a-z]+|, (stop|length)$", "", line)
    return re.sub(r"\$?\d[\d.]*", "0", line)


def test_services_that_stop_send_their_last_spans(
    running: tuple[Started, str], routed: object, pool: Path, tmp_path: Path
) -> None:
    found, _ = running
    up = up_with(tmp_path, pool, found)
    try:
        ask(up.wait_ready(), LAST_ID)
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(TIMEOUT_S) == 0
    finally:
        up.end()
    with httpx.Client() as http:
        assert is_whole(Jaeger(found.url, http).read(LAST_ID), CALLER_SPAN)
