"""The boot stage: deliveries, failures and timeouts."""

from __future__ import annotations

import asyncio

import pytest

from lightrouter.router.context import RouteContext
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.rules import Shares
from lightrouter.router.stages.boot import boot
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_TIMEOUT,
    ERROR_REASON_UPSTREAM_TOO_LARGE,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_CANDIDATE_SLOW,
    STAGE_BOOT,
)
from lightrouter.v1.router_pb2 import Prompt
from tests.clock import Clock
from tests.unit.router.builders import admitted, defaults, failure, pool_candidate, prompt, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, Model


def new_route(
    models: FakeModels,
    request: Prompt | None = None,
    *,
    events: Events | None = None,
    shares: Shares | None = None,
    seconds: float = 60.0,
) -> RouteContext:
    ledger = RouteLedger()
    admission, budget = admitted(request or prompt(), models.snapshot, defaults(), 7, ledger)
    return RouteContext(
        admission, Deadline.after(seconds), shares or Shares(grace_s=0.0), ledger, budget, events or Events()
    )


async def test_all_write_their_boot_tokens() -> None:
    models = FakeModels(
        snapshot(pool_candidate("a", prior=0.7), pool_candidate("b")), a=Model(), b=Model(words=["short"])
    )
    route = new_route(models)
    found = await boot(route, models)
    assert [(each.candidate.name, each.partial.text, each.ended) for each in found] == [
        ("a", "one two ", False),
        ("b", "short", True),
    ]
    assert found[0].partial.prior == 0.7
    assert found[0].continuation == b"continuation of a"
    assert found[0].used_tokens == 2
    assert {call.sampling.max_output_tokens for call in models.calls} == {2}
    assert {call.stage for call in models.calls} == {STAGE_BOOT}
    assert len(route.ledger.entries) == 2
    assert not route.ledger.degraded


async def test_a_failure_is_in_the_ledger_and_the_others_answer() -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model(fails={STAGE_BOOT: failure()})
    )
    log = EventLog()
    route = new_route(models, events=log)
    assert [each.candidate.name for each in await boot(route, models)] == ["a"]
    (line,) = [entry for entry in route.ledger.entries if entry.candidate == "b"]
    assert (line.stage, line.failure.reason, line.cost_nanousd) == (STAGE_BOOT, ERROR_REASON_UPSTREAM_ERROR, 0)
    assert [(each.reason, each.candidate) for each in route.ledger.degraded] == [
        (DEGRADED_REASON_CANDIDATE_FAILED, "b")
    ]
    assert {partial.candidate: partial.text for partial, _ in log.boots} == {"a": "one two ", "b": ""}


async def test_all_failing_names_each_failure_and_when_to_come_back() -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")),
        a=Model(fails={STAGE_BOOT: failure("first", retry_after=4.0)}),
        b=Model(fails={STAGE_BOOT: failure("second", retry_after=2.0)}),
    )
    with pytest.raises(ServiceError) as caught:
        await boot(new_route(models), models)
    error = caught.value
    assert (error.code, error.reason) == (Code.UNAVAILABLE, ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert {name: each.message for name, each in error.failures.items()} == {"a": "first", "b": "second"}
    assert error.retry_after == 2.0


async def test_all_out_of_time_is_the_deadline() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(fails={STAGE_BOOT: deadline_exceeded("too late")}))
    with pytest.raises(ServiceError) as caught:
        await boot(new_route(models), models)
    assert caught.value.reason == ERROR_REASON_DEADLINE_EXCEEDED


async def test_a_straggler_is_cancelled_once_a_quorum_has_answered() -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("slow")),
        a=Model(),
        b=Model(),
        slow=Model(hangs={STAGE_BOOT}),
    )
    route = new_route(models, prompt(quorum=0.5))
    assert [each.candidate.name for each in await boot(route, models)] == ["a", "b"]
    assert models.cancelled == ["slow"]
    assert models.running == 0
    assert route.ledger.entries[-1].failure.reason == ERROR_REASON_STRAGGLER
    assert [(each.reason, each.candidate) for each in route.ledger.degraded] == [
        (DEGRADED_REASON_CANDIDATE_SLOW, "slow")
    ]


@pytest.mark.parametrize("quorum", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("calls", range(2, 9))
@pytest.mark.parametrize("others_fail", [False, True])
async def test_one_that_hangs_holds_no_other(calls: int, quorum: float, others_fail: bool) -> None:
    """With any quorum and any other failures, the stage does not wait for the deadline of an hour."""
    names = "abcdefgh"[:calls]
    models = FakeModels(snapshot(*map(pool_candidate, names)), **{name: Model() for name in names})
    models.models["a"] = Model(hangs={STAGE_BOOT})
    for name in names[2:] if others_fail else ():
        models.models[name] = Model(fails={STAGE_BOOT: failure()})
    route = new_route(models, prompt(quorum=quorum), seconds=3600.0)
    booted = [each.candidate.name for each in await boot(route, models)]
    assert booted == (["b"] if others_fail else list(names[1:]))
    assert models.cancelled == ["a"]


async def test_failures_are_out_of_the_quorum() -> None:
    # The quorum is three of four calls, and two of the two that are left.
    models = FakeModels(
        snapshot(*(pool_candidate(name) for name in "abcd")),
        a=Model(),
        b=Model(),
        c=Model(fails={STAGE_BOOT: failure()}),
        d=Model(fails={STAGE_BOOT: failure()}),
    )
    assert len(await boot(new_route(models), models)) == 2


async def test_the_stages_share_of_the_time_ends_it(clock: Clock) -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("slow")), a=Model(), slow=Model(hangs={STAGE_BOOT})
    )
    route = new_route(models, prompt(quorum=1.0), shares=Shares(boot=0.5), seconds=60)
    booting = asyncio.create_task(boot(route, models))
    await models.hung(1)
    # The other one delivers meanwhile.
    await asyncio.wait((booting,), timeout=0.01)
    clock.advance(30)
    assert [each.candidate.name for each in await booting] == ["a"]
    assert route.ledger.entries[-1].failure.reason == ERROR_REASON_UPSTREAM_TIMEOUT
    assert route.ledger.degraded[0].reason == DEGRADED_REASON_CANDIDATE_SLOW


async def test_with_nobody_there_the_share_waits_for_the_first() -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("slow")), a=Model(), slow=Model(hangs={STAGE_BOOT})
    )
    route = new_route(models, prompt(quorum=1.0), shares=Shares(boot=1e-9))
    assert [each.candidate.name for each in await boot(route, models)] == ["a"]


async def test_only_reasoning_is_hidden_and_no_draft() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(hidden=5), b=Model())
    found = await boot(new_route(models), models)
    assert [(each.partial.text, each.ended, each.tokens_left) for each in found] == [
        # Without any text to go on from, the draft is written anew.
        ("", False, 8),
        ("one two ", False, 6),
    ]


@pytest.mark.parametrize("model", [Model(words=[" "]), Model(words=[]), Model(hidden=100)])
async def test_an_end_without_a_word_is_a_failure_that_costs(model: Model) -> None:
    # The last one reasons through all the tokens that the answer may have.
    models = FakeModels(snapshot(pool_candidate("a", max_boot_tokens=8), pool_candidate("b")), a=model, b=Model())
    log = EventLog()
    route = new_route(models, events=log)
    assert [each.candidate.name for each in await boot(route, models)] == ["b"]
    line = next(entry for entry in route.ledger.entries if entry.candidate == "a")
    assert line.failure.reason == ERROR_REASON_EMPTY_OUTPUT
    assert line.cost_nanousd > 0


async def test_boot_text_is_sent_as_it_is_written() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model(words=["x ", "y"]))
    log = EventLog(partials=True)
    found = await boot(new_route(models, events=log), models)
    assert log.partials == {"a": "one two ", "b": "x y"} == {each.candidate.name: each.partial.text for each in found}
    assert log.kinds.count("booted") == 2


async def test_what_a_broken_stream_sent_is_estimated() -> None:
    broken = Model(fails={STAGE_BOOT: failure()}, fails_after=2)
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b", price=10**9)), a=Model(), b=broken)
    route = new_route(models, events=EventLog(partials=True))
    await boot(route, models)
    line = next(entry for entry in route.ledger.entries if entry.candidate == "b")
    assert line.usage.estimated
    assert line.usage.output_tokens == 2
    assert line.cost_nanousd > 0


async def test_a_boot_that_is_longer_than_its_tokens_can_be_is_ended() -> None:
    endless = Model(words=["x" * 300, "y" * 300, "z"])
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=endless, b=Model())
    route = new_route(models, events=EventLog(partials=True))
    booted = await boot(route, models)
    assert [each.candidate.name for each in booted] == ["b"]
    line = next(entry for entry in route.ledger.entries if entry.candidate == "a")
    assert line.failure.reason == ERROR_REASON_UPSTREAM_TOO_LARGE
