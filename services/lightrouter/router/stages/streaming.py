"""The completion stage for a caller that watches one candidate finish: each piece goes out as it comes.

A candidate that fails on the way is replaced by the next in the ranking that can go on from what went out already, so
that the caller sees no piece twice. Where none can, the text starts anew, and the caller is told so. It starts anew as
well where the provider withheld the rest: what another one writes whole is better than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import inf

from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.stages.complete import completion_limit_s, cut_short
from lightrouter.router.stages.density import Density
from lightrouter.router.stages.lastresort import last_resort
from lightrouter.router.whole import is_broken
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FinishReason
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_TIMEOUT
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COST_CEILING


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
        call = CandidateCall.completion(self._route, self._models, booted, grant)
        return await self._run(call, completion_limit_s(self._route, booted))

    async def _take_over(self, candidate: RouteCandidate) -> FinishReason.ValueType | None:
        """Lets a candidate go on from what another one wrote."""
        written = self.text
        grant = self._route.budget.grant_takeover(candidate, written, round(self._tokens))
        if grant is None:
            self.unpaid = True
            return None
        return await self._run(CandidateCall.takeover(self._route, self._models, candidate, written, grant), inf)

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

    async def _run(self, call: CandidateCall, silence_limit_s: float) -> FinishReason.ValueType | None:
        """Runs a call and sends its text; returns why the text ended, None if it failed or may not be whole."""
        try:
            await self._stream(call, silence_limit_s)
        except ServiceError as error:
            call.fail(error)
            return None
        text = call.end_draft()
        if text is None or not is_broken(call.finish_reason):
            return None if text is None else call.finish_reason
        self.broken = self.broken or StreamedAnswer(text, list(self.writers), call.finish_reason)
        self._void = True
        return None

    async def _stream(self, call: CandidateCall, silence_limit_s: float) -> None:
        """Sends the chunks of a call as they arrive; while others stand by, a call that falls silent is given up."""
        route = self._route
        try:
            async with aclosing(call.chunks()) as chunks, asyncio.timeout(self._limit_s(silence_limit_s)) as timeout:
                async for chunk in chunks:
                    self._send_chunk(call, chunk.text)
                    # The time for which a slow reader stops the stream is not the candidate's silence.
                    timeout.reschedule(None)
                    await route.events.room()
                    seconds = self._limit_s(silence_limit_s)
                    if seconds is not None:
                        timeout.reschedule(asyncio.get_running_loop().time() + seconds)
        except TimeoutError:
            message = f"{call.candidate.name} fell silent before its draft was finished"
            raise ServiceError(Code.DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT, message) from None

    def _limit_s(self, silence_limit_s: float) -> float | None:
        """Returns the seconds for which a call may be silent now; None if nobody stands by."""
        others = self._untried or self._route.admission.standby
        share_s = self._route.deadline.remaining() * self._route.shares.complete
        return min(share_s, silence_limit_s) if others else None

    def _send_chunk(self, call: CandidateCall, text: str) -> None:
        if text:
            # A text that is written anew voids what went out before, another candidate's text or its own boot.
            restart = not call.continues and call.chunks_received == 1 and bool(self._pieces)
            self._send(call.candidate, text, restart=restart)
