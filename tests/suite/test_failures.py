"""Every line of the design's failure table, over the whole suite and upstreams that misbehave on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from lightrouter.runtime.errors import Code
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import DegradedReason, LedgerEntry, NotAskedReason, Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest
from tests.suite.rig import Suite, entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

# The grace is longer than any test: only those about stragglers cut it short.
PATIENT = {"boot_grace_seconds": 600.0, "aggregator": "best", "quorum": 0.6}
QUICK: dict[str, Any] = {"boot_grace_seconds": 0.05}
ONCE = {"retries": 0, "max_response_bytes": 65536}
GOOD = "The capital is Paris, of course."
OTHER = "It is the city of Lyon, I think."
# The way in which a candidate writes its boot and its completion in two calls.
CUT = {"hold": "never"}
FIRST_ALONE = Policy(boot_tokens=5, k=1, selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR)
FAILED = DegradedReason.DEGRADED_REASON_CANDIDATE_FAILED
SLOW = DegradedReason.DEGRADED_REASON_CANDIDATE_SLOW


@asynccontextmanager
async def suite_with(
    folder: Path, bad: Behaviour, *, streamed: bool = False, **router: object
) -> AsyncIterator[tuple[Suite, Upstream]]:
    """Runs two candidates that deliver, and a third that behaves as `bad` does."""
    async with (
        Upstream(behaviours.model(GOOD)) as good,
        Upstream(behaviours.model(OTHER)) as other,
        Upstream(bad) as upstream,
        running(
            folder,
            entry("good", good.base_url, prior=0.9),
            entry("other", other.base_url),
            entry("bad", upstream.base_url, limits=ONCE, always_stream=streamed),
            router=PATIENT | router,
        ) as suite,
    ):
        yield suite, upstream


def entries(answer: Answer, candidate: str) -> list[LedgerEntry]:
    return [line for line in answer.ledger.entries if line.candidate == candidate]


@pytest.mark.parametrize(
    ("behaviour", "reason", "degraded"),
    [
        pytest.param(behaviours.hang, "STRAGGLER", SLOW, id="hang"),
        pytest.param(behaviours.drip(GOOD, 60.0), "STRAGGLER", SLOW, id="slow-drip"),
        pytest.param(behaviours.hang_mid_stream("The"), "STRAGGLER", SLOW, id="hang-mid-stream"),
        pytest.param(behaviours.reset, "UPSTREAM_UNAVAILABLE", FAILED, id="reset"),
        pytest.param(behaviours.reset_mid_stream("The"), "UPSTREAM_UNAVAILABLE", FAILED, id="reset-mid-stream"),
        pytest.param(behaviours.hang_up, "UPSTREAM_UNAVAILABLE", FAILED, id="hang-up"),
        pytest.param(
            behaviours.status(429, headers={"Retry-After": "3600"}), "UPSTREAM_RATE_LIMITED", FAILED, id="429"
        ),
        pytest.param(behaviours.status(500), "UPSTREAM_ERROR", FAILED, id="500"),
        pytest.param(behaviours.status(401), "UPSTREAM_UNAUTHENTICATED", FAILED, id="401"),
        pytest.param(behaviours.status(404), "UPSTREAM_REJECTED", FAILED, id="404"),
        pytest.param(behaviours.html, "UPSTREAM_MALFORMED", FAILED, id="html"),
        pytest.param(behaviours.raw(b"{"), "UPSTREAM_MALFORMED", FAILED, id="half-a-document"),
        pytest.param(behaviours.invalid_utf8, "UPSTREAM_MALFORMED", FAILED, id="invalid-utf8"),
        pytest.param(behaviours.endless, "UPSTREAM_TOO_LARGE", FAILED, id="endless-stream"),
        pytest.param(behaviours.endless_comments, "UPSTREAM_TOO_LARGE", FAILED, id="endless-comments"),
        pytest.param(behaviours.huge(), "UPSTREAM_TOO_LARGE", FAILED, id="100-MB"),
        pytest.param(behaviours.huge(announced=True), "UPSTREAM_TOO_LARGE", FAILED, id="100-MB-announced"),
        pytest.param(behaviours.reply(""), "EMPTY_OUTPUT", FAILED, id="empty-text"),
    ],
)
async def test_one_candidate_misbehaves_and_the_others_answer(
    folder: Path, behaviour: Behaviour, reason: str, degraded: DegradedReason.ValueType
) -> None:
    waits = QUICK if degraded == SLOW else {}
    streamed = behaviour in {behaviours.endless, behaviours.endless_comments}
    async with suite_with(folder, behaviour, streamed=streamed, **CUT, **waits) as (suite, _):
        answer = await suite.complete(prompt())
    assert answer.text == GOOD
    (line,) = entries(answer, "bad")
    assert line.stage == Stage.STAGE_BOOT
    assert ErrorReason.Name(line.failure.reason) == f"ERROR_REASON_{reason}"
    assert line.failure.message
    assert [(each.candidate, each.reason) for each in answer.degraded] == [("bad", degraded)]
    assert {ranked.candidate for ranked in answer.selection.ranking.candidates} == {"good", "other"}


async def test_a_straggler_is_cancelled_upstream(folder: Path) -> None:
    async with suite_with(folder, behaviours.hang, **QUICK) as (suite, upstream):
        # On a slow machine the others may be ready before the straggler is asked.
        while not upstream.requests:
            await suite.complete(prompt())
        await upstream.all_closed()
        assert len(upstream.requests) == 1


async def test_only_hidden_reasoning_is_ranked_by_prior_and_may_go_on(folder: Path) -> None:
    thinking = behaviours.reply(None, "length", reasoning_content="Let me think about that at length")
    async with (
        Upstream(behaviours.model(GOOD)) as good,
        Upstream(thinking, behaviours.reply(OTHER)) as bad,
        running(
            folder, entry("good", good.base_url), entry("bad", bad.base_url, prior=0.9), router=PATIENT | CUT
        ) as suite,
    ):
        asked = prompt(FIRST_ALONE)
        asked.sampling.max_output_tokens = 50
        answer = await suite.complete(asked)
        assert bad.requests[1].body["max_tokens"] == 50
    assert answer.text == OTHER
    assert not answer.degraded
    assert not any(line.HasField("failure") for line in answer.ledger.entries)
    assert "bad" in {ranked.candidate for ranked in answer.selection.ranking.candidates}


async def test_only_hidden_reasoning_may_use_the_larger_boot_budget_of_its_entry(folder: Path) -> None:
    async with (
        Upstream(behaviours.model(GOOD)) as good,
        Upstream(behaviours.model(OTHER)) as thinker,
        running(
            folder,
            entry("good", good.base_url),
            entry("thinker", thinker.base_url, max_boot_tokens=20),
            router=PATIENT | CUT,
        ) as suite,
    ):
        await suite.complete(prompt(Policy(boot_tokens=5)))
        assert good.requests[0].body["max_tokens"] == 5
        assert thinker.requests[0].body["max_tokens"] == 20


async def test_wrong_usage_is_counted_and_marked(folder: Path) -> None:
    nonsense = {"prompt_tokens": -5, "completion_tokens": "many"}
    async with suite_with(folder, behaviours.reply(OTHER, usage=nonsense)) as (suite, _):
        answer = await suite.complete(prompt())
    (line,) = entries(answer, "bad")
    assert line.usage.estimated
    assert line.usage.output_tokens > 0
    assert line.usage.input_tokens > 0
    assert answer.ledger.usage.estimated


async def test_429_is_tried_again_when_the_provider_says_so(folder: Path) -> None:
    bad = behaviours.status(429, headers={"Retry-After": "0"})
    async with (
        Upstream(bad, behaviours.model(GOOD)) as upstream,
        running(folder, entry("only", upstream.base_url), router=PATIENT) as suite,
    ):
        answer = await suite.complete(prompt())
    assert answer.text == GOOD
    assert answer.ledger.entries[0].attempts == 2
    assert not answer.degraded


async def test_a_failing_candidate_s_circuit_opens_and_spares_the_provider(folder: Path) -> None:
    circuit = {"failures": 2, "cooldown_s": 3600}
    async with (
        Upstream(behaviours.model(GOOD)) as good,
        Upstream(behaviours.status(500)) as bad,
        running(
            folder,
            entry("good", good.base_url),
            entry("bad", bad.base_url, limits=ONCE, circuit=circuit),
            router=PATIENT,
        ) as suite,
    ):
        answers = [await suite.complete(prompt()) for _ in range(4)]
        assert len(bad.requests) == 2
    reasons = [entries(answer, "bad")[0].failure.reason for answer in answers]
    assert reasons == [ErrorReason.ERROR_REASON_UPSTREAM_ERROR] * 2 + [ErrorReason.ERROR_REASON_CIRCUIT_OPEN] * 2
    assert [answer.text for answer in answers] == [GOOD] * 4


async def test_all_candidates_failing_is_unavailable_with_one_detail_each(folder: Path) -> None:
    async with (
        Upstream(behaviours.status(500)) as first,
        Upstream(behaviours.html) as second,
        running(
            folder,
            entry("first", first.base_url, limits=ONCE),
            entry("second", second.base_url, limits=ONCE),
            router=PATIENT,
        ) as suite,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await suite.complete(prompt())
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (Code.UNAVAILABLE, ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert {name: failure.reason for name, failure in error.failures.items()} == {
        "first": ErrorReason.ERROR_REASON_UPSTREAM_ERROR,
        "second": ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED,
    }


async def test_an_adapter_that_is_gone_costs_its_candidate_and_not_the_answer(folder: Path) -> None:
    async with suite_with(folder, behaviours.model(OTHER)) as (suite, _):
        await suite.servers["bad"].drain()
        answer = await suite.complete(prompt())
    assert answer.text == GOOD
    assert entries(answer, "bad")[0].failure.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE


async def test_without_the_selector_candidates_are_ranked_by_prior(folder: Path) -> None:
    async with suite_with(folder, behaviours.model(OTHER)) as (suite, _):
        await suite.servers["selector"].drain()
        answer = await suite.complete(prompt())
    assert answer.text == GOOD
    assert answer.selection.strategy == SelectorStrategy.SELECTOR_STRATEGY_PRIOR
    assert [each.reason for each in answer.degraded] == [DegradedReason.DEGRADED_REASON_SELECTOR_FAILED]


async def test_without_the_aggregator_the_best_draft_is_the_answer(folder: Path) -> None:
    async with suite_with(folder, behaviours.model(OTHER), aggregator="synthesize") as (suite, _):
        await suite.servers["aggregator"].drain()
        answer = await suite.complete(prompt(Policy(selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR, margin=1.0)))
    assert answer.text == GOOD
    assert answer.aggregator == AggregatorStrategy.AGGREGATOR_STRATEGY_BEST
    assert [each.reason for each in answer.degraded] == [DegradedReason.DEGRADED_REASON_AGGREGATOR_FAILED]


async def test_an_unreadable_judge_falls_back_to_prior(folder: Path) -> None:
    async with suite_with(folder, behaviours.model(OTHER)) as (suite, _):
        answer = await suite.complete(prompt(Policy(selector=SelectorStrategy.SELECTOR_STRATEGY_LLM)))
    assert answer.text == GOOD
    assert answer.selection.strategy == SelectorStrategy.SELECTOR_STRATEGY_PRIOR
    assert [each.reason for each in answer.degraded] == [DegradedReason.DEGRADED_REASON_VERDICT_UNREADABLE]
    judged = [line for line in answer.ledger.entries if line.stage == Stage.STAGE_SELECT]
    assert judged
    assert answer.ledger.cost_nanousd == sum(line.cost_nanousd for line in answer.ledger.entries)


async def test_a_candidate_that_fails_while_completing_is_replaced(folder: Path) -> None:
    async with (
        Upstream(behaviours.model(GOOD), behaviours.status(500)) as first,
        Upstream(behaviours.model(OTHER)) as second,
        running(
            folder,
            entry("first", first.base_url, limits=ONCE, prior=0.9),
            entry("second", second.base_url),
            router=PATIENT | CUT,
        ) as suite,
    ):
        answer = await suite.complete(prompt(FIRST_ALONE))
    assert answer.text == OTHER
    assert list(answer.candidates) == ["second"]
    assert [each.reason for each in answer.degraded] == [DegradedReason.DEGRADED_REASON_COMPLETION_FAILED]
    failed = [line for line in answer.ledger.entries if line.HasField("failure")]
    assert [(line.candidate, line.stage) for line in failed] == [("first", Stage.STAGE_COMPLETE)]


async def test_a_streamed_candidate_that_fails_is_gone_on_from_and_no_piece_comes_twice(folder: Path) -> None:
    text = "The capital of France is the city of Paris."
    begun = "The capital of France"
    async with (
        Upstream(behaviours.model(text), behaviours.reset_mid_stream(begun[5:])) as first,
        Upstream(behaviours.model(text)) as second,
        running(
            folder,
            entry("first", first.base_url, limits=ONCE, prior=0.9, abilities=["prefill"]),
            entry("second", second.base_url, abilities=["prefill"]),
            router=PATIENT | CUT,
        ) as suite,
    ):
        events = await suite.stream(prompt(FIRST_ALONE))
    chunks = [event.chunk for event in events if event.HasField("chunk")]
    assert not any(chunk.restart for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == text
    answer = events[-1].answer
    assert list(answer.candidates) == ["first", "second"]
    assert answer.finish_reason == FinishReason.FINISH_REASON_STOP
    assert second.requests[-1].body["messages"][-1]["content"] == begun


async def test_a_candidate_that_cannot_go_on_writes_anew_and_the_ledger_shows_what_that_costs(folder: Path) -> None:
    async with (
        Upstream(behaviours.model(GOOD)) as upstream,
        Upstream(behaviours.model(GOOD)) as other,
        running(
            folder,
            entry("best", upstream.base_url, continuation="none", prior=0.9),
            entry("other", other.base_url, prior=0.1),
            router=PATIENT | CUT,
        ) as suite,
    ):
        asked = prompt(Policy(boot_tokens=5, k=1))
        asked.sampling.max_output_tokens = 50
        answer = await suite.complete(asked)
        assert upstream.requests[1].body["max_tokens"] == 50
    assert answer.text == GOOD
    boot, completion = [line for line in answer.ledger.entries if line.candidate == "best"]
    assert not boot.restarted
    assert completion.restarted
    assert completion.usage.output_tokens == len(GOOD)


async def test_a_call_that_finds_the_router_full_is_told_when_to_come_back(folder: Path) -> None:
    async with suite_with(folder, behaviours.hang, max_concurrent_calls=1) as (suite, upstream):
        first = suite.stub.Complete(CompleteRequest(prompt=prompt()), timeout=600)
        await upstream.arrived()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await suite.complete(prompt())
        first.cancel()
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_OVERLOADED)
    assert error.retry_after


async def test_a_router_that_is_stopped_lets_the_running_request_finish(folder: Path) -> None:
    release = asyncio.Event()

    async def wait(exchange: Exchange) -> None:
        await release.wait()
        await behaviours.model(OTHER)(exchange)

    async with suite_with(folder, wait) as (suite, upstream):
        call = asyncio.ensure_future(suite.complete(prompt()))
        await upstream.arrived()
        drained = asyncio.create_task(suite.servers["router"].drain())
        release.set()
        answer = await call
        await drained
    # Two of the three say so.
    assert answer.text == OTHER
    assert not answer.degraded


@pytest.mark.parametrize("status", [429, 503])
async def test_a_candidate_that_asks_for_rest_is_no_straggler_and_gets_its_rest(folder: Path, status: int) -> None:
    """The wait fits the deadline and the grace is longer: nobody waits for either."""
    limited = behaviours.status(status, headers={"Retry-After": "200"})
    async with (
        Upstream(behaviours.model(GOOD)) as good,
        Upstream(limited) as upstream,
        running(
            folder,
            entry("good", good.base_url, prior=0.9),
            entry("bad", upstream.base_url),
            router=PATIENT,
        ) as suite,
    ):
        first = await suite.complete(prompt(FIRST_ALONE))
        second = await suite.complete(prompt(FIRST_ALONE))
        assert len(upstream.requests) == 1
    reasons = {429: "UPSTREAM_RATE_LIMITED", 503: "UPSTREAM_ERROR"}
    (failure,) = (line.failure for line in entries(first, "bad"))
    assert failure.reason == ErrorReason.Value(f"ERROR_REASON_{reasons[status]}")
    assert [(each.candidate, each.reason) for each in second.ledger.not_asked] == [
        ("bad", NotAskedReason.NOT_ASKED_REASON_RESTING)
    ]
