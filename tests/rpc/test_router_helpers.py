"""Who judges and who merges, over real channels: never a candidate that may not answer, or cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from lightrouter.pool.choices import State
from lightrouter.runtime.errors import Code, ServiceError, reason_name
from lightrouter.runtime.telemetry import names
from lightrouter.v1.candidate_pb2 import CANDIDATE_HEALTH_NOT_SERVING
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_MALFORMED,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_REJECTED,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
    ErrorReason,
)
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_LLM
from tests.rpc.router_suite import RouterSuite
from tests.unit.pool.status_support import held
from tests.unit.router.builders import prompt
from tests.unit.router.fakes import Model

# The best of them is `first`; the pool names `helper`, the worst, for both tasks.
ENTRIES: list[dict[str, object]] = [
    {"name": "first", "prior": 0.9},
    {"name": "second", "prior": 0.5},
    {"name": "helper", "prior": 0.1},
]
NAMED = {"judge": "helper", "synthesizer": "helper"}
HOUR_S = 3600.0


def suite_with(pool: dict[str, str] | None = None) -> RouterSuite:
    suite = RouterSuite(entries=ENTRIES, pool=NAMED if pool is None else pool, probation_share=0.0)
    suite.selector.scores = {"first": 0.9, "second": 0.8}
    return suite


async def helpers(suite: RouterSuite) -> tuple[str, str]:
    """Returns who judges and who is asked first to merge in a call."""
    asked = prompt(k=2, margin=1.0, agreement=1.0, selector=SELECTOR_STRATEGY_LLM)
    asked.policy.aggregator = AGGREGATOR_STRATEGY_SYNTHESIZE
    answer = (await suite.complete(asked)).answer
    assert answer.text
    return suite.selector.requests[-1].judge.candidate, suite.aggregator.requests[-1].synthesizers[0].candidate


async def evicted_by_hand(suite: RouterSuite) -> None:
    await suite.change_entry("helper", state="evicted")


async def evicted_by_the_evaluator(suite: RouterSuite) -> None:
    await suite.write_standings({"helper": held(State.EVICTED, "CrediblyWorse", "it is bad", evaluated_model="m")})


async def on_probation_by_hand(suite: RouterSuite) -> None:
    await suite.change_entry("helper", state="probation")


async def on_probation_by_the_evaluator(suite: RouterSuite) -> None:
    await suite.write_standings({"helper": held(State.PROBATION, "Unknown", "it is new", evaluated_model="m")})


async def not_serving(suite: RouterSuite) -> None:
    await suite.adapters["helper"].set_serving(names.ADAPTER_SERVICE, serving=False)
    while (await suite.list_candidates()).candidates[-1].health != CANDIDATE_HEALTH_NOT_SERVING:
        pass


async def resting(suite: RouterSuite) -> None:
    limited = ServiceError(Code.RESOURCE_EXHAUSTED, ERROR_REASON_UPSTREAM_RATE_LIMITED, "HTTP 429", retry_after=HOUR_S)
    suite.models.models["helper"] = Model(fails={STAGE_BOOT: limited})
    await suite.complete(prompt())
    suite.models.models["helper"] = Model()


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (evicted_by_hand, "first"),
        (evicted_by_the_evaluator, "first"),
        # Probation concerns only its own answers: the pool may name it.
        (on_probation_by_hand, "helper"),
        (on_probation_by_the_evaluator, "helper"),
        (not_serving, "first"),
        (resting, "first"),
    ],
)
async def test_a_helper_whose_standing_changes_while_the_router_runs(
    happens: Callable[[RouterSuite], Awaitable[None]], expected: str
) -> None:
    async with suite_with() as suite:
        assert await helpers(suite) == ("helper", "helper")
        await happens(suite)
        assert await helpers(suite) == (expected, expected)


async def test_a_helper_that_is_admitted_again_helps_again() -> None:
    async with suite_with() as suite:
        for state, expected in (("evicted", "first"), ("probation", "helper"), ("evicted", "first"), ("", "helper")):
            await suite.change_entry("helper", state=state or "admitted")
            assert await helpers(suite) == (expected, expected)


@pytest.mark.parametrize(
    ("reason", "declines"),
    [
        (ERROR_REASON_UPSTREAM_REJECTED, True),
        (ERROR_REASON_UPSTREAM_UNAUTHENTICATED, True),
        (ERROR_REASON_UPSTREAM_RATE_LIMITED, True),
        (ERROR_REASON_UPSTREAM_ERROR, True),
        (ERROR_REASON_UPSTREAM_UNAVAILABLE, True),
        # These are of this text alone.
        (ERROR_REASON_EMPTY_OUTPUT, False),
        (ERROR_REASON_UPSTREAM_MALFORMED, False),
    ],
    ids=lambda value: reason_name(value) if not isinstance(value, bool) else "",
)
@pytest.mark.parametrize("named", [True, False])
async def test_a_helper_that_fails_its_boot_is_not_asked_again_if_it_would_fail_again(
    reason: ErrorReason.ValueType, declines: bool, named: bool
) -> None:
    """Without a name in the pool, the best candidate judges and the best draft's author merges."""
    best = "helper" if named else "first"
    async with suite_with(None if named else {}) as suite:
        suite.models.models[best] = Model(fails={STAGE_BOOT: ServiceError(Code.UNAVAILABLE, reason, "it failed")})
        suite.selector.scores |= {"helper": 0.85}
        next_best = "first" if named else "second"
        judge, synthesizer = await helpers(suite)
    assert judge == (next_best if declines else best)
    assert synthesizer == ("helper" if named and not declines else "first" if named else "helper")
