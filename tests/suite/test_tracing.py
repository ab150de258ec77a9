"""One trace a request, from the caller's own on, with a span for every stage and every model call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode, format_trace_id

from lightrouter.runtime import names
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import CompleteRequest
from tests.suite.rig import entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = (("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01"),)
TEXTS = ("The river is long and slow.", "Mountains stand in the north.", "Nothing grows in this sand.")


class Collector(SpanExporter):
    """Keeps the spans of all services; one service that stops does not stop it."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


async def spans_of(folder: Path, policy: Policy, *upstream_behaviours: Behaviour) -> Sequence[ReadableSpan]:
    """Routes one prompt of a traced caller over three candidates; returns the spans."""
    collector = Collector()
    async with (
        Upstream(upstream_behaviours[0]) as a,
        Upstream(upstream_behaviours[1]) as b,
        Upstream(upstream_behaviours[2]) as c,
        running(
            folder,
            entry("a", a.base_url, prior=0.9, limits={"retries": 0}),
            entry("b", b.base_url, limits={"retries": 0}),
            entry("c", c.base_url, limits={"retries": 0}),
            pool={"judge": "c", "synthesizer": "c"},
            exporter=collector,
        ) as suite,
    ):
        answer = (await suite.stub.Complete(CompleteRequest(prompt=prompt(policy)), timeout=60, metadata=CALLER)).answer
        assert answer.route_id == TRACE_ID
    return collector.spans


def children(spans: Sequence[ReadableSpan], parent: str) -> Counter[str]:
    """Returns the names of the spans below those of this name."""
    ids = {span.context.span_id for span in spans if span.name == parent and span.context}
    return Counter(span.name for span in spans if span.parent and span.parent.span_id in ids)


def staged(span: ReadableSpan, stage: str) -> bool:
    """Returns whether it is a model call of this stage."""
    return (span.attributes or {}).get(names.STAGE) == stage


def candidate(span: ReadableSpan) -> object:
    """Returns the candidate of a model call."""
    return (span.attributes or {})[names.CANDIDATE]


@pytest.fixture
def models() -> list[Behaviour]:
    return [behaviours.model(text) for text in TEXTS]


async def test_stages_and_model_calls_are_one_trace(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(
        boot_tokens=8,
        margin=1.0,
        agreement=1.0,
        selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
    )
    spans = await spans_of(folder, policy, *models)
    assert {format_trace_id(span.context.trace_id) for span in spans if span.context} == {TRACE_ID}
    assert children(spans, names.ROUTE) == {names.BOOT: 1, names.SELECT: 1, names.COMPLETE: 1, names.AGGREGATE: 1}
    assert children(spans, names.BOOT) == {f"chat model-of-{name}": 1 for name in "abc"}
    assert children(spans, names.COMPLETE).total() == 2
    assert children(spans, names.AGGREGATE) == {"chat model-of-c": 1}
    assert {span.resource.attributes["service.name"] for span in spans} == {
        "lightrouter-router",
        *(f"lightrouter-adapter-{name}" for name in "abc"),
    }


async def test_a_completion_links_to_the_boot_that_it_goes_on_from(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(boot_tokens=8, margin=1.0, agreement=1.0, aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST)
    spans = await spans_of(folder, policy, *models)
    chats = [span for span in spans if span.attributes and span.name.startswith("chat ")]
    stages = {stage: [span for span in chats if staged(span, stage)] for stage in ("boot", "complete")}
    boots = {span.context.span_id: candidate(span) for span in stages["boot"] if span.context}
    assert len(stages["complete"]) == 2
    for span in stages["complete"]:
        assert [boots[link.context.span_id] for link in span.links] == [candidate(span)]
        assert {format_trace_id(link.context.trace_id) for link in span.links} == {TRACE_ID}
    assert not any(span.links for span in stages["boot"])


async def test_a_candidate_that_is_dropped_is_an_event_of_the_stage(folder: Path, models: list[Behaviour]) -> None:
    spans = await spans_of(folder, Policy(k=1, boot_tokens=8), models[0], behaviours.status(500), models[2])
    events = {span.name: [(event.name, dict(event.attributes or {})) for event in span.events] for span in spans}
    assert events[names.BOOT] == [(names.CANDIDATE_DROPPED, {names.CANDIDATE: "b", names.REASON: "candidate_failed"})]
    assert not events[names.ROUTE]


async def test_a_judge_s_calls_are_below_select(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(
        boot_tokens=8,
        selector=SelectorStrategy.SELECTOR_STRATEGY_LLM,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
    )
    spans = await spans_of(folder, policy, *models)
    assert children(spans, names.SELECT).total() >= 2
    assert set(children(spans, names.SELECT)) == {"chat model-of-c"}


async def test_spans_say_what_happened(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(boot_tokens=8, k=1, aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST)
    spans = await spans_of(folder, policy, *models)
    (boot,) = (span for span in spans if span.name == names.BOOT)
    assert boot.attributes
    assert boot.attributes[names.BOOT_TOKENS] == 8
    (select,) = (span for span in spans if span.name == names.SELECT)
    assert select.attributes
    assert select.attributes[names.K] == 1
    assert len(select.attributes[names.SCORES]) == 3  # type: ignore[arg-type]  # a sequence, as the next line shows
    chat = next(span for span in spans if span.name == "chat model-of-a")
    assert chat.attributes
    assert chat.attributes[names.GEN_AI_OPERATION_NAME] == "chat"
    assert chat.attributes[names.GEN_AI_REQUEST_MODEL] == "model-of-a"
    assert chat.attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] == 8
    assert chat.attributes[names.CANDIDATE] == "a"
    assert chat.attributes[names.STAGE] == "boot"
    everything = " ".join(str(span.attributes) for span in spans)
    assert not any(text[:8] in everything for text in TEXTS)
    assert "capital" not in everything


async def test_a_failed_call_s_span_says_why(folder: Path, models: list[Behaviour]) -> None:
    spans = await spans_of(folder, Policy(k=1, boot_tokens=8), models[0], behaviours.status(500), models[2])
    (chat,) = (span for span in spans if span.name == "chat model-of-b")
    assert chat.status.status_code == StatusCode.ERROR
    assert chat.attributes
    assert chat.attributes[names.ERROR_TYPE] == "UPSTREAM_ERROR"
    (route,) = (span for span in spans if span.name == names.ROUTE)
    assert route.status.status_code != StatusCode.ERROR
    assert route.attributes
    assert route.attributes[names.DEGRADED] == ("candidate_failed",)
