"""The boot stage: all admitted candidates write their boot tokens at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from lightrouter.router.calls import (
    boot_generation,
    empty_output,
    no_result,
    record_failure,
    record_success,
    settle_failed,
    too_much,
)
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.ledger import SLOW
from lightrouter.router.stages.lastresort import after_circuit, is_left, last_resort
from lightrouter.router.stages.quorum import QuorumWait
from lightrouter.router.whole import is_broken
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerationResult, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER, ERROR_REASON_UPSTREAM_TIMEOUT
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_CANDIDATE_FAILED, DEGRADED_REASON_CANDIDATE_SLOW, STAGE_BOOT

# A caller that does not read must not make the router hold more than a boot can be. The longest tokens of the known
# vocabularies are runs of 128 spaces.
_MOST_CHARACTERS_PER_TOKEN = 256


async def boot(route: RouteContext, models: Models) -> list[BootResult]:
    """Returns what each candidate wrote, in the order of the pool, without those that failed or were too slow.

    The stage ends when all have answered, or a quorum has and the grace period is over, or its share of the time is.
    Calls that still run then are cancelled. Where nobody has delivered, those are asked that are left out otherwise.

    Raises:
        ServiceError: UNAVAILABLE with one failure a candidate where none delivered.
    """
    candidates = route.admission.candidates
    share = route.deadline.share(route.shares.boot)
    patience = QuorumWait(
        len(candidates),
        route.admission.policy.quorum,
        route.shares.grace_s,
        share,
        standing_by=bool(route.admission.standby),
    )
    stage = _Stage(route, models, patience)
    try:
        async with asyncio.TaskGroup() as group:
            stage.begin(group, candidates)
            await patience.wait()
            while not stage.booted and (found := last_resort(route, stage.afford)):
                await stage.ask(group, found, route.deadline.share(route.shares.boot) if is_left(route) else None)
            if not stage.booted:
                await stage.ask(group, await after_circuit(route, stage.afford))
            stage.cancel()
    finally:
        patience.close()
    stage.drop_running()
    if not stage.booted:
        raise route.ledger.nobody_left(route.deadline)
    return stage.booted


class _Stage:
    """The stage under way: everybody's boot, and those of a last resort behind them."""

    def __init__(self, route: RouteContext, models: Models, patience: QuorumWait) -> None:
        self._route = route
        self._models = models
        self._patience = patience
        self._boots: list[_Boot] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def booted(self) -> list[BootResult]:
        """What was delivered so far."""
        return [each.booted for each in self._boots if each.booted]

    def afford(self, candidate: RouteCandidate) -> bool:
        """Keeps the money for a boot more; False where there is not enough."""
        return self._route.budget.reserve(self._route.budget.boot_cost(candidate))

    def begin(self, group: asyncio.TaskGroup, candidates: Sequence[RouteCandidate]) -> None:
        """Boots these, beside those that boot already."""
        boots = [_Boot(self._route, candidate, self._models, self._patience) for candidate in candidates]
        self._boots += boots
        self._tasks += [group.create_task(each.call()) for each in boots]

    async def ask(
        self, group: asyncio.TaskGroup, candidates: Sequence[RouteCandidate], deadline: Deadline | None = None
    ) -> None:
        """Boots these as well, and waits for whoever is under way, until `deadline` where others stand by still."""
        self._patience.join(len(candidates), deadline)
        self.begin(group, candidates)
        await self._patience.wait()

    def cancel(self) -> None:
        """Cancels the calls that still run."""
        for task in self._tasks:
            task.cancel()

    def drop_running(self) -> None:
        """Writes down the calls that were cancelled."""
        for each in self._boots:
            each.drop_if_running(deadline_passed=self._patience.deadline_passed)


class _Boot:
    """One candidate's boot."""

    def __init__(self, route: RouteContext, candidate: RouteCandidate, models: Models, patience: QuorumWait) -> None:
        self.booted: BootResult | None = None
        self._route = route
        self._candidate = candidate
        self._models = models
        self._patience = patience
        self._begun = time.monotonic()
        self._running = True
        self._received: list[str] = []

    async def call(self) -> None:
        """Boots the candidate and writes down how it went."""
        route, candidate = self._route, self._candidate
        try:
            # The conversation is copied into the call, and not held beside it.
            if route.events.wants_partials:
                pieces = self._models.stream(candidate.target, boot_generation(route, candidate), route.deadline)
                text, result = await self._stream(pieces)
            else:
                response = await self._models.generate(
                    candidate.target, boot_generation(route, candidate), route.deadline
                )
                text, result = response.text, response.result
        except ServiceError as error:
            self._fail(error)
            self._patience.failed()
            return
        self._finish(text, result)

    async def _stream(self, pieces: AsyncGenerator[StreamGenerateResponse, None]) -> tuple[str, GenerationResult]:
        events, name = self._route.events, self._candidate.name
        most = self._candidate.boot_tokens * _MOST_CHARACTERS_PER_TOKEN
        async with aclosing(pieces):
            async for event in pieces:
                if event.HasField("result"):
                    return "".join(self._received), event.result
                if event.chunk.text:
                    self._received.append(event.chunk.text)
                    most -= len(event.chunk.text)
                    if most < 0:
                        raise too_much(self._candidate)
                    events.partial_chunk(name, event.chunk.text)
        raise no_result(self._candidate)

    def _finish(self, text: str, result: GenerationResult) -> None:
        candidate, route = self._candidate, self._route
        partial = Partial(
            candidate=candidate.name,
            text=text,
            finish_reason=result.finish_reason,
            prior=candidate.quality.prior,
            evaluated_prompts=candidate.quality.prompts,
            model=candidate.spec.model,
        )
        used = result.usage.output_tokens or candidate.boot_tokens
        read = 0 if result.usage.estimated else result.usage.input_tokens
        visible = max(0, result.usage.output_tokens - result.usage.reasoning_tokens)
        seconds = result.elapsed.ToTimedelta().total_seconds()
        booted = BootResult(candidate, partial, result.continuation, used, visible, seconds, read)
        self._running = False
        line = record_success(route, STAGE_BOOT, candidate, result)
        route.budget.settle(route.budget.boot_cost(candidate), line.cost_nanousd)
        if booted.ended and not text.strip():
            error = empty_output(candidate)
            line.failure.CopyFrom(error.failure())
            self._degrade(error)
            self._patience.failed()
        else:
            self.booted = booted
            if is_broken(result.finish_reason):
                message = f"the boot of {candidate.name} may not be whole: its provider ended it early"
                route.ledger.degrade(DEGRADED_REASON_CANDIDATE_FAILED, message, candidate.name)
            self._patience.delivered()
        route.events.booted(partial, line)

    def _fail(self, error: ServiceError) -> None:
        route, candidate = self._route, self._candidate
        self._running = False
        line = record_failure(route, STAGE_BOOT, candidate, error, self._begun, received="".join(self._received))
        settle_failed(route, error, route.budget.boot_cost(candidate), line)
        self._degrade(error)
        route.events.booted(Partial(candidate=candidate.name), line)

    def _degrade(self, error: ServiceError) -> None:
        slow = error.reason in SLOW
        reason = DEGRADED_REASON_CANDIDATE_SLOW if slow else DEGRADED_REASON_CANDIDATE_FAILED
        self._route.ledger.drop(
            reason, f"{self._candidate.name} did not boot: {error.message}", self._candidate.name, error
        )

    def drop_if_running(self, *, deadline_passed: bool) -> None:
        """Writes down a call that was cancelled because the stage ended without it."""
        if not self._running:
            return
        if deadline_passed:
            message = "it had not answered when the boot stage's time was over"
            error = ServiceError(Code.DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT, message)
        else:
            message = "a quorum had answered and the grace period was over"
            error = ServiceError(Code.CANCELLED, ERROR_REASON_STRAGGLER, message)
        self._fail(error)
