"""Candidates that all refuse, each in its way: the status that the caller gets, and the wait that would help."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from lightrouter.runtime.errors import Code, ServiceError, reason_name
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.policy_pb2 import Policy
from tests.suite.rig import Run, Suite, entry, prompt
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream

ONCE = {"retries": 0}
# Seconds. The router takes a pause of at most a minute for longer ones.
LONG_S, SHORT_S, LONGEST_PAUSE_S = 300, 200, 60.0
BEHAVIOURS: dict[str, Behaviour] = {
    "400": behaviours.status(400),
    "401": behaviours.status(401),
    "429": behaviours.status(429, headers={"Retry-After": str(LONG_S)}),
    "503": behaviours.status(503, headers={"Retry-After": str(SHORT_S)}),
    "503-bare": behaviours.status(503),
    "unreachable": behaviours.hang_up,
}
REASONS = {
    "400": "UPSTREAM_REJECTED",
    "401": "UPSTREAM_UNAUTHENTICATED",
    "429": "UPSTREAM_RATE_LIMITED",
    "503": "UPSTREAM_ERROR",
    "503-bare": "UPSTREAM_ERROR",
    "unreachable": "UPSTREAM_UNAVAILABLE",
}


async def refused(suite: Suite, policy: Policy | None = None, *, streaming: bool = False) -> ServiceError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (suite.stream(prompt(policy)) if streaming else suite.complete(prompt(policy)))
    error = from_rpc_error(caught.value)
    assert error.reason == ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED
    return error


@pytest.mark.parametrize(
    ("kinds", "code", "wait"),
    [
        # Nothing that time mends.
        (("400", "401"), Code.FAILED_PRECONDITION, None),
        (("401", "401", "400"), Code.FAILED_PRECONDITION, None),
        # Time mends one of them, and its provider says how much.
        (("400", "429"), Code.UNAVAILABLE, LONG_S),
        (("401", "503"), Code.UNAVAILABLE, SHORT_S),
        (("429", "503"), Code.UNAVAILABLE, SHORT_S),
        (("unreachable", "429"), Code.UNAVAILABLE, LONG_S),
        (("400", "401", "429", "503", "unreachable"), Code.UNAVAILABLE, SHORT_S),
        # Time may mend one of them; nobody says how much.
        (("400", "503-bare"), Code.UNAVAILABLE, None),
        (("401", "unreachable"), Code.UNAVAILABLE, None),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
async def test_a_mix_of_refusals_has_the_status_of_the_one_that_time_may_mend(
    folder: Path, running: Run, kinds: tuple[str, ...], code: Code, wait: float | None
) -> None:
    async with AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(Upstream(BEHAVIOURS[kind])) for kind in kinds]
        entries = [entry(f"c{number}", each.base_url, limits=ONCE) for number, each in enumerate(upstreams)]
        suite = await stack.enter_async_context(running(folder, *entries))
        error = await refused(suite)
        assert (error.code, error.retry_after) == (code, wait)
        assert {name: reason_name(failure.reason) for name, failure in error.failures.items()} == {
            f"c{number}": REASONS[kind] for number, kind in enumerate(kinds)
        }
        # Who rests is now asked as a last resort at most, and the caller is told the same.
        again = await refused(suite, streaming=True)
        assert again.code == code
        assert (again.retry_after is None) == (wait is None)
        assert again.failures.keys() == error.failures.keys()


async def test_the_wait_is_the_shortest_also_of_those_that_rest_unasked(folder: Path, running: Run) -> None:
    async with (
        Upstream(BEHAVIOURS["429"]) as best,
        Upstream(BEHAVIOURS["503"]) as worst,
        Upstream(BEHAVIOURS["401"]) as closed,
        running(
            folder,
            entry("best", best.base_url, limits=ONCE, prior=0.9),
            entry("worst", worst.base_url, limits=ONCE, prior=0.1),
            entry("closed", closed.base_url, limits=ONCE),
        ) as suite,
    ):
        one = Policy(k=1)
        assert (await refused(suite, one)).retry_after == SHORT_S
        again = await refused(suite, one)
        # One that rests is asked as the last resort.
        assert (len(best.requests), len(worst.requests)) == (2, 1)
        assert again.retry_after is not None
        assert 0 < again.retry_after <= LONGEST_PAUSE_S
