"""The completion stage for a caller that watches one candidate finish: each piece goes out as it comes.

A candidate that fails on the way is replaced by the next in the ranking that can go on from what went out already, so
that the caller sees no piece twice. Where none can, the text starts anew, and the caller is told so. It starts anew as
well where the provider withheld the rest: what another one writes whole is better than that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from math import inf

from lightrouter.router.budget import Grant
from lightrouter.router.calls import (
    broken_off,
    completion_failed,
    completion_generation,
    empty_output,
    no_result,
    record_failure,
    record_success,
    settle_failed,
    takeover_generation,
)
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.stages.complete import cut_short, patience_s
from lightrouter.router.stages.density import Density
from lightrouter.router.stages.lastresort import last_resort
from lightrouter.router.whole import is_broken
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import Generation, GenerationChunk, GenerationResult
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FinishReason
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_TIMEOUT
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COST_CEILING, STAGE_COMPLETE


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """A text that went out.

    Attributes:
        text: The text: the pieces since the last restart, joined.
        candidates: Names of the candidates that wrote it, in the order of its parts.
        finish_reason: Why it ends.
    """

    text: str
    candidates: list[str]
    finish_reason: FinishReason.ValueType


async def stream_completion(
    route: RouteContext, models: Models, chosen: BootResult, ranked: Sequence[BootResult]
) -> StreamedAnswer:
    """Lets `chosen` finish its draft and sends it in pieces; the others of the ranking stand by.

    Raises:
        ServiceError: UNAVAILABLE with one failure a candidate where all failed.
    """
    under_way = _StreamedCompletion(
        route, models, [booted for booted in ranked if booted is not chosen], Density(ranked)
    )
    booted: BootResult | None = chosen
    while booted:
        ended = await under_way.attempt(booted)
        if ended is not None:
            return StreamedAnswer(under_way.text, under_way.writers, ended)
        booted = under_way.replacement()
    if under_way.broken:
        return under_way.give_broken()
    if under_way.unpaid and under_way.text.strip():
        message = "the cost ceiling pays for nobody who goes on with the text; it ends where the last one failed"
        route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message)
        return StreamedAnswer(under_way.text, under_way.writers, FINISH_REASON_LENGTH)
    raise route.ledger.nobody_left(route.deadline)


@dataclass(slots=True)
class _Attempt:
    """One call: what it was asked for, and what came of it."""

    candidate: RouteCandidate
    generation: Generation
    grant: Grant
    begun: float = field(default_factory=time.monotonic)
    received: list[str] = field(default_factory=list)
    restarted: bool = False
    silence_s: float = inf

    def __post_init__(self) -> None:
        self.restarted = not self.candidate.goes_on


class _StreamedCompletion:
    def __init__(self, route: RouteContext, models: Models, untried: list[BootResult], density: Density) -> None:
        self.writers: list[str] = []
        self.unpaid = False
        self.broken: StreamedAnswer | None = None
        """The first text that was withheld in part; None where none was."""
        self._pieces: list[str] = []
        self._void = False
        self._tokens = 0.0
        self._route = route
        self._models = models
        self._untried = untried
        self._density = density

    @property
    def text(self) -> str:
        """What the caller has, without what was voided."""
        return "".join(self._pieces)

    def replacement(self) -> BootResult | None:
        """Returns who comes next: the best-ranked that can go on from what went out, else the best-ranked draft.

        Where there is neither, and nothing to give to the caller, one that is left out otherwise.
        """
        if not self._untried and not self.broken:
            self._untried += map(BootResult.nothing_yet, last_resort(self._route, lambda _: True, most=1))
        if not self._untried:
            return None
        place = 0
        if self._pieces and not self._void:
            places = range(len(self._untried))
            place = min(places, key=lambda i: (self._rank_to_go_on(self._untried[i]), i))
        return self._untried.pop(place)

    @staticmethod
    def _rank_to_go_on(booted: BootResult) -> int:
        if booted.ended:
            return 1
        return 0 if booted.candidate.goes_on else 2

    async def attempt(self, booted: BootResult) -> FinishReason.ValueType | None:
        """Lets one candidate write the rest; returns why its text ended, None where it failed or cannot be paid."""
        if booted.ended:
            return self._whole(booted)
        if self._pieces and not self._void and booted.candidate.goes_on:
            return await self._take_over(booted.candidate)
        candidate, budget = booted.candidate, self._route.budget
        grant = budget.grant(booted) or (None if self._pieces else budget.grant_rest(booted))
        if grant is None:
            self.unpaid = True
            return None
        cut_short(self._route, booted, grant)
        if not grant.tokens and booted.partial.text:
            return self._whole(booted)
        if not grant.tokens:
            self._route.ledger.unpaid(candidate.name)
            return None
        if booted.goes_on:
            self._send(candidate, booted.partial.text)
        generation = completion_generation(self._route, booted, grant.tokens)
        return await self._call(_Attempt(candidate, generation, grant, silence_s=patience_s(self._route, booted)))

    async def _take_over(self, candidate: RouteCandidate) -> FinishReason.ValueType | None:
        """Lets a candidate go on from what another one wrote."""
        written = self.text
        grant = self._route.budget.grant_takeover(candidate, written, round(self._tokens))
        if grant is None:
            self.unpaid = True
            return None
        return await self._call(
            _Attempt(candidate, takeover_generation(self._route, candidate, written, grant.tokens), grant)
        )

    def _whole(self, booted: BootResult) -> FinishReason.ValueType | None:
        """Sends a draft that needs no call."""
        text, reason = booted.partial.text, booted.partial.finish_reason
        if is_broken(reason) and (self.broken or self._untried):
            self.broken = self.broken or StreamedAnswer(text, [booted.candidate.name], reason)
            return None
        self._send(booted.candidate, text, restart=bool(self._pieces))
        self._route.events.drafted(booted.candidate.name, len(text), None)
        return reason

    def give_broken(self) -> StreamedAnswer:
        """Sends the text that was withheld in part, where the caller does not have it, and returns it."""
        assert self.broken
        if self.text != self.broken.text:
            self._route.events.chunk(self.broken.text, restart=bool(self._pieces))
        return self.broken

    def _send(self, candidate: RouteCandidate, text: str, *, restart: bool = False) -> None:
        restart = restart or (self._void and bool(text))
        if restart:
            self._void = False
            self._tokens = 0.0
            self._pieces.clear()
            self.writers.clear()
        if not text and not restart:
            return
        self._pieces.append(text)
        self._tokens += self._density.of(candidate.name, text)
        if candidate.name not in self.writers:
            self.writers.append(candidate.name)
        self._route.events.chunk(text, restart=restart)

    async def _call(self, attempt: _Attempt) -> FinishReason.ValueType | None:
        try:
            result = await self._stream(attempt)
        except ServiceError as error:
            self._failed(attempt, error)
            return None
        route, candidate = self._route, attempt.candidate
        line = record_success(route, STAGE_COMPLETE, candidate, result, restarted=attempt.restarted)
        route.budget.settle(attempt.grant.reserved, line.cost_nanousd)
        text = self.text
        if not text.strip():
            nothing = empty_output(candidate)
            line.failure.CopyFrom(nothing.failure())
            completion_failed(route, candidate, nothing)
            route.events.drafted(candidate.name, 0, line)
            return None
        route.events.drafted(candidate.name, len(text), line)
        if not is_broken(result.finish_reason):
            return result.finish_reason
        broken_off(route, candidate)
        self.broken = self.broken or StreamedAnswer(text, list(self.writers), result.finish_reason)
        self._void = True
        return None

    async def _stream(self, attempt: _Attempt) -> GenerationResult:
        """Sends the pieces of one call as they come; a call that falls silent is given up while others stand by."""
        route = self._route
        pieces = self._models.stream(attempt.candidate.target, attempt.generation, route.deadline)
        try:
            async with aclosing(pieces), asyncio.timeout(self._patience(attempt)) as patience:
                async for event in pieces:
                    if event.HasField("result"):
                        return event.result
                    self._piece(attempt, event.chunk)
                    # A reader who is behind is no silence of the candidate.
                    patience.reschedule(None)
                    await route.events.room()
                    seconds = self._patience(attempt)
                    if seconds is not None:
                        patience.reschedule(asyncio.get_running_loop().time() + seconds)
        except TimeoutError:
            message = f"{attempt.candidate.name} fell silent before its draft was finished"
            raise ServiceError(Code.DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT, message) from None
        raise no_result(attempt.candidate)

    def _patience(self, attempt: _Attempt) -> float | None:
        others = self._untried or self._route.admission.standby
        share_s = self._route.deadline.remaining() * self._route.shares.complete
        return min(share_s, attempt.silence_s) if others else None

    def _piece(self, attempt: _Attempt, chunk: GenerationChunk) -> None:
        attempt.restarted |= chunk.restarted
        if not chunk.text:
            return
        # What went out before a text that is written anew is void, whether another wrote it or this one's boot did.
        restart = attempt.restarted and not attempt.received and bool(self._pieces)
        attempt.received.append(chunk.text)
        self._send(attempt.candidate, chunk.text, restart=restart)

    def _failed(self, attempt: _Attempt, error: ServiceError) -> None:
        route = self._route
        line = record_failure(
            route,
            STAGE_COMPLETE,
            attempt.candidate,
            error,
            attempt.begun,
            read=attempt.generation.prefix,
            received="".join(attempt.received),
        )
        settle_failed(route, error, attempt.grant.reserved, line)
        completion_failed(route, attempt.candidate, error)
        route.events.drafted(attempt.candidate.name, 0, line)
