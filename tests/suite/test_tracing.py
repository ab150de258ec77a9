"""One trace a request, from the caller's own on, with a span for every stage and every model call."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Hold, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import CompleteRequest
from tests.suite.rig import entry, prompt, running
from tests.suite.tracing import CALLER, TRACE_ID, Recorder, Tree, attribute, events
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream

TEXTS = ("The river is long and slow.", "Mountains stand in the north.", "Nothing grows in this sand.")


async def traced(folder: Path, policy: Policy, *upstream_behaviours: Behaviour, retries: int = 0) -> Tree:
    """Routes one prompt of a traced caller over three candidates; returns the trace."""
    recorder = Recorder()
    async with (
        Upstream(upstream_behaviours[0]) as a,
        Upstream(upstream_behaviours[1]) as b,
        Upstream(upstream_behaviours[2]) as c,
        running(
            folder,
            entry("a", a.base_url, prior=0.9, limits={"retries": retries}),
            entry("b", b.base_url, limits={"retries": retries}),
            entry("c", c.base_url, limits={"retries": retries}),
            pool={"judge": "c", "synthesizer": "c"},
            spans=recorder,
        ) as suite,
    ):
        answer = (
            await suite.stub.Complete(CompleteRequest(prompt=prompt(policy)), timeout=600, metadata=CALLER)
        ).answer
        assert answer.route_id != TRACE_ID
        return await recorder.tree()


@pytest.fixture
def models() -> list[Behaviour]:
    return [behaviours.model(text) for text in TEXTS]


async def test_stages_and_model_calls_are_one_trace(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(
        boot_tokens=8,
        margin=1.0,
        agreement=1.0,
        hold=Hold.HOLD_NEVER,
        selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
    )
    trace = await traced(folder, policy, *models)
    assert trace.below(names.ROUTE) == {names.BOOT: 1, names.SELECT: 1, names.COMPLETE: 1, names.AGGREGATE: 1}
    assert trace.below(names.BOOT) == {f"chat model-of-{name}": 1 for name in "abc"}
    assert trace.below(names.COMPLETE).total() == 2
    assert trace.below(names.AGGREGATE) == {"chat model-of-c": 1}
    assert {span.resource.attributes["service.name"] for span in trace.spans} == {
        "lightrouter-router",
        "lightrouter-selector",
        "lightrouter-aggregator",
        *(f"lightrouter-adapter-{name}" for name in "abc"),
    }


async def test_each_call_between_services_is_a_client_s_span_and_a_server_s(
    folder: Path, models: list[Behaviour]
) -> None:
    policy = Policy(boot_tokens=8, margin=1.0, agreement=1.0, hold=Hold.HOLD_NEVER)
    trace = await traced(folder, policy, *models)
    served = {span.name: span for span in trace.spans if span.kind is SpanKind.SERVER}
    assert set(served) == {
        f"{names.ROUTER_SERVICE}/Complete",
        f"{names.SELECTOR_SERVICE}/Select",
        f"{names.AGGREGATOR_SERVICE}/Aggregate",
        f"{names.ADAPTER_SERVICE}/Generate",
        f"{names.ADAPTER_SERVICE}/StreamGenerate",
    }
    for above, span in trace.pairs():
        if span.kind is SpanKind.SERVER:
            assert (above.kind, above.name) == (SpanKind.CLIENT, span.name)
        if span.kind is not SpanKind.INTERNAL:
            assert attribute(span, names.RPC_METHOD) == span.name
            assert attribute(span, names.RPC_STATUS) == "OK"
    for call in trace.chats():
        served_here = trace.parent(call)
        asked = served_here and trace.parent(served_here)
        assert asked
        assert attribute(asked, names.CANDIDATE) == attribute(call, names.CANDIDATE)


async def test_a_completion_links_to_the_boot_that_it_goes_on_from(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(
        boot_tokens=8,
        margin=1.0,
        agreement=1.0,
        hold=Hold.HOLD_NEVER,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
    )
    trace = await traced(folder, policy, *models)
    boots = {span.context.span_id: attribute(span, names.CANDIDATE) for span in trace.chats("boot") if span.context}
    assert len(trace.chats("complete")) == 2
    for span in trace.chats("complete"):
        assert [boots[link.context.span_id] for link in span.links] == [attribute(span, names.CANDIDATE)]
    assert not any(span.links for span in trace.chats("boot"))


async def test_a_candidate_that_is_dropped_is_an_event_of_the_stage(folder: Path, models: list[Behaviour]) -> None:
    trace = await traced(folder, Policy(k=1, boot_tokens=8), models[0], behaviours.status(500), models[2])
    (dropped,) = events(trace.one(names.BOOT), names.CANDIDATE_DROPPED)
    assert dropped.pop(names.MESSAGE)
    assert dropped == {
        names.CANDIDATE: "b",
        names.REASON: "candidate_failed",
        names.ERROR_TYPE: "UPSTREAM_ERROR",
    }
    assert not trace.one(names.ROUTE).events


async def test_each_candidate_s_rank_and_score_is_an_event_of_select(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(boot_tokens=8, k=1, selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR)
    ranked = events((await traced(folder, policy, *models)).one(names.SELECT), names.CANDIDATE_RANKED)
    assert [event[names.RANK] for event in ranked] == [1, 2, 3]
    assert [event[names.CANDIDATE] for event in ranked] == ["a", "b", "c"]
    assert [event[names.CHOSEN] for event in ranked] == [True, False, False]
    assert ranked[0][names.SCORE] == pytest.approx(0.9)


async def test_a_judge_s_calls_are_below_select(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(
        boot_tokens=8,
        selector=SelectorStrategy.SELECTOR_STRATEGY_LLM,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
    )
    trace = await traced(folder, policy, *models)
    assert trace.below(names.SELECT).total() >= 2
    assert set(trace.below(names.SELECT)) == {"chat model-of-c"}
    # This model is no judge; the trace says so in the span in which it failed.
    (degraded,) = events(trace.one(names.SELECT), names.ANSWER_DEGRADED)
    assert degraded[names.REASON] == "verdict_unreadable"


async def test_an_attempt_that_failed_is_an_event_of_the_call(folder: Path, models: list[Behaviour]) -> None:
    once = behaviours.status(429, headers={"Retry-After": "0"})
    recorder = Recorder()
    async with (
        Upstream(once, models[0]) as upstream,
        running(folder, entry("a", upstream.base_url), spans=recorder) as suite,
    ):
        request = CompleteRequest(prompt=prompt(Policy(boot_tokens=60)))
        await suite.stub.Complete(request, timeout=600, metadata=CALLER)
        (call,) = (await recorder.tree()).chats()
    assert attribute(call, names.ATTEMPTS) == 2
    assert call.status.status_code is StatusCode.UNSET
    (retry,) = events(call, names.RETRY)
    assert (retry[names.ATTEMPT], retry[names.ERROR_TYPE]) == (1, "UPSTREAM_RATE_LIMITED")


async def test_a_call_that_the_circuit_refuses_says_so(folder: Path, models: list[Behaviour]) -> None:
    recorder = Recorder()
    circuit = {"failures": 1, "cooldown_s": 3600}
    async with (
        Upstream(models[0]) as good,
        Upstream(behaviours.status(500)) as bad,
        running(
            folder,
            entry("a", good.base_url),
            entry("b", bad.base_url, limits={"retries": 0}, circuit=circuit),
            spans=recorder,
        ) as suite,
    ):
        request = CompleteRequest(prompt=prompt(Policy(boot_tokens=60)))
        for _ in range(2):
            await suite.stub.Complete(request, timeout=600, metadata=CALLER)
        calls = [span for span in (await recorder.tree()).chats() if attribute(span, names.CANDIDATE) == "b"]
        assert len(bad.requests) == 1
    said = [(attribute(span, names.ERROR_TYPE), attribute(span, names.ATTEMPTS)) for span in calls]
    assert said == [("UPSTREAM_ERROR", 1), ("CIRCUIT_OPEN", 0)]


async def test_spans_say_what_happened(folder: Path, models: list[Behaviour]) -> None:
    policy = Policy(boot_tokens=8, k=1, hold=Hold.HOLD_NEVER, aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST)
    trace = await traced(folder, policy, *models)
    assert attribute(trace.one(names.BOOT), names.BOOT_TOKENS) == 8
    assert attribute(trace.one(names.SELECT), names.K) == 1
    assert attribute(trace.one(names.SELECT), names.STAGE) == "select"
    chat = next(span for span in trace.chats("boot") if attribute(span, names.CANDIDATE) == "a")
    assert chat.name == "chat model-of-a"
    assert attribute(chat, names.GEN_AI_OPERATION_NAME) == "chat"
    assert attribute(chat, names.GEN_AI_PROVIDER_NAME) == "openai"
    assert attribute(chat, names.GEN_AI_REQUEST_MODEL) == "model-of-a"
    assert attribute(chat, names.GEN_AI_REQUEST_MAX_TOKENS) == 8
    assert attribute(chat, names.GEN_AI_RESPONSE_MODEL) == behaviours.MODEL
    assert attribute(chat, names.GEN_AI_RESPONSE_FINISH_REASONS) == ("length",)
    assert attribute(chat, names.GEN_AI_USAGE_OUTPUT_TOKENS) == 8


async def test_a_failed_call_s_span_says_why(folder: Path, models: list[Behaviour]) -> None:
    trace = await traced(folder, Policy(k=1, boot_tokens=8), models[0], behaviours.status(500), models[2])
    (chat,) = trace.named("chat model-of-b")
    assert chat.status.status_code == StatusCode.ERROR
    assert attribute(chat, names.ERROR_TYPE) == "UPSTREAM_ERROR"
    served = trace.parent(chat)
    assert served
    assert (attribute(served, names.RPC_STATUS), attribute(served, names.ERROR_TYPE)) == (
        "UNAVAILABLE",
        "UPSTREAM_ERROR",
    )
    route = trace.one(names.ROUTE)
    assert route.status.status_code != StatusCode.ERROR
    assert attribute(route, names.DEGRADED) == ("candidate_failed",)


TOKEN = "caller-token-0123456789"
KEY = "sk-provider-key-0123456789"


async def everything_said(folder: Path, models: list[Behaviour], capture: TextCapture) -> str:
    """Returns all that the spans say of a route whose caller has a token and one of whose providers refuses its key."""
    recorder = Recorder()
    folder = Path(tempfile.mkdtemp(dir=folder))
    (folder / "key").write_text(KEY)
    refuses = behaviours.status(401, body=json.dumps({"error": {"message": f"Incorrect API key: {KEY}"}}).encode())
    async with (
        Upstream(models[0]) as a,
        Upstream(refuses) as b,
        running(
            folder,
            entry("a", a.base_url, api_key_file=str(folder / "key")),
            entry("b", b.base_url, api_key_file=str(folder / "key"), limits={"retries": 0}),
            spans=recorder,
            capture=capture,
        ) as suite,
    ):
        metadata = (*CALLER, ("authorization", f"Bearer {TOKEN}"))
        request = CompleteRequest(prompt=prompt(Policy(boot_tokens=8)))
        answer = (await suite.stub.Complete(request, timeout=600, metadata=metadata)).answer
        assert answer.text == TEXTS[0]
        spans = (await recorder.tree()).spans
    return json.dumps([json.loads(span.to_json()) for span in spans])


async def test_text_is_on_the_spans_only_where_it_is_wanted(folder: Path, models: list[Behaviour]) -> None:
    said = await everything_said(folder, models, NOTHING)
    assert "capital of France" not in said
    assert TEXTS[0][:8] not in said
    assert names.GEN_AI_INPUT_MESSAGES not in said
    captured = await everything_said(folder, models, TextCapture(2000))
    assert "capital of France" in captured
    assert TEXTS[0] in captured


@pytest.mark.parametrize("characters", [0, 100_000])
async def test_keys_and_tokens_are_on_no_span(folder: Path, models: list[Behaviour], characters: int) -> None:
    said = await everything_said(folder, models, TextCapture(characters))
    assert "UPSTREAM_UNAUTHENTICATED" in said
    assert KEY not in said
    assert TOKEN not in said
