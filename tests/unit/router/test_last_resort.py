"""Last resorts: candidates that a route leaves out and asks before its caller gets nothing."""

from __future__ import annotations

import pytest

from lightrouter.router.events import Events
from lightrouter.router.pool.availability import Availability
from lightrouter.router.rules import Shares
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_ADMITTED,
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
    CandidateState,
)
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_ALL_CANDIDATES_FAILED,
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_NOT_RECORDED,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_REJECTED,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
    ERROR_REASON_WRONG_CANDIDATE,
    ErrorReason,
)
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_LAST_RESORT, STAGE_BOOT, STAGE_COMPLETE, Stage
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST
from lightrouter.v1.router_pb2 import Answer, Prompt
from tests.clock import Clock
from tests.unit.router.builders import failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model

WHOLE = "one two three four "
NO_BOOT = {STAGE_BOOT: failure()}
NO_DRAFT = {STAGE_COMPLETE: failure()}


def circuit_open(seconds: float = 30.0) -> ServiceError:
    return ServiceError(Code.UNAVAILABLE, ERROR_REASON_CIRCUIT_OPEN, "left alone", retry_after=seconds)


def refusal(reason: ErrorReason.ValueType) -> ServiceError:
    return ServiceError(Code.FAILED_PRECONDITION, reason, "HTTP 400")


class Circuit:
    """A closed gate: a call passes only as a last resort, or after this many refusals."""

    def __init__(self, passes_after: int | None = None, wait_s: float = 30.0) -> None:
        self._passes_after = passes_after
        self._wait_s = wait_s
        self._refused = 0

    def __call__(self, generation: Generation) -> None:
        passes = generation.last_resort if self._passes_after is None else self._refused >= self._passes_after
        if not passes:
            self._refused += 1
            raise circuit_open(self._wait_s)


def asked_last(answer: Answer) -> set[str]:
    return {each.candidate for each in answer.degraded if each.reason == DEGRADED_REASON_LAST_RESORT}


POOL = snapshot(
    pool_candidate("a"),
    pool_candidate("b"),
    pool_candidate("held", state=CANDIDATE_STATE_PROBATION, prior=0.2),
    pool_candidate("better", state=CANDIDATE_STATE_PROBATION, prior=0.4),
    pool_candidate("third", state=CANDIDATE_STATE_PROBATION, prior=0.1),
    pool_candidate("out", state=CANDIDATE_STATE_EVICTED, prior=1.0),
)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(
    "fails", [Model(fails=NO_BOOT), Model(fails=NO_DRAFT), Model(fails=NO_DRAFT, fails_after=1)], ids=str
)
async def test_those_on_probation_answer_where_all_others_fail(fails: Model, text: bool) -> None:
    models = FakeModels(POOL, **({name: Model() for name in POOL.candidates} | {"a": fails, "b": fails}))
    log = EventLog() if text else Events()
    request = prompt(k=2, aggregator=AGGREGATOR_STRATEGY_BEST)
    answer = await router(models, FakeSelector({"a": 1.0})).route(request, Deadline.after(60), log)
    assert answer.text == WHOLE
    assert asked_last(answer) <= {"better", "held"}
    assert "better" in asked_last(answer)
    assert "out" not in {call.candidate for call in models.calls}
    assert len({call.candidate for call in models.calls} - {"a", "b"}) <= 2
    assert {each.candidate for each in answer.ledger.not_asked} == {"held", "better", "third"} - asked_last(answer)
    assert all(call.last_resort == (call.candidate not in {"a", "b"}) for call in models.calls)
    if isinstance(log, EventLog):
        assert log.text == WHOLE


@pytest.mark.parametrize("fails", [Model(fails=NO_BOOT), Model(fails=NO_DRAFT)], ids=str)
async def test_where_the_last_resort_fails_too_every_failure_is_named(fails: Model) -> None:
    models = FakeModels(POOL, **dict.fromkeys(POOL.candidates, fails))
    with pytest.raises(ServiceError) as caught:
        await router(models).route(prompt(k=2), Deadline.after(60), Events())
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert set(caught.value.failures) == {"a", "b", "better", "held", "third"}


async def test_those_off_the_shortlist_stand_by() -> None:
    pool = snapshot(*(pool_candidate(name) for name in "abcd"))
    models = FakeModels(pool, a=Model(fails=NO_BOOT), b=Model(), c=Model(), d=Model())
    selector = FakeSelector({"a": 0.9, "b": 0.3, "c": 0.5, "d": 0.4})
    answer = await router(models, selector).route(prompt(shortlist=1, k=1), Deadline.after(60), Events())
    assert (answer.text, asked_last(answer)) == (WHOLE, {"c"})
    assert models.asked(STAGE_BOOT) == ["a", "c"]


@pytest.mark.parametrize("why", ["not serving", "resting"])
async def test_those_who_are_not_worth_asking_stand_by(why: str) -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b"))
    dead = pool.candidates["b"].address
    availability = Availability(lambda address: why == "not serving" and address == dead)
    if why == "resting":
        later = ServiceError(Code.RESOURCE_EXHAUSTED, ERROR_REASON_UPSTREAM_RATE_LIMITED, "later", retry_after=30.0)
        availability.failed("b", later)
    models = FakeModels(pool, a=Model(fails=NO_BOOT), b=Model())
    answer = await router(models, availability=availability).route(prompt(), Deadline.after(60), Events())
    assert (answer.text, asked_last(answer)) == (WHOLE, {"b"})


@pytest.mark.parametrize("k", [1, 2])
async def test_of_those_who_do_not_serve_k_are_asked_and_of_those_on_probation_all(k: int) -> None:
    """Routes ask few of the candidates that probably cannot deliver, and all others before the caller gets nothing."""
    names = [f"dead-{number}" for number in range(4)]
    held = [f"held-{number}" for number in range(4)]
    pool = snapshot(
        pool_candidate("a"),
        *(pool_candidate(name) for name in names),
        *(pool_candidate(name, state=CANDIDATE_STATE_PROBATION) for name in held),
    )
    dead = {pool.candidates[name].address for name in names}
    models = FakeModels(pool, **{name: Model(fails=NO_BOOT) for name in pool.candidates})
    with pytest.raises(ServiceError):
        await router(models, availability=Availability(dead.__contains__)).route(
            prompt(k=k), Deadline.after(60), Events()
        )
    assert models.asked(STAGE_BOOT) == ["a", *held, *names[:k]]


async def test_a_straggler_is_asked_again_where_those_who_were_quicker_fail() -> None:
    def gate(generation: Generation) -> None:
        if generation.last_resort:
            models.models["slow"].hangs.clear()

    pool = snapshot(pool_candidate("a"), pool_candidate("slow"))
    models = FakeModels(pool, a=Model(fails=NO_DRAFT), slow=Model(hangs={STAGE_BOOT}))
    models.gate = gate
    answer = await router(models).route(prompt(), Deadline.after(60), Events())
    assert (answer.text, asked_last(answer)) == (WHOLE, {"slow"})


async def test_hanging_candidates_do_not_take_the_time_of_those_who_stand_by() -> None:
    models = FakeModels(POOL, **({name: Model() for name in POOL.candidates} | {"a": Model(hangs={STAGE_BOOT})}))
    models.models["b"] = Model(hangs={STAGE_BOOT})
    shares = Shares(grace_s=0.0, boot=1e-6)
    answer = await router(models, shares=shares).route(prompt(k=1), Deadline.after(60), Events())
    assert (answer.text, asked_last(answer)) == (WHOLE, {"better"})
    assert sorted(models.cancelled) == ["a", "b"]


@pytest.mark.parametrize("text", [False, True])
async def test_a_completion_that_hangs_leaves_time_for_those_who_stand_by(text: bool, clock: Clock) -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("held", state=CANDIDATE_STATE_PROBATION))
    models = FakeModels(pool, a=Model(hangs={STAGE_COMPLETE}), held=Model())
    log = EventLog() if text else Events()
    routing = router(models, shares=Shares(grace_s=0.0, complete=0.5)).route(prompt(k=1), Deadline.after(60), log)
    answer = await clock.pass_after(models.hung(1), 30, routing)
    assert (answer.text, asked_last(answer)) == (WHOLE, {"held"})
    assert models.cancelled == (["a"] if text else [])


async def test_with_every_circuit_open_k_are_tried() -> None:
    pool = snapshot(*(pool_candidate(name, prior=prior) for name, prior in zip("abc", (0.1, 0.9, 0.5), strict=True)))
    models = FakeModels(pool, a=Model(), b=Model(), c=Model())
    models.gate = Circuit()
    answer = await router(models).route(prompt(k=1), Deadline.after(60), Events())
    assert answer.text == WHOLE
    assert asked_last(answer) == {"b"}
    assert {call.candidate for call in models.calls if call.last_resort} == {"b"}


async def test_where_no_circuit_lets_a_call_pass_the_route_waits_for_the_earliest() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b"))
    models = FakeModels(pool, a=Model(), b=Model())
    models.gate = Circuit(passes_after=3, wait_s=0.001)
    answer = await router(models).route(prompt(k=1), Deadline.after(60), Events())
    assert answer.text == WHOLE


async def test_no_circuit_is_waited_for_that_opens_too_late() -> None:
    models = FakeModels(snapshot(pool_candidate("a")), a=Model())
    models.gate = Circuit(passes_after=10, wait_s=40.0)
    with pytest.raises(ServiceError) as caught:
        await router(models).route(prompt(k=1), Deadline.after(60), Events())
    assert (caught.value.code, caught.value.retry_after) == (Code.UNAVAILABLE, 40.0)
    assert [call.last_resort for call in models.calls] == [False, True]


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        # Each token costs a nano-dollar; a boot reads seven and writes two, a whole route costs 24 or so.
        (prompt(k=2, max_cost_nanousd=60), True),
        (prompt(k=2, candidates=["a", "b"]), False),
    ],
)
async def test_the_last_resort_stays_within_money_and_names(request_: Prompt, asked: bool) -> None:
    models = FakeModels(POOL, **({name: Model() for name in POOL.candidates} | {"a": Model(fails=NO_BOOT)}))
    models.models["b"] = Model(fails=NO_BOOT)
    routing = router(models).route(request_, Deadline.after(60), Events())
    if not asked:
        with pytest.raises(ServiceError):
            await routing
        assert {call.candidate for call in models.calls} == {"a", "b"}
        return
    answer = await routing
    assert asked_last(answer)
    assert answer.ledger.cost_nanousd <= 60


async def test_who_cannot_be_paid_is_no_last_resort() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("dear", state=CANDIDATE_STATE_PROBATION, price=10**12))
    models = FakeModels(pool, a=Model(fails=NO_BOOT), dear=Model())
    with pytest.raises(ServiceError) as caught:
        await router(models).route(prompt(max_cost_nanousd=100), Deadline.after(60), Events())
    assert set(caught.value.failures) == {"a"}


async def test_a_prompt_that_only_the_left_out_can_read_is_theirs() -> None:
    pool = snapshot(pool_candidate("small", window=10), pool_candidate("large", state=CANDIDATE_STATE_PROBATION))
    models = FakeModels(pool, small=Model(), large=Model())
    answer = await router(models).route(prompt("word " * 100), Deadline.after(60), Events())
    assert answer.text == WHOLE
    assert models.asked(STAGE_BOOT) == ["large"]


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ([ERROR_REASON_UPSTREAM_REJECTED] * 2, Code.FAILED_PRECONDITION),
        ([ERROR_REASON_UPSTREAM_UNAUTHENTICATED] * 2, Code.FAILED_PRECONDITION),
        ([ERROR_REASON_UPSTREAM_REJECTED, ERROR_REASON_UPSTREAM_UNAUTHENTICATED], Code.FAILED_PRECONDITION),
        ([ERROR_REASON_NOT_RECORDED, ERROR_REASON_CONTEXT_WINDOW_EXCEEDED], Code.FAILED_PRECONDITION),
        ([ERROR_REASON_WRONG_CANDIDATE] * 2, Code.FAILED_PRECONDITION),
        ([ERROR_REASON_UPSTREAM_REJECTED, ERROR_REASON_UPSTREAM_ERROR], Code.UNAVAILABLE),
        ([ERROR_REASON_UPSTREAM_RATE_LIMITED, ERROR_REASON_UPSTREAM_UNAUTHENTICATED], Code.UNAVAILABLE),
        ([ERROR_REASON_CIRCUIT_OPEN] * 2, Code.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize("state", [CANDIDATE_STATE_ADMITTED, CANDIDATE_STATE_PROBATION])
async def test_what_every_candidate_refuses_is_not_worth_repeating(
    reasons: list[ErrorReason.ValueType], code: Code, stage: Stage.ValueType, state: CandidateState.ValueType
) -> None:
    a, b = (Model(fails={stage: refusal(reason)}) for reason in reasons)
    models = FakeModels(snapshot(pool_candidate("a"), pool_candidate("b", state=state)), a=a, b=b)
    with pytest.raises(ServiceError) as caught:
        await router(models).route(prompt(k=2), Deadline.after(60), Events())
    assert (caught.value.code, caught.value.reason) == (code, ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert {name: each.reason for name, each in caught.value.failures.items()} == dict(zip("ab", reasons, strict=True))
