"""A selector or an aggregator that hangs costs a few routes its time limit, and later routes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from lightrouter.router.circuits import _SILENCE_LIMIT_S, CircuitAggregator, CircuitSelector, ServiceCircuit
from lightrouter.router.events import Events
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.heartbeat import HEARTBEAT_SECONDS
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse, AnswerChunk
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_INTERNAL,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
    ErrorReason,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_AGGREGATOR_FAILED,
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SELECTOR_SLOW,
)
from lightrouter.v1.policy_pb2 import (
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LEARNED,
    SELECTOR_STRATEGY_LLM,
    SelectorStrategy,
)
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest
from tests.unit.router.builders import pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector, Model


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Selector(FakeSelector):
    """Takes this long; the deadline of a call may be shorter."""

    def __init__(self, clock: Clock, takes_s: float = 0.0) -> None:
        super().__init__()
        self.clock = clock
        self.takes_s = takes_s

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        self.requests.append(request)
        allowed = deadline.remaining()
        self.clock.now += min(self.takes_s, allowed)
        if self.takes_s > allowed:
            raise deadline_exceeded("too slow")
        return await super().select(request, deadline)


async def ask(
    selector: CircuitSelector, seconds: float, strategy: SelectorStrategy.ValueType = SELECTOR_STRATEGY_CONSENSUS
) -> ErrorReason.ValueType | None:
    try:
        await selector.select(SelectRequest(strategy=strategy), Deadline.after(seconds))
    except ServiceError as error:
        return error.reason
    return None


async def test_the_circuit_of_a_selector_that_hangs_is_open_until_it_answers_again() -> None:
    clock = Clock()
    hanging = Selector(clock, takes_s=1e9)
    guarded = CircuitSelector(hanging, clock)
    assert [await ask(guarded, 3600) for _ in range(5)] == [ERROR_REASON_DEADLINE_EXCEEDED] * 3 + [
        ERROR_REASON_CIRCUIT_OPEN
    ] * 2
    # The limit does not depend on the deadline: a ranking without a model takes at most seconds.
    assert clock.now <= 3 * 3.0 + 0.1


async def test_callers_in_a_hurry_say_nothing_of_the_selector() -> None:
    clock = Clock()
    slow = Selector(clock, takes_s=0.3)
    guarded = CircuitSelector(slow, clock)
    assert [await ask(guarded, 0.01) for _ in range(10)] == [ERROR_REASON_DEADLINE_EXCEEDED] * 10
    assert await ask(guarded, 60) is None


async def test_a_judge_that_hangs_says_nothing_of_other_strategies() -> None:
    clock = Clock()
    selector = Selector(clock, takes_s=1e9)
    guarded = CircuitSelector(selector, clock)
    for _ in range(4):
        await ask(guarded, 3600, SELECTOR_STRATEGY_LLM)
    assert await ask(guarded, 3600, SELECTOR_STRATEGY_LLM) == ERROR_REASON_CIRCUIT_OPEN
    selector.takes_s = 0.0
    assert await ask(guarded, 60, SELECTOR_STRATEGY_CONSENSUS) is None
    assert await ask(guarded, 60, SELECTOR_STRATEGY_LEARNED) is None
    response = await guarded.shortlist(ShortlistRequest(), Deadline.after(60))
    assert not response.candidates


@pytest.mark.parametrize("reason", [ERROR_REASON_UPSTREAM_UNAVAILABLE, ERROR_REASON_INTERNAL])
async def test_failing_at_once_costs_nothing_and_opens_no_circuit(reason: ErrorReason.ValueType) -> None:
    inner = FakeSelector()
    inner.error = ServiceError(Code.UNAVAILABLE, reason, "no")
    guarded = CircuitSelector(inner)
    assert [await ask(guarded, 60) for _ in range(10)] == [reason] * 10
    inner.error = None
    assert await ask(guarded, 60) is None


async def test_the_usual_latency_is_learnt() -> None:
    clock = Clock()
    circuit = ServiceCircuit("selector", 20.0, clock)

    def call(seconds: float, *, answers: bool) -> None:
        with circuit.call() as answered:
            clock.now += seconds
            if not answers:
                raise deadline_exceeded("too slow")
            answered()

    for _ in range(60):
        call(0.01, answers=True)
    for _ in range(3):
        with pytest.raises(ServiceError, match="too slow"):
            call(0.6, answers=False)
    with pytest.raises(ServiceError, match="circuit of the selector is open"):
        call(0.0, answers=True)


async def test_a_caller_that_leaves_says_nothing() -> None:
    circuit = ServiceCircuit("selector", 3.0, Clock())
    for _ in range(5):
        with pytest.raises(asyncio.CancelledError), circuit.call():
            raise asyncio.CancelledError
    with circuit.call() as answered:
        answered()


class Silent(FakeAggregator):
    """Sends this many pieces, then nothing."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.sends = pieces
        self.closed = 0

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        self.requests.append(request)
        try:
            for _ in range(self.sends):
                yield AggregateResponse()
            await asyncio.Event().wait()
        finally:
            self.closed += 1


@pytest.mark.parametrize("pieces", [0, 2])
async def test_an_aggregator_that_falls_silent_is_given_up(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightrouter.router.circuits._LIMIT_S", 0.001)
    monkeypatch.setattr("lightrouter.router.circuits._SILENCE_LIMIT_S", 0.001)
    silent = Silent(pieces)
    guarded = CircuitAggregator(silent)
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model(words=["x "] * 4))
    routing = router(models, aggregator=guarded)
    for _ in range(5):
        answer = await routing.route(prompt(margin=1.0), Deadline.after(3600), Events())
        assert answer.text == "one two three four "
        assert len(answer.degraded) == 1
    # A service that starts to answer keeps its circuit closed.
    assert len(silent.requests) == (5 if pieces else 3)
    assert silent.closed == len(silent.requests)
    if not pieces:
        assert answer.degraded[0].reason == DEGRADED_REASON_AGGREGATOR_FAILED
        assert "circuit of the aggregator is open" in answer.degraded[0].message


class Slow(FakeAggregator):
    """Shows that it lives, again and again, and then merges."""

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        for _ in range(100):
            yield AggregateResponse(chunk=AnswerChunk())
        async for event in super().aggregate(request, deadline):
            yield event


async def test_an_aggregator_that_shows_that_it_lives_is_waited_for() -> None:
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model(words=["x "] * 4))
    log = EventLog()
    answer = await router(models, aggregator=CircuitAggregator(Slow())).route(
        prompt(margin=1.0), Deadline.after(3600), log
    )
    assert not answer.degraded
    assert answer.text == log.text
    # The signs of life are no pieces of the answer.
    assert all(text for text, _ in log.chunks)


def test_the_waits_for_an_aggregator_nest() -> None:
    # A sign of life may be late, and is still there before the router gives up, whatever the aggregator waits for.
    assert 3 * HEARTBEAT_SECONDS < _SILENCE_LIMIT_S


async def test_routes_are_ranked_by_prior_while_the_selector_s_circuit_is_open() -> None:
    clock = Clock()
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(), b=Model())
    routing = router(models, CircuitSelector(Selector(clock, takes_s=1e9), clock))
    reasons = [(await routing.route(prompt(), Deadline.after(60), Events())).degraded[0].reason for _ in range(4)]
    assert reasons == [DEGRADED_REASON_SELECTOR_SLOW] * 3 + [DEGRADED_REASON_SELECTOR_FAILED]
