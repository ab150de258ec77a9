"""Held calls while a route waits: for a judge, a place, a caller who leaves, a deadline that passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    DescribeResponse,
    GenerateRequest,
    GenerateResponse,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import (
    AdapterServiceServicer,
    AdapterServiceStub,
    add_AdapterServiceServicer_to_server,
)
from lightrouter.v1.ledger_pb2 import (
    COST_BASIS_LOWER_BOUND,
    DEGRADED_REASON_AGGREGATOR_SLOW,
    DEGRADED_REASON_CANDIDATE_SLOW,
    DEGRADED_REASON_SELECTOR_SLOW,
    STAGE_AGGREGATE,
    STAGE_SELECT,
)
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    HOLD_ALWAYS,
    SELECTOR_STRATEGY_LLM,
    SELECTOR_STRATEGY_PRIOR,
    Policy,
)
from lightrouter.v1.router_pb2 import Answer, Prompt, StreamCompleteRequest
from tests.clock import Clock
from tests.suite.rig import Suite, entry, first_and_second, prompt, running
from tests.suite.test_cancellation import DEADLINES, own_tasks
from tests.suite.test_hold import ALONE, BOOT, OTHER, TEXT, written
from tests.upstreams import behaviours
from tests.upstreams.upstream import Upstream

JUDGED = Policy(boot_tokens=BOOT, k=1, hold=HOLD_ALWAYS, selector=SELECTOR_STRATEGY_LLM)
MERGED = Policy(
    boot_tokens=BOOT,
    k=2,
    margin=1,
    agreement=1,
    hold=HOLD_ALWAYS,
    selector=SELECTOR_STRATEGY_PRIOR,
    aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE,
)
PATIENT = {"quorum": 1.0, "aggregator": "best"}


def judging(folder: Path, first: Upstream, second: Upstream, judge: Upstream) -> AbstractAsyncContextManager[Suite]:
    entries = (*first_and_second(first, second), entry("judge", judge.base_url))
    return running(folder, *entries, router=PATIENT, pool={"judge": "judge"})


@pytest.mark.parametrize("streamed", [False, True], ids=["Complete", "StreamComplete"])
@pytest.mark.parametrize("policy", [ALONE, JUDGED], ids=["chosen", "judged"])
async def test_a_caller_that_leaves_while_calls_are_held(folder: Path, policy: Policy, streamed: bool) -> None:
    waits = behaviours.hang_mid_stream(*TEXT[: BOOT + 2])
    async with (
        Upstream(waits) as first,
        Upstream(behaviours.model(OTHER), waits) as second,
        Upstream(behaviours.hang) as judge,
        judging(folder, first, second, judge) as suite,
    ):
        # The first route opens the connections and their tasks, which stay.
        await suite.complete(prompt(Policy(candidates=["second"])))
        before = own_tasks()
        asked = prompt(policy)
        asked.policy.candidates.extend(["first", "second"])
        call = asyncio.ensure_future(suite.stream(asked) if streamed else suite.complete(asked))
        await first.arrived()
        # The loser is left at the choice, and the judge is asked while both are held.
        await (judge.arrived() if policy is JUDGED else second.all_closed())
        call.cancel()
        await first.all_closed()
        await second.all_closed()
        await judge.all_closed()
        with pytest.raises(asyncio.CancelledError):
            await call
        calls = len(first.requests), len(second.requests)
        second.then(behaviours.model(OTHER))
        await suite.complete(prompt(Policy(candidates=["second"], boot_tokens=100)))
        assert (len(first.requests), len(second.requests) - 1) == calls == (1, 2)
        assert own_tasks() == before


async def test_a_deadline_that_passes_while_calls_are_held(folder: Path) -> None:
    waits = behaviours.hang_mid_stream(*TEXT[: BOOT + 2])
    async with (
        Upstream(waits) as first,
        Upstream(waits) as second,
        running(folder, *first_and_second(first, second), router=PATIENT) as suite,
    ):
        for seconds in DEADLINES:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await suite.complete(prompt(ALONE), seconds)
            assert caught.value.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
            await first.all_closed()
            await second.all_closed()
            if first.requests and second.requests:
                break


async def test_a_judge_that_hangs_while_calls_are_held_costs_at_least_its_prompt(folder: Path, clock: Clock) -> None:
    async with (
        Upstream(behaviours.model(TEXT)) as first,
        Upstream(behaviours.model(OTHER)) as second,
        Upstream(behaviours.hang) as judge,
        judging(folder, first, second, judge) as suite,
    ):
        asked = prompt(JUDGED)
        asked.policy.candidates.extend(["first", "second"])
        answer = await clock.pass_at_each(30, [judge.requests], suite.complete(asked))
        await judge.all_closed()
        assert (len(first.requests), len(second.requests)) == (1, 1)
    assert answer.text == TEXT
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_SELECTOR_SLOW]
    judged = [line for line in answer.ledger.entries if line.stage == STAGE_SELECT]
    assert judged
    assert {(line.candidate, line.cost_basis) for line in judged} == {("judge", COST_BASIS_LOWER_BOUND)}
    assert all(line.usage.input_tokens and line.cost_nanousd for line in judged)
    assert answer.ledger.cost_nanousd == sum(line.cost_nanousd for line in answer.ledger.entries)


async def test_a_synthesizer_that_hangs_costs_at_least_its_prompt(folder: Path, clock: Clock) -> None:
    others = behaviours.Hanging()
    async with (
        Upstream(behaviours.model(TEXT), others) as first,
        Upstream(behaviours.model(OTHER), others) as second,
        Upstream(behaviours.hang_mid_stream("An", " answer")) as merger,
        running(
            folder,
            *first_and_second(first, second),
            entry("merger", merger.base_url),
            router={"quorum": 1.0},
            pool={"synthesizer": "merger"},
        ) as suite,
    ):
        asked = prompt(MERGED)
        asked.policy.candidates.extend(["first", "second"])
        answer = await clock.pass_at_each(30, [others, merger.requests], suite.complete(asked))
        await merger.all_closed()
    assert answer.text == TEXT
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_AGGREGATOR_SLOW]
    merged = [line for line in answer.ledger.entries if line.stage == STAGE_AGGREGATE]
    assert merged[0].candidate == "merger"
    assert all(line.cost_basis == COST_BASIS_LOWER_BOUND for line in merged)
    assert all(line.usage.input_tokens and line.cost_nanousd for line in merged)


class Forwarding(AdapterServiceServicer):
    """Passes calls on to an adapter, after `before` has seen and perhaps changed each streamed request."""

    def __init__(self, channel: grpc.aio.Channel, before: Callable[[StreamGenerateRequest], Awaitable[None]]) -> None:
        self._adapter = AdapterServiceStub(channel)
        self._before = before

    async def Describe(self, request: DescribeRequest, context: object) -> DescribeResponse:
        return await self._adapter.Describe(request)

    async def Generate(self, request: GenerateRequest, context: object) -> GenerateResponse:
        return await self._adapter.Generate(request)

    async def StreamGenerate(
        self, request: StreamGenerateRequest, context: object
    ) -> AsyncIterator[StreamGenerateResponse]:
        await self._before(request)
        call = self._adapter.StreamGenerate(request)
        try:
            async for response in call:
                yield response
        finally:
            call.cancel()


@asynccontextmanager
async def forwarding(
    folder: Path, name: str, before: Callable[[StreamGenerateRequest], Awaitable[None]]
) -> AsyncIterator[str]:
    """Serves the adapter of a candidate at another address, which it yields."""
    server, address = grpc.aio.server(), f"unix:{folder}/before-{name}.sock"
    async with grpc.aio.insecure_channel(f"unix:{folder}/{name}.sock") as channel:
        add_AdapterServiceServicer_to_server(Forwarding(channel, before), server)
        server.add_insecure_port(address)
        await server.start()
        yield address
        await server.stop(None)


async def test_an_adapter_that_knows_no_checkpoint_writes_its_answer(folder: Path) -> None:
    async def forget(request: StreamGenerateRequest) -> None:
        request.checkpoint_tokens = 0

    async with (
        Upstream(behaviours.model(TEXT)) as first,
        Upstream(behaviours.model(OTHER)) as second,
        forwarding(folder, "first", forget) as address,
        running(
            folder,
            entry("first", first.base_url, prior=0.9, address=address),
            entry("second", second.base_url),
            router=PATIENT,
        ) as suite,
    ):
        for boot in (1, BOOT, 1000):
            policy = Policy(boot_tokens=boot)
            answer = await suite.complete(prompt(_with(ALONE, policy)))
            assert answer.text == TEXT
            assert not answer.degraded
        assert len(first.requests) == 3


def _with(policy: Policy, more: Policy) -> Policy:
    both = Policy()
    both.CopyFrom(policy)
    both.MergeFrom(more)
    return both


@pytest.mark.parametrize(
    "router", [{"quorum": 0.5, "boot_grace_seconds": 0.05}, {"quorum": 1.0}], ids=["grace", "deadline"]
)
async def test_two_routes_that_hold_the_place_the_other_waits_for_both_get_answers(
    folder: Path, router: dict[str, object], clock: Clock
) -> None:
    # The adapter of a is asked by route 1 first, that of b by route 2 first; each call ends only once its route chose.
    first_of = {"a": "route 1", "b": "route 2"}
    came = {name: asyncio.Event() for name in first_of}
    chosen = {name: asyncio.Event() for name in first_of}
    wrote: set[str] = set()
    written_by_both = asyncio.Event()

    def in_order(name: str) -> Callable[[StreamGenerateRequest], Awaitable[None]]:
        async def before(request: StreamGenerateRequest) -> None:
            if request.generation.messages[0].content != first_of[name]:
                await came[name].wait()

        return before

    async with (
        Upstream(written(TEXT, BOOT + 2, chosen["a"])) as a,
        Upstream(written(OTHER, BOOT + 2, chosen["b"])) as b,
        forwarding(folder, "a", in_order("a")) as at_a,
        forwarding(folder, "b", in_order("b")) as at_b,
        running(
            folder,
            entry("a", a.base_url, address=at_a, limits={"concurrency": 1}),
            entry("b", b.base_url, address=at_b, limits={"concurrency": 1}),
            router={"aggregator": "best", **router},
        ) as suite,
    ):

        async def ask(question: str) -> Answer:
            asked = Prompt(messages=prompt(text=question).messages, policy=ALONE)
            answer, text = Answer(), ""
            request = StreamCompleteRequest(prompt=asked, stream_partials=True)
            async for event in suite.stub.StreamComplete(request, timeout=150):
                if event.HasField("booted"):
                    wrote.add(event.booted.partial.candidate)
                    if len(wrote) == 2:
                        written_by_both.set()
                if event.HasField("selection"):
                    chosen[event.selection.chosen[0]].set()
                text += event.chunk.text
                answer = event.answer
            answer.text = text
            return answer

        routes = [asyncio.ensure_future(ask(question)) for question in first_of.values()]
        for upstream, name in ((a, "a"), (b, "b")):
            await upstream.arrived()
            came[name].set()
        await written_by_both.wait()
        # More than the half of the deadline that boots have, and less than what the forwarded calls have.
        clock.advance(80)
        answers = await asyncio.gather(*routes)
    assert {answer.text for answer in answers} <= {TEXT, OTHER}
    # The first route chose without the candidate that it waited for; that freed both places for the other route.
    assert DEGRADED_REASON_CANDIDATE_SLOW in [each.reason for answer in answers for each in answer.degraded]


@pytest.mark.parametrize("ceiling", [70_000, 100_000, 200_000, 400_000, 10_000_000])
async def test_held_calls_stay_below_the_ceiling(folder: Path, ceiling: int) -> None:
    async with (
        Upstream(behaviours.model(TEXT)) as first,
        Upstream(behaviours.model(OTHER)) as second,
        running(folder, *first_and_second(first, second), router=PATIENT) as suite,
    ):
        asked = prompt(_with(ALONE, Policy(max_cost_nanousd=ceiling)))
        asked.sampling.max_output_tokens = 40
        answer = await suite.complete(asked)
    assert 0 < answer.ledger.cost_nanousd <= ceiling
    assert TEXT.startswith(answer.text) or OTHER.startswith(answer.text)
