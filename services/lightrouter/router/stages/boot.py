"""The boot stage: all admitted candidates write their boot tokens in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial

from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.held import MAX_CHARACTERS_PER_TOKEN
from lightrouter.router.stages.last_resort import has_last_resort, pick_last_resorts, wait_for_circuit
from lightrouter.router.stages.quorum import QuorumWait
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UPSTREAM_TIMEOUT,
    ERROR_REASON_UPSTREAM_TOO_LARGE,
)


async def boot(route: RouteContext, models: Models) -> list[BootResult]:
    """Returns what each candidate wrote, in the order of the pool, without those that failed or were too slow.

    The stage ends when all candidates have answered, when a quorum has and the grace period is over, or when the
    stage's share of the time is over. Calls that still run then are cancelled. If no candidate has delivered, the last
    resorts are asked.

    Raises:
        ServiceError: No candidate delivered; UNAVAILABLE, DEADLINE_EXCEEDED or FAILED_PRECONDITION, with one failure a
            candidate.
    """
    candidates = route.admission.candidates
    wait = QuorumWait(
        len(candidates),
        route.admission.policy.quorum,
        route.shares.grace_s,
        route.deadline.share(route.shares.boot),
        standing_by=bool(route.admission.standby),
    )
    stage = _BootStage(route, models, wait)
    try:
        async with asyncio.TaskGroup() as group:
            stage.start(group, candidates)
            await wait.wait()
            while not stage.delivered and (picked := pick_last_resorts(route, stage.reserve)):
                deadline = route.deadline.share(route.shares.boot) if has_last_resort(route) else None
                await stage.add(group, picked, deadline)
            if not stage.delivered:
                await stage.add(group, await wait_for_circuit(route, stage.reserve))
            stage.cancel()
    finally:
        wait.close()
    stage.fail_cancelled()
    if not stage.delivered:
        raise route.ledger.nobody_left(route.deadline)
    return stage.delivered


class _BootStage:
    """The running boot calls, in the order of the pool, with those of last resorts behind them."""

    def __init__(self, route: RouteContext, models: Models, wait: QuorumWait) -> None:
        self._route = route
        self._models = models
        self._wait = wait
        self._calls: list[CandidateCall] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._delivered: dict[CandidateCall, BootResult] = {}

    @property
    def delivered(self) -> list[BootResult]:
        """The boots that were delivered so far."""
        return [self._delivered[call] for call in self._calls if call in self._delivered]

    def reserve(self, candidate: RouteCandidate) -> bool:
        """Reserves the money for one more boot; False if there is not enough."""
        return self._route.budget.reserve(self._route.budget.boot_cost(candidate))

    def start(self, group: asyncio.TaskGroup, candidates: Sequence[RouteCandidate]) -> None:
        """Starts the boots of these candidates."""
        calls = [CandidateCall.boot(self._route, self._models, candidate) for candidate in candidates]
        self._calls += calls
        self._tasks += [group.create_task(self._run(call)) for call in calls]

    async def add(
        self, group: asyncio.TaskGroup, candidates: Sequence[RouteCandidate], deadline: Deadline | None = None
    ) -> None:
        """Starts the boots of these candidates too, and waits for all calls; see `QuorumWait.join` for `deadline`."""
        self._wait.join(len(candidates), deadline)
        self.start(group, candidates)
        await self._wait.wait()

    def cancel(self) -> None:
        """Cancels the calls that still run."""
        for task in self._tasks:
            task.cancel()

    def fail_cancelled(self) -> None:
        """Records the calls that were cancelled as failures."""
        if self._wait.deadline_passed:
            message = "it had not answered when the boot stage's time was over"
            error = ServiceError(Code.DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT, message)
        else:
            message = "a quorum had answered and the grace period was over"
            error = ServiceError(Code.CANCELLED, ERROR_REASON_STRAGGLER, message)
        for call in self._calls:
            if not call.is_recorded:
                call.fail(error)

    async def _run(self, call: CandidateCall) -> None:
        """Boots one candidate and records the result."""
        try:
            if call.candidate.held_tokens:
                await call.hold(self._on_text(call.candidate))
            elif self._route.events.wants_partials:
                await self._stream(call)
            else:
                await call.generate(self._route.deadline)
        except ServiceError as error:
            call.fail(error)
            self._wait.failed()
            return
        if delivered := call.end_boot():
            self._delivered[call] = delivered
            self._wait.delivered()
        else:
            self._wait.failed()

    def _on_text(self, candidate: RouteCandidate) -> Callable[[str], None]:
        """Returns what gets the text of a boot as it arrives."""
        events = self._route.events
        return partial(events.partial_chunk, candidate.name) if events.wants_partials else lambda _: None

    async def _stream(self, call: CandidateCall) -> None:
        """Receives a boot in pieces and sends each to the caller."""
        candidate, on_text = call.candidate, self._on_text(call.candidate)
        room = candidate.boot_tokens * MAX_CHARACTERS_PER_TOKEN
        async with aclosing(call.chunks()) as chunks:
            async for chunk in chunks:
                if not chunk.text:
                    continue
                room -= len(chunk.text)
                if room < 0:
                    message = f"{candidate.name} sent more text than {candidate.boot_tokens} boot tokens can have"
                    raise ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_TOO_LARGE, message)
                on_text(chunk.text)
