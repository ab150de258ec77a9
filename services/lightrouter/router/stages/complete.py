"""The completion stage: the chosen finish their drafts; the next in the ranking replace those that fail."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final

from lightrouter.router.budget import Grant
from lightrouter.router.calls import (
    broken_off,
    completion_failed,
    completion_generation,
    empty_output,
    record_failure,
    record_success,
    settle_failed,
)
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RankedBoots, RouteContext
from lightrouter.router.stages.lastresort import last_resort
from lightrouter.router.whole import is_broken
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerateResponse
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COST_CEILING, STAGE_COMPLETE, LedgerEntry

# How many times as long as its boot lets expect a completion is waited for while there is another draft.
_PATIENCE: Final = 2.0


async def complete(
    route: RouteContext, models: Models, verdict: RankedBoots, chosen: Sequence[BootResult]
) -> list[Draft]:
    """Returns the drafts of the chosen, or of those that took their place, in the order of the ranking.

    Drafts that ended in the boot stage cost nothing. As many drafts are sought as candidates were chosen; fewer come
    where nobody is left, where the money does not reach, or where the stage's share of the time is over. One that was
    withheld in part counts only where no other came about. Before there is none at all, those are asked that are left
    out otherwise.

    Raises:
        ServiceError: UNAVAILABLE with one failure a candidate where no draft came about.
    """
    stage = _Completion(route, models, verdict, chosen)
    await stage.fill()
    if not stage.drafts and not stage.broken:
        await stage.fill_by_last_resort()
    drafts = stage.drafts or stage.broken[:1]
    if not drafts:
        raise route.ledger.nobody_left(route.deadline)
    order = {ranked.candidate.name: place for place, ranked in enumerate(verdict.ranked)}
    return sorted(drafts, key=lambda draft: order.get(draft.candidate, len(order)))


def scores_of(verdict: RankedBoots) -> dict[str, float]:
    """Returns the score of each candidate, held within 0 to 1."""
    return {ranked.candidate: min(1.0, max(0.0, ranked.score)) for ranked in verdict.ranking.candidates}


def cut_short(route: RouteContext, booted: BootResult, grant: Grant) -> None:
    """Writes down a draft that gets fewer tokens than the request allows it."""
    if grant.tokens < booted.tokens_left:
        name = booted.candidate.name
        message = f"the cost ceiling pays for {grant.tokens} of the {booted.tokens_left} tokens that {name} might write"
        route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message, name)


def patience_s(route: RouteContext, booted: BootResult) -> float:
    """Returns the seconds that a completion may take while there is somebody else; infinite where it cannot be told."""
    return max(route.shares.grace_s, _PATIENCE * booted.seconds_left)


class _Completion:
    """The stage under way: places to fill with a draft each, and candidates in reserve.

    Attributes:
        drafts: The drafts that fill a place.
        broken: Those that were withheld in part, and fill none.
    """

    def __init__(self, route: RouteContext, models: Models, verdict: RankedBoots, chosen: Sequence[BootResult]) -> None:
        self.drafts: list[Draft] = []
        self.broken: list[Draft] = []
        self._route = route
        self._models = models
        self._chosen = chosen
        names = {booted.candidate.name for booted in chosen}
        self._reserve = deque(booted for booted in verdict.ranked if booted.candidate.name not in names)
        self._unpaid: deque[BootResult] = deque()
        self._limits: dict[str, tuple[asyncio.Timeout, float]] = {}
        self._scores = scores_of(verdict)
        self._share = route.deadline.share(route.shares.complete)

    async def fill(self) -> None:
        """Fills a place for each chosen candidate."""
        going = [(booted, grant) for booted in self._chosen if (grant := self._granted(booted))]
        if len(going) == 1:
            await self._place(*going[0])
        elif going:
            async with asyncio.TaskGroup() as group:
                for booted, grant in going:
                    group.create_task(self._place(booted, grant))
        while self._unpaid and not self.drafts:
            # None at all is worse than one that is cut short.
            booted = self._unpaid.popleft()
            if grant := self._granted(booted):
                await self._place(booted, grant)

    async def fill_by_last_resort(self) -> None:
        """Fills one place with the whole draft of a candidate that was not asked so far."""
        grants: dict[str, Grant] = {}

        def afford(candidate: RouteCandidate) -> bool:
            if grant := self._route.budget.grant(BootResult.nothing_yet(candidate)):
                grants[candidate.name] = grant
            return grant is not None

        while not self.drafts and (found := last_resort(self._route, afford, most=1)):
            await self._attempt(BootResult.nothing_yet(found[0]), grants[found[0].name])

    def _granted(self, booted: BootResult) -> Grant | None:
        """Returns leave to go on as far as the money reaches; None where there is nothing to ask for any more."""
        if booted.ended:
            self._finished(booted, booted.partial.text, booted.partial.finish_reason, None)
            return None
        grant = self._route.budget.grant(booted) or self._route.budget.grant_rest(booted)
        cut_short(self._route, booted, grant)
        if grant.tokens:
            return grant
        if booted.partial.text:
            self._finished(booted, booted.partial.text, booted.partial.finish_reason, None)
        else:
            self._route.ledger.unpaid(booted.candidate.name)
        return None

    async def _place(self, booted: BootResult, grant: Grant) -> None:
        """Fills one place, with the first candidate that does not fail; nobody is asked in place of a straggler."""
        next_one: tuple[BootResult, Grant] | None = (booted, grant)
        while next_one and not await self._attempt(*next_one):
            next_one = self._replacement()

    def _replacement(self) -> tuple[BootResult, Grant] | None:
        if self._share.expired and self.drafts:
            return None
        while self._reserve:
            booted = self._reserve.popleft()
            grant = self._route.budget.grant(booted)
            if grant:
                return booted, grant
            self._unpaid.append(booted)
        return None

    async def _attempt(self, booted: BootResult, grant: Grant) -> bool:
        if booted.ended:
            return self._finished(booted, booted.partial.text, booted.partial.finish_reason, None)
        route, candidate = self._route, booted.candidate
        begun = time.monotonic()
        try:
            response = await self._generate(booted, grant)
        except ServiceError as error:
            line = record_failure(route, STAGE_COMPLETE, candidate, error, begun)
            self._failed(booted, line, grant, error)
            # Nobody takes the place of a straggler: it would only be waited for in its turn.
            return error.reason == ERROR_REASON_STRAGGLER
        return self._delivered(booted, response, grant)

    async def _generate(self, booted: BootResult, grant: Grant) -> GenerateResponse:
        """Makes the call; once another draft is there it gets twice the time that its boot lets expect, no more."""
        route, candidate = self._route, booted.candidate
        limit_s = patience_s(route, booted)
        try:
            async with asyncio.timeout(None) as limit:
                self._limits[candidate.name] = (limit, asyncio.get_running_loop().time() + limit_s)
                self._limit()
                deadline = self._deadline()
                # The conversation is copied into the call, and not held beside it.
                return await self._models.generate(
                    candidate.target, completion_generation(route, booted, grant.tokens), deadline
                )
        except TimeoutError:
            message = f"another draft was there, and {candidate.name} took much longer than its boot let expect"
            raise ServiceError(Code.CANCELLED, ERROR_REASON_STRAGGLER, message) from None
        finally:
            self._limits.pop(candidate.name, None)

    def _limit(self) -> None:
        """Bounds the calls under way where a draft is there."""
        for limit, until in self._limits.values() if self.drafts else ():
            limit.reschedule(None if until == inf else until)

    def _delivered(self, booted: BootResult, response: GenerateResponse, grant: Grant) -> bool:
        route, candidate = self._route, booted.candidate
        text = response.text if response.restarted else booted.partial.text + response.text
        line = record_success(route, STAGE_COMPLETE, candidate, response.result, restarted=response.restarted)
        if not text.strip():
            error = empty_output(candidate)
            line.failure.CopyFrom(error.failure())
            self._failed(booted, line, grant, error)
            return False
        route.budget.settle(grant.reserved, line.cost_nanousd)
        whole = self._finished(booted, text, response.result.finish_reason, line)
        if not whole:
            broken_off(route, candidate)
        return whole

    def _failed(self, booted: BootResult, line: LedgerEntry, grant: Grant, error: ServiceError) -> None:
        settle_failed(self._route, error, grant.reserved, line)
        completion_failed(self._route, booted.candidate, error)
        self._route.events.drafted(booted.candidate.name, 0, line)

    def _finished(
        self, booted: BootResult, text: str, reason: FinishReason.ValueType, line: LedgerEntry | None
    ) -> bool:
        """Takes a draft; returns whether it fills a place."""
        name = booted.candidate.name
        score = self._scores.get(name, booted.partial.prior)
        draft = Draft(candidate=name, text=text, score=score, finish_reason=reason)
        broken = is_broken(reason)
        (self.broken if broken else self.drafts).append(draft)
        self._limit()
        self._route.events.drafted(name, len(text), line)
        return not broken

    def _deadline(self) -> Deadline:
        """Returns how long one attempt may take: all the time that is left where nothing comes after it."""
        others = len(self._chosen) > 1 or bool(self._reserve) or bool(self._route.admission.standby)
        if not others:
            return self._route.deadline
        return self._route.deadline.share(self._route.shares.complete) if self._share.expired else self._share
