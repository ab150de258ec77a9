"""The waterfall tells the truth: what ran at once overlaps, stages cover what is theirs, and every span ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from lightrouter.runtime.telemetry import names
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Hold, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import CompleteRequest, StreamCompleteRequest
from tests.clock import Clock
from tests.suite.rig import Suite, entry, prompt, running
from tests.suite.tracing import CALLER, Recorder, Tree, attribute, covers, events, overlap
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

TEXTS = ("The river is long and slow.", "Mountains stand in the north.", "Nothing grows in this sand.")
MODELS = [behaviours.model(text) for text in TEXTS]
STAGES = (names.BOOT, names.SELECT, names.COMPLETE, names.AGGREGATE)
BEST = AggregatorStrategy.AGGREGATOR_STRATEGY_BEST
PRIOR = SelectorStrategy.SELECTOR_STRATEGY_PRIOR
LLM = SelectorStrategy.SELECTOR_STRATEGY_LLM
LEFT = {"CANCELLED", "DEADLINE_EXCEEDED"}
ROUTED = f"{names.ROUTER_SERVICE}/Complete"


@asynccontextmanager
async def suite_of(folder: Path, recorder: Recorder, *said: Behaviour) -> AsyncIterator[tuple[Suite, list[Upstream]]]:
    """Runs a suite with the candidates a, b and c, which behave so; c, the last by its prior, judges."""
    async with AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(Upstream(each)) for each in said]
        entries = [
            entry(name, upstream.base_url, prior=prior, limits={"retries": 0})
            for name, prior, upstream in zip("abc", (0.9, 0.6, 0.3), upstreams, strict=True)
        ]
        pool = {"judge": "c", "synthesizer": "c"}
        suite = await stack.enter_async_context(
            running(folder, *entries, router={"quorum": 1.0}, pool=pool, spans=recorder)
        )
        yield suite, upstreams


async def completed(suite: Suite, policy: Policy, seconds: float = 600) -> None:
    """Has a traced caller's prompt answered."""
    await suite.stub.Complete(CompleteRequest(prompt=prompt(policy)), timeout=seconds, metadata=CALLER)


async def routed(folder: Path, policy: Policy, *said: Behaviour, seconds: float = 600) -> Tree:
    """Returns the trace of one prompt."""
    recorder = Recorder()
    async with suite_of(folder, recorder, *said) as (suite, _):
        await completed(suite, policy, seconds)
        return truthful(await recorder.tree())


def truthful(trace: Tree) -> Tree:
    """Checks what holds for every trace; that no span is an orphan or stays open, the tree and the recorder check."""
    held = held_calls(trace)
    for above, span in trace.pairs():
        # What is left by its caller learns of it a moment later; all else ends before what is above it. A held call
        # begins in the boot stage and may outlast it, but never its route.
        outlasts = span in held and above in trace.named(names.BOOT)
        if attribute(span, names.ERROR_TYPE) in LEFT or events(span, names.DROPPED) or outlasts:
            assert (above.start_time or 0) <= (span.start_time or 0)
        else:
            assert covers(above, span), (above.name, span.name)
        if outlasts:
            assert covers(trace.one(names.ROUTE), span)
    stages = [span for name in STAGES for span in trace.named(name)]
    assert all(covers(trace.one(names.ROUTE), stage) for stage in stages)
    assert all((first.end_time or 0) <= (then.start_time or 0) for first, then in pairwise(stages))
    for call in trace.chats():
        stage = trace.stage_of(call)
        assert stage
        assert attribute(call, names.STAGE) == stage.name
    return trace


def held_calls(trace: Tree) -> list[ReadableSpan]:
    """Returns the spans of the calls that passed a checkpoint: the router's, the adapter's, and the model call's."""
    found: list[ReadableSpan] = []
    for call in trace.chats():
        if events(call, names.CHECKPOINT):
            served = trace.parent(call)
            asked = served and trace.parent(served)
            assert served
            assert asked
            found += [call, served, asked]
    return found


def errors(spans: list[ReadableSpan]) -> set[object]:
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)
    return {attribute(span, names.ERROR_TYPE) for span in spans}


def together() -> list[Behaviour]:
    """Returns models that boot only once all do, and of which two complete only once both do."""
    boots, completions = asyncio.Barrier(3), asyncio.Barrier(2)

    def gated(model: Behaviour) -> Behaviour:
        async def behave(exchange: Exchange) -> None:
            await (completions if exchange.number else boots).wait()
            await model(exchange)

        return behave

    return [gated(model) for model in MODELS]


async def test_a_good_route(folder: Path) -> None:
    policy = Policy(boot_tokens=8, k=2, margin=1.0, agreement=1.0, selector=PRIOR, aggregator=BEST)
    policy.hold = Hold.HOLD_NEVER
    trace = await routed(folder, policy, *together())
    assert len(trace.chats("boot")) == 3
    assert overlap(trace.chats("boot"))
    assert len(trace.chats("complete")) == 2
    assert overlap(trace.chats("complete"))
    assert not [span.name for span in trace.spans if span.status.status_code is StatusCode.ERROR]


async def test_an_early_exit(folder: Path) -> None:
    trace = await routed(folder, Policy(boot_tokens=100, margin=0.0, selector=PRIOR), *MODELS)
    assert trace.below(names.ROUTE) == {names.BOOT: 1, names.SELECT: 1}
    assert attribute(trace.one(names.SELECT), names.SELECTION_REASON) == "margin"


async def test_a_failed_candidate(folder: Path) -> None:
    policy = Policy(boot_tokens=8, k=1, selector=PRIOR)
    trace = await routed(folder, policy, behaviours.status(500), *MODELS[1:])
    assert errors(trace.named("chat model-of-a")) == {"UPSTREAM_ERROR"}
    assert [event[names.CANDIDATE] for event in events(trace.one(names.BOOT), names.CANDIDATE_DROPPED)] == ["a"]
    assert trace.one(names.BOOT).status.status_code is StatusCode.UNSET


async def test_a_slow_selector(folder: Path, clock: Clock) -> None:
    recorder = Recorder()
    policy = Policy(boot_tokens=8, k=1, selector=LLM)
    async with suite_of(folder, recorder, *MODELS) as (suite, upstreams):
        upstreams[2].then(MODELS[2], behaviours.hang)
        # A judge has at most 30 s.
        await clock.pass_at_each(30, [upstreams[2].requests], completed(suite, policy))
        trace = truthful(await recorder.tree())
    select = trace.one(names.SELECT)
    (degraded,) = events(select, names.ANSWER_DEGRADED)
    assert degraded[names.REASON] in {"selector_slow", "selector_failed"}
    assert select.status.status_code is StatusCode.UNSET
    judged = trace.chats("select")
    assert judged
    assert errors(judged) <= LEFT | {"UPSTREAM_TIMEOUT"}


async def test_all_candidates_fail(folder: Path) -> None:
    recorder, failing = Recorder(), behaviours.status(500)
    async with suite_of(folder, recorder, failing, failing, failing) as (suite, _):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await completed(suite, Policy(boot_tokens=8))
        trace = truthful(await recorder.tree())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert trace.below(names.ROUTE) == {names.BOOT: 1}
    assert len(events(trace.one(names.BOOT), names.CANDIDATE_DROPPED)) == 3
    failed = [trace.one(names.ROUTE), trace.one(names.BOOT), trace.one(ROUTED)]
    assert errors(failed) == {"ALL_CANDIDATES_FAILED"}


@pytest.mark.parametrize("streamed", [False, True], ids=["Complete", "StreamComplete"])
async def test_a_caller_that_leaves(folder: Path, streamed: bool) -> None:
    recorder = Recorder()
    async with suite_of(folder, recorder, behaviours.hang, behaviours.hang, behaviours.hang) as (suite, upstreams):
        asked = prompt(Policy(boot_tokens=8))
        if streamed:
            stream = suite.stub.StreamComplete(StreamCompleteRequest(prompt=asked), timeout=600, metadata=CALLER)
            call = asyncio.ensure_future(anext(aiter(stream)))
            await call
            leave = stream.cancel
        else:
            unary = suite.stub.Complete(CompleteRequest(prompt=asked), timeout=600, metadata=CALLER)
            leave = unary.cancel
        for upstream in upstreams:
            await upstream.arrived()
        leave()
        trace = truthful(await recorder.tree())
    assert errors([trace.one(names.ROUTE), trace.one(names.BOOT), *trace.chats()]) == {"CANCELLED"}
    assert len(trace.chats()) == 3
    served = [span for span in trace.spans if span.kind is SpanKind.SERVER]
    assert {attribute(span, names.RPC_STATUS) for span in served} == {"CANCELLED"}


async def test_a_deadline_that_passes(folder: Path, clock: Clock) -> None:
    recorder = Recorder()
    async with suite_of(folder, recorder, behaviours.hang, behaviours.hang, behaviours.hang) as (suite, upstreams):
        asked = asyncio.gather(*(upstream.arrived() for upstream in upstreams))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await clock.pass_after(asked, 300, completed(suite, Policy(boot_tokens=8), 300))
        trace = truthful(await recorder.tree())
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert errors([trace.one(names.ROUTE), trace.one(names.BOOT)]) == {"DEADLINE_EXCEEDED"}
    assert errors(trace.chats()) <= LEFT | {"UPSTREAM_TIMEOUT"}
    assert attribute(trace.one(ROUTED), names.RPC_STATUS) == "DEADLINE_EXCEEDED"


async def test_a_request_that_breaks_a_rule(folder: Path) -> None:
    recorder = Recorder()
    async with suite_of(folder, recorder, *MODELS) as (suite, _):
        with pytest.raises(grpc.aio.AioRpcError):
            await completed(suite, Policy(k=-1))
        (span,) = (await recorder.tree()).spans
    assert (span.name, span.kind) == (ROUTED, SpanKind.SERVER)
    assert attribute(span, names.ERROR_TYPE) == "INVALID_REQUEST"
    # The caller's fault is none of the router's.
    assert span.status.status_code is StatusCode.UNSET
