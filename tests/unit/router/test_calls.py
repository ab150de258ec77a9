"""One call to a candidate: read whole or in parts, and recorded once, with its money and its events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult
from lightrouter.router.context import RouteContext
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError, deadline_exceeded
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.adapter_pb2 import Generation, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, ModelTarget
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_MALFORMED
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE
from tests.unit.router.builders import failure, pool_candidate, prompt, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, Model
from tests.unit.router.test_boot import new_route

CEILING = 1_000


class WithoutResult(FakeModels):
    """Models whose streams end before the result."""

    async def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        async with aclosing(
            super().stream(target, generation, deadline, checkpoint_tokens=checkpoint_tokens, unwatched=unwatched)
        ) as responses:
            async for response in responses:
                if response.HasField("chunk"):
                    yield response


def started(models: FakeModels) -> tuple[RouteContext, EventLog]:
    """Returns a route under a ceiling, in which the money for the only candidate's boot is reserved."""
    log = EventLog()
    return new_route(models, prompt(max_cost_nanousd=CEILING), events=log), log


async def booted(route: RouteContext, models: FakeModels) -> BootResult:
    call = CandidateCall.boot(route, models, route.admission.candidates[0])
    await call.generate(route.deadline)
    boot = call.end_boot()
    assert boot
    assert call.is_recorded
    return boot


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_is_recorded_alike_whether_it_streams_or_not(streams: bool, forgets: bool) -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(forgets=forgets))
    route, log = started(models)
    boot = await booted(route, models)
    grant = route.budget.grant(boot)
    assert grant
    call = CandidateCall.completion(route, models, boot, grant)
    if streams:
        assert [chunk.text async for chunk in call.chunks()]
    else:
        await call.generate(route.deadline)
    assert call.continues is not forgets
    assert call.end_draft() == "one two three four "
    assert call.finish_reason == FINISH_REASON_STOP
    first, second = route.ledger.entries
    assert (first.stage, second.stage, second.restarted) == (STAGE_BOOT, STAGE_COMPLETE, forgets)
    assert route.budget.left == CEILING - first.cost_nanousd - second.cost_nanousd
    assert log.kinds == ["booted", "draft"]


async def test_a_candidate_that_cannot_continue_has_no_prefix_in_its_text() -> None:
    pool = snapshot(pool_candidate("a", continuation=CONTINUATION_NONE), pool_candidate("b"))
    models = FakeModels(pool, a=Model(), b=Model())
    route, _ = started(models)
    boot = await booted(route, models)
    grant = route.budget.grant(boot)
    assert grant
    call = CandidateCall.completion(route, models, boot, grant)
    assert (call.prefix, call.continues, call.text) == ("one two ", False, "")


@pytest.mark.parametrize("error", [failure(), deadline_exceeded("too slow")], ids=["fails", "is slow"])
async def test_a_stream_that_is_read_in_part_and_closed_costs_what_it_sent(error: ServiceError) -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model())
    route, log = started(models)
    call = CandidateCall.boot(route, models, route.admission.candidates[0])
    async with aclosing(call.chunks()) as chunks:
        assert (await anext(chunks)).text == "one "
        assert (call.text, call.chunks_received, call.is_recorded) == ("one ", 1, False)
    call.fail(error)
    (line,) = route.ledger.entries
    assert line.usage.estimated
    assert line.usage.output_tokens == estimate_tokens("one ")
    assert route.budget.left == CEILING - line.cost_nanousd
    assert log.kinds == ["booted"]


async def test_the_money_of_a_slow_call_without_text_stays_reserved() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model())
    route, _ = started(models)
    left = route.budget.left
    CandidateCall.boot(route, models, route.admission.candidates[0]).fail(deadline_exceeded("too slow"))
    assert route.budget.left == left < CEILING


async def test_a_takeover_that_breaks_off_has_read_the_text_of_the_others() -> None:
    breaks = Model(fails={STAGE_COMPLETE: failure()}, fails_after=1)
    models = FakeModels(snapshot(pool_candidate("a")), a=breaks)
    route, _ = started(models)
    candidate, prefix = route.admission.candidates[0], "one two "
    grant = route.budget.grant_takeover(candidate, prefix, 2)
    assert grant
    call = CandidateCall.takeover(route, models, candidate, prefix, grant)
    chunks = call.chunks()
    assert (await anext(chunks)).text == "three "
    with pytest.raises(ServiceError, match="HTTP 500") as raised:
        await anext(chunks)
    call.fail(raised.value)
    (line,) = route.ledger.entries
    assert line.usage.input_tokens == route.admission.prompt_tokens + estimate_tokens(prefix)
    assert line.usage.output_tokens == estimate_tokens("three ")


async def test_a_stream_without_a_result_is_malformed() -> None:
    models = WithoutResult(snapshot(pool_candidate("a")), a=Model())
    route, _ = started(models)
    call = CandidateCall.boot(route, models, route.admission.candidates[0])
    chunks = call.chunks()
    assert [(await anext(chunks)).text for _ in range(2)] == ["one ", "two "]
    with pytest.raises(ServiceError) as raised:
        await anext(chunks)
    assert raised.value.reason == ERROR_REASON_UPSTREAM_MALFORMED
