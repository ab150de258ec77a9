"""Candidates that cannot deliver now: pauses that a provider asked for, and adapters that do not serve."""

from __future__ import annotations

import pytest

from lightrouter.router.events import Events
from lightrouter.router.pool.availability import Availability
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_OVERLOADED,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ErrorReason,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_LAST_RESORT,
    NOT_ASKED_REASON_NOT_SERVING,
    NOT_ASKED_REASON_RESTING,
    STAGE_BOOT,
    STAGE_COMPLETE,
    Stage,
)
from tests.unit.router.builders import pool_candidate, prompt, router, snapshot
from tests.unit.router.fakes import FakeModels, Model

A = pool_candidate("a")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def later(reason: ErrorReason.ValueType, seconds: float | None) -> ServiceError:
    return ServiceError(Code.UNAVAILABLE, reason, "come back later", retry_after=seconds)


def limited(seconds: float = 5.0) -> ServiceError:
    return later(ERROR_REASON_UPSTREAM_RATE_LIMITED, seconds)


@pytest.mark.parametrize(
    ("error", "rests_s"),
    [
        (limited(5.0), 5.0),
        (later(ERROR_REASON_UPSTREAM_ERROR, 3.0), 3.0),
        # A long pause is cut, so that the provider is asked again.
        (limited(1e9), 60.0),
        (limited(0.0), 0.0),
        (later(ERROR_REASON_UPSTREAM_ERROR, None), 0.0),
        # These come from one replica of the adapter, not from the provider.
        (later(ERROR_REASON_CIRCUIT_OPEN, 10.0), 0.0),
        (later(ERROR_REASON_OVERLOADED, 1.0), 0.0),
    ],
)
def test_a_provider_gets_the_rest_that_it_asked_for(error: ServiceError, rests_s: float) -> None:
    clock = Clock()
    availability = Availability(clock=clock)
    availability.failed("a", error)
    assert availability.why_not(pool_candidate("b")) is None
    if rests_s:
        clock.now += rests_s - 0.01
        why = availability.why_not(A)
        assert why is not None
        assert (why.candidate, why.reason) == ("a", NOT_ASKED_REASON_RESTING)
        clock.now += 0.02
    assert availability.why_not(A) is None


@pytest.mark.parametrize("declines", [False, True])
def test_an_adapter_that_does_not_serve_is_not_asked(declines: bool) -> None:
    why = Availability(lambda _: declines).why_not(A)
    assert (why is not None and why.reason == NOT_ASKED_REASON_NOT_SERVING) == declines


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
async def test_the_next_route_leaves_a_resting_candidate_alone(stage: Stage.ValueType) -> None:
    clock = Clock()
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(fails={stage: limited()}), b=Model()
    )
    routing = router(models, availability=Availability(clock=clock))
    await routing.route(prompt(), Deadline.after(60), Events())
    models.calls.clear()
    answer = await routing.route(prompt(), Deadline.after(60), Events())
    assert {call.candidate for call in models.calls} == {"b"}
    assert [(each.candidate, each.reason) for each in answer.ledger.not_asked] == [("a", NOT_ASKED_REASON_RESTING)]
    clock.now += 5.01
    models.calls.clear()
    await routing.route(prompt(), Deadline.after(60), Events())
    assert {call.candidate for call in models.calls} == {"a", "b"}


async def test_candidates_that_were_not_asked_are_among_the_unavailable() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c"))
    models = FakeModels(pool, **dict.fromkeys("abc", Model(fails={STAGE_BOOT: limited()})))
    dead = pool.candidates["b"].address
    availability = Availability(lambda address: address == dead)
    availability.failed("c", limited(30.0))
    with pytest.raises(ServiceError) as caught:
        await router(models, availability=availability).route(prompt(k=1), Deadline.after(60), Events())
    assert set(caught.value.failures) == {"a", "b", "c"}


async def test_the_best_k_are_asked_if_all_rest() -> None:
    pool = snapshot(pool_candidate("a", prior=0.1), pool_candidate("b", prior=0.9), pool_candidate("c", prior=0.5))
    models = FakeModels(pool, a=Model(), b=Model(), c=Model())
    availability = Availability()
    for name in pool.candidates:
        availability.failed(name, limited(50.0))
    answer = await router(models, availability=availability).route(prompt(k=2), Deadline.after(60), Events())
    assert set(models.asked(STAGE_BOOT)) == {"b", "c"}
    assert {each.candidate for each in answer.degraded if each.reason == DEGRADED_REASON_LAST_RESORT} == {"b", "c"}
    assert [each.candidate for each in answer.ledger.not_asked] == ["a"]


async def test_the_others_are_asked_if_all_rest_and_the_best_fail() -> None:
    pool = snapshot(pool_candidate("a", prior=0.1), pool_candidate("b", prior=0.9))
    models = FakeModels(pool, a=Model(), b=Model(fails={STAGE_BOOT: limited()}))
    answer = await router(models, availability=Availability(lambda _: True)).route(
        prompt(k=1), Deadline.after(60), Events()
    )
    assert models.asked(STAGE_BOOT) == ["b", "a"]
    assert list(answer.candidates) == ["a"]
    assert not answer.ledger.not_asked
