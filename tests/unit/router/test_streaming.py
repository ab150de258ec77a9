"""The streamed completion: the caller gets each text once."""

from __future__ import annotations

import asyncio

import pytest

from lightrouter.router.context import RouteContext
from lightrouter.router.rules import Shares
from lightrouter.router.stages.boot import boot
from lightrouter.router.stages.select import select
from lightrouter.router.stages.streaming import StreamedAnswer, stream_completion
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_UPSTREAM_TIMEOUT,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_COMPLETION_FAILED,
    DEGRADED_REASON_COST_CEILING,
    STAGE_COMPLETE,
)
from lightrouter.v1.router_pb2 import Prompt
from tests.clock import Clock
from tests.unit.router.builders import failure, pool_candidate, prompt, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model
from tests.unit.router.test_boot import new_route

WHOLE = "one two three four "
SCORES = {"a": 0.9, "b": 0.8, "c": 0.7}
BREAKS = Model(fails={STAGE_COMPLETE: failure()}, fails_after=1)
FAILS = Model(fails={STAGE_COMPLETE: failure()})
OTHER = ("eins ", "zwei ", "drei ", "vier ")


# The time that a completion has, by these shares, before another candidate takes its place.
HALVES, HALF_S = Shares(grace_s=0.0, complete=0.5), 30.0


async def streamed(
    models: FakeModels, request: Prompt | None = None, shares: Shares | None = None
) -> tuple[RouteContext, EventLog, StreamedAnswer]:
    log = EventLog()
    route = new_route(models, request, events=log, shares=shares)
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    answer = await stream_completion(route, models, ranking.boots[0], ranking.boots)
    assert log.text == answer.text
    return route, log, answer


async def test_the_boot_text_comes_first_then_each_piece() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model())
    _, log, answer = await streamed(models)
    assert log.chunks == [("one two ", False), ("three ", False), ("four ", False)]
    assert answer == StreamedAnswer(WHOLE, ["a"], FINISH_REASON_STOP)
    assert [(name, characters) for name, characters, _ in log.drafts] == [("a", len(WHOLE))]


async def test_a_finished_draft_is_one_piece() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(words=["short"]))
    _, log, answer = await streamed(models)
    assert log.chunks == [("short", False)]
    assert answer.text == "short"
    assert models.asked(STAGE_COMPLETE) == []


async def test_the_next_goes_on_where_one_broke_off() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=BREAKS, b=Model(words=OTHER))
    route, log, answer = await streamed(models)
    assert log.chunks == [("one two ", False), ("three ", False), ("vier ", False)]
    assert answer == StreamedAnswer("one two three vier ", ["a", "b"], FINISH_REASON_STOP)
    takeover = models.calls[-1]
    assert (takeover.prefix, takeover.continuation) == ("one two three ", b"")
    assert [(each.reason, each.candidate) for each in route.ledger.degraded] == [
        (DEGRADED_REASON_COMPLETION_FAILED, "a")
    ]
    broken = route.ledger.entries[-2]
    assert broken.failure.message == "HTTP 500"
    assert broken.usage.estimated
    assert broken.usage.output_tokens == 2
    assert [(name, characters) for name, characters, _ in log.drafts] == [("a", 0), ("b", len(answer.text))]


@pytest.mark.parametrize("word", ["a ", "internationalization ", "語 ", "🙂🙂🙂 "])
async def test_a_takeover_gets_the_tokens_that_are_left_by_the_provider_s_own_count(word: str) -> None:
    """A word is one token here, with any number of bytes: three of eight are written when the first one breaks off."""
    pool = snapshot(pool_candidate("a"), pool_candidate("b"))
    models = FakeModels(pool, a=Model(words=[word] * 20, fails=BREAKS.fails, fails_after=1), b=Model(words=["x "] * 20))
    _, _, answer = await streamed(models)
    assert models.calls[-1].sampling.max_output_tokens == 5
    assert answer.text == word * 3 + "x " * 5


async def test_who_can_go_on_comes_before_who_cannot() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b", continuation=CONTINUATION_NONE), pool_candidate("c"))
    models = FakeModels(pool, a=BREAKS, b=Model(words=OTHER), c=Model(words=OTHER))
    _, log, answer = await streamed(models)
    assert answer.candidates == ["a", "c"]
    assert not any(restart for _, restart in log.chunks)


async def test_a_finished_draft_starts_anew_where_nobody_can_go_on() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=BREAKS, b=Model(words=["brief"]))
    _, log, answer = await streamed(models)
    assert log.chunks == [("one two ", False), ("three ", False), ("brief", True)]
    assert answer == StreamedAnswer("brief", ["b"], FINISH_REASON_STOP)


async def test_a_draft_written_anew_starts_anew() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b", continuation=CONTINUATION_NONE))
    models = FakeModels(pool, a=BREAKS, b=Model(words=OTHER))
    route, log, answer = await streamed(models)
    assert log.chunks[2:] == [("eins ", True), ("zwei ", False), ("drei ", False), ("vier ", False)]
    assert answer == StreamedAnswer("".join(OTHER), ["b"], FINISH_REASON_STOP)
    assert route.ledger.entries[-1].restarted


@pytest.mark.parametrize("words", [("one ",), ("one ", "two "), ("one ", "two ", "three ", "four ")])
async def test_a_draft_that_shows_at_its_end_that_it_was_written_anew_replaces_all(words: tuple[str, ...]) -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(words=["one ", "two ", *words]))
    models.models["a"].forgets = models.models["a"].says_it_late = True
    route, log, answer = await streamed(models)
    whole = "".join(models.models["a"].words)
    assert answer == StreamedAnswer(whole, ["a"], FINISH_REASON_STOP)
    assert log.chunks[-1] == (whole, True)
    assert route.ledger.entries[-1].restarted


async def test_what_will_be_written_anew_is_not_sent_before() -> None:
    pool = snapshot(pool_candidate("a", continuation=CONTINUATION_NONE), pool_candidate("b"))
    models = FakeModels(pool, a=Model(), b=Model())
    _, log, answer = await streamed(models)
    assert answer.text == WHOLE
    assert log.chunks[0] == ("one ", False)
    assert not any(restart for _, restart in log.chunks)


async def test_nothing_is_restarted_where_nothing_was_sent() -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(hidden=4, fails=FAILS.fails), b=Model()
    )
    _, log, answer = await streamed(models)
    assert log.chunks == [("one two ", False), ("three ", False), ("four ", False)]
    assert answer.candidates == ["b"]
    assert models.calls[-1].continuation == b"continuation of b"


async def test_all_failing_is_an_error() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=BREAKS, b=FAILS)
    with pytest.raises(ServiceError) as caught:
        await streamed(models)
    assert caught.value.reason == ERROR_REASON_ALL_CANDIDATES_FAILED
    assert set(caught.value.failures) == {"a", "b"}


async def test_one_that_falls_silent_is_replaced(clock: Clock) -> None:
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(hangs={STAGE_COMPLETE}), b=Model(words=OTHER)
    )
    route, log, answer = await clock.pass_after(models.hung(1), HALF_S, streamed(models, shares=HALVES))
    assert answer.text == "one two drei vier "
    assert models.cancelled == ["a"]
    assert [e.failure.reason for e in route.ledger.entries if e.HasField("failure")] == [ERROR_REASON_UPSTREAM_TIMEOUT]
    assert not any(restart for _, restart in log.chunks)


async def test_how_long_silence_may_last_is_no_matter_of_the_deadline() -> None:
    """The boot of two tokens took a millisecond; the caller would wait for a minute."""
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")),
        a=Model(hangs={STAGE_COMPLETE}, seconds=0.001),
        b=Model(words=OTHER),
    )
    _, _, answer = await streamed(models, shares=Shares(grace_s=0.0, complete=1.0))
    assert answer.text == "one two drei vier "
    assert models.cancelled == ["a"]


async def test_cancelling_cancels_the_call() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(hangs={STAGE_COMPLETE}), b=Model())
    task = asyncio.create_task(streamed(models))
    await models.hung(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert models.cancelled == ["a"]
    assert models.asked(STAGE_COMPLETE) == ["a"]


async def test_the_ceiling_ends_the_text() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model(words=[f"{number} " for number in range(8)]))
    route, _, answer = await streamed(models, prompt(max_cost_nanousd=76))
    assert answer == StreamedAnswer("0 1 2 3 ", ["a"], FINISH_REASON_LENGTH)
    assert sum(entry.cost_nanousd for entry in route.ledger.entries) == 76 - 16


async def test_the_text_ends_where_the_money_reaches_for_nobody_who_goes_on(clock: Clock) -> None:
    # 29 each to boot and 51 each to complete; what the first may have cost stays set aside.
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(hangs={STAGE_COMPLETE}), b=Model(words=OTHER)
    )
    streaming = streamed(models, prompt(max_cost_nanousd=109), HALVES)
    route, _, answer = await clock.pass_after(models.hung(1), HALF_S, streaming)
    assert answer == StreamedAnswer("one two ", ["a"], FINISH_REASON_LENGTH)
    assert models.asked(STAGE_COMPLETE) == ["a"]
    assert route.budget.left == 0
    assert [each.reason for each in route.ledger.degraded] == [
        DEGRADED_REASON_COMPLETION_FAILED,
        DEGRADED_REASON_COST_CEILING,
    ]
