"""The completion stage: the chosen finish their drafts; the next in the ranking replace those that fail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final

from lightrouter.router.budget import Grant
from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RankedBoots, RouteContext
from lightrouter.router.stages.lastresort import last_resort
from lightrouter.router.whole import is_broken
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COST_CEILING

# How many times as long as its boot lets expect a completion is waited for while there is another draft.
_OVERTIME_FACTOR: Final = 2.0


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


def completion_limit_s(route: RouteContext, booted: BootResult) -> float:
    """Returns the seconds that a completion may take while there is somebody else; infinite where it cannot be told."""
    return max(route.shares.grace_s, _OVERTIME_FACTOR * booted.seconds_left)


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
        self._timeouts: dict[str, tuple[asyncio.Timeout, float]] = {}
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
            self._add_without_call(booted)
            return None
        grant = self._route.budget.grant(booted) or self._route.budget.grant_rest(booted)
        cut_short(self._route, booted, grant)
        if grant.tokens:
            return grant
        if booted.partial.text:
            self._add_without_call(booted)
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
        """Lets one candidate finish its draft; returns whether its place needs no replacement."""
        if booted.ended:
            return self._add_without_call(booted)
        call = CandidateCall.completion(self._route, self._models, booted, grant)
        try:
            await self._generate(call, completion_limit_s(self._route, booted))
        except ServiceError as error:
            call.fail(error)
            # A straggler is not replaced: the caller would have to wait for the replacement too.
            return error.reason == ERROR_REASON_STRAGGLER
        text = call.end_draft()
        return text is not None and self._add(booted, text, call.finish_reason)

    async def _generate(self, call: CandidateCall, limit_s: float) -> None:
        """Runs the call; once there is another draft, the call has at most `limit_s` seconds in all."""
        name = call.candidate.name
        try:
            async with asyncio.timeout(None) as timeout:
                self._timeouts[name] = (timeout, asyncio.get_running_loop().time() + limit_s)
                self._bound_calls()
                await call.generate(self._deadline())
        except TimeoutError:
            message = f"another draft was there, and {name} took much longer than its boot let expect"
            raise ServiceError(Code.CANCELLED, ERROR_REASON_STRAGGLER, message) from None
        finally:
            self._timeouts.pop(name, None)

    def _bound_calls(self) -> None:
        """Sets the time limits of the running calls if there is a draft."""
        for timeout, ends_at in self._timeouts.values() if self.drafts else ():
            timeout.reschedule(None if ends_at == inf else ends_at)

    def _add_without_call(self, booted: BootResult) -> bool:
        """Adds the boot text as a draft; returns whether it fills a place."""
        self._route.events.drafted(booted.candidate.name, len(booted.partial.text), None)
        return self._add(booted, booted.partial.text, booted.partial.finish_reason)

    def _add(self, booted: BootResult, text: str, reason: FinishReason.ValueType) -> bool:
        """Adds a draft; returns whether it fills a place."""
        name = booted.candidate.name
        score = self._scores.get(name, booted.partial.prior)
        draft = Draft(candidate=name, text=text, score=score, finish_reason=reason)
        broken = is_broken(reason)
        (self.broken if broken else self.drafts).append(draft)
        self._bound_calls()
        return not broken

    def _deadline(self) -> Deadline:
        """Returns how long one attempt may take: all the time that is left where nothing comes after it."""
        others = len(self._chosen) > 1 or bool(self._reserve) or bool(self._route.admission.standby)
        if not others:
            return self._route.deadline
        return self._route.deadline.share(self._route.shares.complete) if self._share.expired else self._share
