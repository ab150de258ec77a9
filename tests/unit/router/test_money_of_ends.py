"""However a call ends, its budget has again exactly what the call did not spend."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from random import Random

import pytest

from lightrouter.router.budget import Budget
from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.records import recording_all
from lightrouter.runtime.errors import Code, ServiceError, Spent
from lightrouter.v1 import error_reason_pb2 as reasons
from lightrouter.v1.chat_pb2 import Usage
from tests.unit.router.builders import pool_candidate, prompt, snapshot
from tests.unit.router.fakes import FakeModels, Model
from tests.unit.router.test_boot import new_route

CEILING = 10_000
SOME = Spent(Usage(input_tokens=30, output_tokens=2, estimated=True), 32)
NOTHING = Spent.nothing()


@dataclass(frozen=True)
class End:
    """How a call ends, whether it had written, and whether its cost is unknown, so that its money stays reserved."""

    reason: reasons.ErrorReason.ValueType
    spent: Spent | None = None
    wrote: bool = False
    unknown: bool = False

    @property
    def error(self) -> ServiceError:
        return ServiceError(Code.UNAVAILABLE, self.reason, "it ended", spent=self.spent)


ENDS = {
    "an answer": None,
    "429": End(reasons.ERROR_REASON_UPSTREAM_RATE_LIMITED, NOTHING),
    "400": End(reasons.ERROR_REASON_UPSTREAM_REJECTED, NOTHING),
    "401": End(reasons.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, NOTHING),
    "an open circuit": End(reasons.ERROR_REASON_CIRCUIT_OPEN),
    "a full queue": End(reasons.ERROR_REASON_OVERLOADED),
    "5xx": End(reasons.ERROR_REASON_UPSTREAM_ERROR),
    "5xx after an attempt that wrote": End(reasons.ERROR_REASON_UPSTREAM_ERROR, SOME),
    "no connection": End(reasons.ERROR_REASON_UPSTREAM_UNAVAILABLE, NOTHING),
    "a broken stream": End(reasons.ERROR_REASON_UPSTREAM_UNAVAILABLE, SOME, wrote=True),
    "a broken stream without counts": End(reasons.ERROR_REASON_UPSTREAM_UNAVAILABLE, wrote=True),
    "garbage": End(reasons.ERROR_REASON_UPSTREAM_MALFORMED, wrote=True),
    "no text": End(reasons.ERROR_REASON_EMPTY_OUTPUT, SOME),
    "a deadline": End(reasons.ERROR_REASON_UPSTREAM_TIMEOUT, unknown=True),
    "a deadline, counted": End(reasons.ERROR_REASON_UPSTREAM_TIMEOUT, SOME),
    "a deadline, never sent": End(reasons.ERROR_REASON_DEADLINE_EXCEEDED, NOTHING),
    "a deadline after some text": End(reasons.ERROR_REASON_DEADLINE_EXCEEDED, wrote=True),
    "a straggler": End(reasons.ERROR_REASON_STRAGGLER, unknown=True),
    "a straggler after some text": End(reasons.ERROR_REASON_STRAGGLER, wrote=True),
    "a caller that left": End(reasons.ERROR_REASON_CANCELLED),
    "a caller that left after some text": End(reasons.ERROR_REASON_CANCELLED, wrote=True),
}


def started(names: list[str]) -> tuple[RouteContext, FakeModels]:
    models = FakeModels(snapshot(*map(pool_candidate, names)), **{name: Model() for name in names})
    return new_route(models, prompt(max_cost_nanousd=CEILING)), models


async def run(route: RouteContext, models: FakeModels, candidate: RouteCandidate, end: End | None) -> int:
    """Makes one call that ends so; returns what stays reserved because nobody knows what it cost."""
    call = CandidateCall.boot(route, models, candidate)
    reserved = route.budget.boot_cost(candidate)
    if end is None:
        await call.generate(route.deadline)
        assert call.end_boot()
        return 0
    if end.wrote:
        async with aclosing(call.chunks()) as chunks:
            await anext(chunks)
            await asyncio.sleep(0)
    call.fail(end.error)
    return reserved if end.unknown else 0


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_what_a_call_did_not_spend_is_there_again(end: End | None) -> None:
    route, models = started(["a"])
    assert route.budget.left < CEILING
    kept = await run(route, models, route.admission.candidates[0], end)
    (line,) = route.ledger.entries
    assert route.budget.left == CEILING - (kept or line.cost_nanousd)
    assert line.cost_nanousd <= CEILING
    if end and end.spent is NOTHING:
        assert line.cost_nanousd == 0


@pytest.mark.parametrize("seed", range(20))
async def test_what_calls_at_the_same_time_did_not_spend_is_there_again(seed: int) -> None:
    names = [f"m{number}" for number in range(8)]
    route, models = started(names)
    ends = Random(seed).choices([*ENDS.values()], k=len(names))
    kept = await asyncio.gather(
        *(run(route, models, candidate, end) for candidate, end in zip(route.admission.candidates, ends, strict=True))
    )
    unknown = {name for name, money in zip(names, kept, strict=True) if money}
    spent = sum(line.cost_nanousd for line in route.ledger.entries if line.candidate not in unknown)
    assert len(route.ledger.entries) == len(names)
    assert route.budget.left == CEILING - spent - sum(kept)


async def test_a_route_that_is_left_settles_the_calls_that_run() -> None:
    route, models = started(["a", "b"])
    async with recording_all(route):
        for candidate in route.admission.candidates:
            CandidateCall.boot(route, models, candidate)
    assert route.budget.left == CEILING - sum(line.cost_nanousd for line in route.ledger.entries)


def test_what_another_route_learns_meanwhile_changes_no_money_of_this_one() -> None:
    known: dict[str, int] = {}
    ours, other = Budget(CEILING, 10, known), Budget(CEILING, 10, known)
    route, _ = started(["a"])
    (candidate,) = route.admission.candidates
    reserved = ours.boot_cost(candidate)
    ours.reserve(reserved)
    other.learn("a", 500)
    ours.settle(ours.boot_cost(candidate), 0)
    assert ours.left == CEILING
    assert Budget(CEILING, 10, known).boot_cost(candidate) > reserved
