"""The router under constant load while its candidates come, go, break, drift and return: no request fails for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_HEALTH_NOT_SERVING,
    CANDIDATE_STATE_ADMITTED,
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
)
from lightrouter.v1.router_pb2 import CandidateStatus as ListedCandidate
from lightrouter.v1.router_pb2 import ListCandidatesRequest
from tests.suite import rig
from tests.suite.rig import Entry, Suite, entry, prompt
from tests.unit.pool.status_support import held
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

NAMES = "abcd"
CALLERS = 4
TIMEOUT_S = 600.0
GOOD = "The capital of France is Paris, on the Seine."
SETTINGS = {
    "aggregator": "best",
    "boot_tokens": 12,
    "boot_grace_seconds": 0.05,
    "drift_run_length": 10,
    # So much that a candidate is back within the test's time.
    "probation_share": 0.5,
}
FAILING = {"limits": {"retries": 0}, "circuit": {"failures": 5, "cooldown_s": 0.1}}


class Switch:
    """A behaviour that becomes another one while the upstream runs."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    async def __call__(self, exchange: Exchange) -> None:
        await self.behaviour(exchange)


class Load:
    """Callers that ask without a pause. A call that fails ends them all, and the test."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._answered = asyncio.Condition()
        self.answered = 0

    async def ask(self) -> None:
        while True:
            answer = await self._suite.complete(prompt())
            assert answer.text == GOOD
            async with self._answered:
                self.answered += 1
                self._answered.notify_all()

    async def rounds(self, count: int) -> None:
        """Returns after this number of further answered calls."""
        until = self.answered + count
        async with asyncio.timeout(TIMEOUT_S), self._answered:
            await self._answered.wait_for(lambda: self.answered >= until)

    async def until(self, name: str, holds: Callable[[ListedCandidate | None], bool]) -> None:
        """Returns once the router says of a candidate, or of its absence, what is wanted, and some calls later."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                listed = await self._suite.stub.ListCandidates(ListCandidatesRequest(), timeout=600)
                if holds(next((each for each in listed.candidates if each.candidate.name == name), None)):
                    break
                await asyncio.sleep(0.01)
        await self.rounds(2 * CALLERS)


@asynccontextmanager
async def loaded(running: rig.Run, folder: Path) -> AsyncIterator[tuple[Suite, Load, dict[str, Switch], list[Entry]]]:
    switches = {name: Switch(behaviours.model(GOOD)) for name in NAMES}
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(Upstream(switches[name])) for name in NAMES}
        entries = [entry(name, upstreams[name].base_url, **FAILING) for name in NAMES]
        suite = await stack.enter_async_context(running(folder, *entries, router=SETTINGS))
        load = Load(suite)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        callers = [group.create_task(load.ask()) for _ in range(CALLERS)]
        yield suite, load, switches, entries
        for caller in callers:
            caller.cancel()


def write_pool(suite: Suite, entries: list[Entry], names: str) -> None:
    kept = [dict(each) for each in entries if str(each["name"]) in names]
    suite.pool.write_text(yaml.safe_dump({"candidates": kept}))


def judge(suite: Suite, name: str, state: State, hour: int) -> None:
    """Writes a verdict as the evaluator does."""
    status = held(
        state,
        "Judged",
        "it was judged",
        evaluated_model=f"model-of-{name}",
        evaluation_run=f"run-{hour}",
        score=0.5,
        evaluated_prompts=10,
        last_evaluated=f"2026-03-01T{hour:02}:00:00Z",
    )
    statefile.amend(statefile.state_path(suite.pool), {name: status})


async def test_no_request_fails_while_the_pool_changes(folder: Path, running: rig.Run) -> None:
    async with loaded(running, folder) as (suite, load, switches, entries):
        await load.until("d", lambda d: d is not None)

        write_pool(suite, entries, "abc")
        await load.until("d", lambda d: d is None)
        write_pool(suite, entries, NAMES)
        await load.until("d", lambda d: d is not None)

        for broken in (behaviours.reset, behaviours.hang, behaviours.raw(b"{")):
            switches["b"].behaviour = broken
            await load.rounds(5 * CALLERS)
            switches["b"].behaviour = behaviours.model(GOOD)
            await load.rounds(2 * CALLERS)

        # It fails until its own history speaks against it, and then works until that is forgotten.
        await load.rounds(100)
        switches["c"].behaviour = behaviours.status(500)
        await load.until("c", lambda c: c is not None and c.candidate.state == CANDIDATE_STATE_PROBATION)
        switches["c"].behaviour = behaviours.model(GOOD)
        await load.until("c", lambda c: c is not None and c.candidate.state == CANDIDATE_STATE_ADMITTED)

        judge(suite, "a", State.EVICTED, 1)
        await load.until("a", lambda a: a is not None and a.candidate.state == CANDIDATE_STATE_EVICTED)
        judge(suite, "a", State.ADMITTED, 2)
        await load.until("a", lambda a: a is not None and a.candidate.state == CANDIDATE_STATE_ADMITTED)


async def test_no_request_fails_when_an_adapter_is_stopped(folder: Path) -> None:
    async with loaded(rig.running, folder) as (suite, load, _, _):
        await load.until("d", lambda d: d is not None)
        await suite.servers["d"].drain()
        await load.until("d", lambda d: d is not None and d.health == CANDIDATE_HEALTH_NOT_SERVING)
