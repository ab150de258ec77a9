"""The complete stage: the chosen candidates finish their drafts, and the next in the ranking replace failed ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final

from lightrouter.router.budget import Grant
from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import BootRanking, RouteContext
from lightrouter.router.finish import is_interrupted
from lightrouter.router.forms import fault_of
from lightrouter.router.records import drop_held
from lightrouter.router.stages.last_resort import pick_last_resorts
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FinishReason, ToolCall
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_COMPLETION_FAILED, DEGRADED_REASON_COST_CEILING

# A choice: while there is another draft, a completion may take this many times the time that its boot predicts.
_OVERTIME_FACTOR: Final = 2.0


async def complete(
    route: RouteContext, models: Models, ranking: BootRanking, chosen: Sequence[BootResult]
) -> list[Draft]:
    """Returns the drafts of the chosen candidates, or of those that replaced them, in the order of the ranking.

    Drafts that ended in the boot stage cost nothing. There is one draft per chosen candidate, or fewer if no candidate
    is left, the budget does not cover it, or the stage's share of the time is over. A draft that its provider
    interrupted counts only if there is no other. If there is none at all, the last resorts are asked.

    Raises:
        ServiceError: No draft came about; UNAVAILABLE, DEADLINE_EXCEEDED or FAILED_PRECONDITION, with one failure a
            candidate.
    """
    drop_held(route, chosen)
    stage = _Completion(route, models, ranking, chosen)
    await stage.fill()
    if not stage.drafts and not stage.interrupted:
        await stage.fill_by_last_resort()
    drafts = stage.drafts or stage.interrupted[:1]
    if not drafts:
        raise route.ledger.nobody_left(route.deadline)
    order = {boot.candidate.name: rank for rank, boot in enumerate(ranking.boots)}
    return sorted(drafts, key=lambda draft: order.get(draft.candidate, len(order)))


def scores_of(ranking: BootRanking) -> dict[str, float]:
    """Returns the score of each candidate, clipped to 0 to 1."""
    return {ranked.candidate: min(1.0, max(0.0, ranked.score)) for ranked in ranking.proto.candidates}


def note_short_grant(route: RouteContext, boot: BootResult, grant: Grant) -> None:
    """Records a draft that gets fewer tokens than the request allows."""
    if grant.tokens < boot.tokens_left:
        name = boot.candidate.name
        message = f"the cost ceiling pays for {grant.tokens} of the {boot.tokens_left} tokens that {name} might write"
        route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message, name)


def completion_limit_s(route: RouteContext, boot: BootResult) -> float:
    """Returns the seconds that a completion may take while there is an alternative; infinite if no pace is known."""
    return max(route.shares.grace_s, _OVERTIME_FACTOR * boot.seconds_left)


class _Completion:
    """The running stage: places to fill with one draft each, and candidates in reserve.

    Attributes:
        drafts: The drafts that fill a place.
        interrupted: Drafts that their provider interrupted or that lack the request's form; they fill no place.
    """

    def __init__(self, route: RouteContext, models: Models, ranking: BootRanking, chosen: Sequence[BootResult]) -> None:
        self.drafts: list[Draft] = []
        self.interrupted: list[Draft] = []
        self._route = route
        self._models = models
        self._chosen = chosen
        names = {boot.candidate.name for boot in chosen}
        self._reserve = deque(boot for boot in ranking.boots if boot.candidate.name not in names)
        self._unaffordable: deque[BootResult] = deque()
        self._timeouts: dict[str, tuple[asyncio.Timeout, float]] = {}
        self._scores = scores_of(ranking)
        self._share = route.deadline.share(route.shares.complete)

    async def fill(self) -> None:
        """Fills a place for each chosen candidate."""
        # A grant is for the boot's call as it stands now, so the call is taken before that can end.
        calls = [(boot, self._call(boot, grant)) for boot in self._chosen if (grant := self._grant(boot))]
        if len(calls) == 1:
            await self._fill_place(*calls[0])
        elif calls:
            async with asyncio.TaskGroup() as group:
                for boot, call in calls:
                    group.create_task(self._fill_place(boot, call))
        while self._unaffordable and not self.drafts:
            # A draft that is cut short is better than none.
            boot = self._unaffordable.popleft()
            if grant := self._grant(boot):
                await self._fill_place(boot, self._call(boot, grant))

    async def fill_by_last_resort(self) -> None:
        """Fills one place with the whole draft of a last resort."""
        grants: dict[str, Grant] = {}

        def reserve(candidate: RouteCandidate) -> bool:
            if grant := self._route.budget.grant(BootResult.empty(candidate)):
                grants[candidate.name] = grant
            return grant is not None

        while not self.drafts and (picked := pick_last_resorts(self._route, reserve, limit=1)):
            boot = BootResult.empty(picked[0])
            await self._attempt(boot, self._call(boot, grants[picked[0].name]))

    def _call(self, boot: BootResult, grant: Grant) -> CandidateCall:
        return CandidateCall.completion(self._route, self._models, boot, grant)

    def _grant(self, boot: BootResult) -> Grant | None:
        """Returns a grant as large as the budget covers; None if there is no token left to ask for."""
        if boot.ended:
            self._add_without_call(boot)
            return None
        grant = self._route.budget.grant(boot)
        if grant is None:
            # A part of the draft is paid for by a second call, which ends there.
            drop_held(self._route, [other for other in self._chosen if other is not boot])
            grant = self._route.budget.grant(boot) or self._route.budget.grant_rest(boot)
        note_short_grant(self._route, boot, grant)
        if grant.tokens:
            return grant
        if not boot.is_blank:
            self._add_without_call(boot)
        else:
            self._route.ledger.add_unpaid(boot.candidate.name)
        return None

    async def _fill_place(self, boot: BootResult, call: CandidateCall) -> None:
        """Fills one place with the first candidate that does not fail."""
        attempt: tuple[BootResult, CandidateCall | None] | None = (boot, call)
        while attempt and not await self._attempt(*attempt):
            attempt = self._replacement()

    def _replacement(self) -> tuple[BootResult, CandidateCall | None] | None:
        """Returns the next candidate and its call, None if its draft is finished; None if there is no candidate."""
        if self._share.expired and self.drafts:
            return None
        while self._reserve:
            boot = self._reserve.popleft()
            grant = self._route.budget.grant(boot)
            if grant:
                return boot, None if boot.ended else self._call(boot, grant)
            self._unaffordable.append(boot)
        return None

    async def _attempt(self, boot: BootResult, call: CandidateCall | None) -> bool:
        """Lets one candidate finish its draft; returns whether its place needs no replacement."""
        if call is None:
            return self._add_without_call(boot)
        try:
            await self._generate(call, completion_limit_s(self._route, boot))
        except ServiceError as error:
            call.fail(error)
            # A straggler is not replaced: the caller would have to wait for the replacement too.
            return error.reason == ERROR_REASON_STRAGGLER
        text = call.end_draft()
        if text is None:
            return False
        fault = await fault_of(self._route, text, call.calls)
        return self._add(boot, text, call.finish_reason, call.calls, fault)

    async def _generate(self, call: CandidateCall, limit_s: float) -> None:
        """Runs the call; once there is another draft, the call has at most `limit_s` seconds in all."""
        name = call.candidate.name
        try:
            async with asyncio.timeout(None) as timeout:
                self._timeouts[name] = (timeout, asyncio.get_running_loop().time() + limit_s)
                self._bound_calls()
                await call.generate(self._deadline())
        except TimeoutError:
            message = f"another draft was there, and {name} took much longer than its boot predicts"
            raise ServiceError(Code.CANCELLED, ERROR_REASON_STRAGGLER, message) from None
        finally:
            self._timeouts.pop(name, None)

    def _bound_calls(self) -> None:
        """Sets the time limits of the running calls if there is a draft."""
        for timeout, ends_at in self._timeouts.values() if self.drafts else ():
            timeout.reschedule(None if ends_at == inf else ends_at)

    def _add_without_call(self, boot: BootResult) -> bool:
        """Adds the boot text as a draft; returns whether it fills a place."""
        self._route.events.drafted(boot.candidate.name, len(boot.partial.text), None)
        partial, form = boot.partial, self._route.admission.form
        # What takes longer is checked with all drafts.
        fault = (form.quick_fault(partial.text, partial.tool_calls) or "") if form else ""
        return self._add(boot, partial.text, partial.finish_reason, partial.tool_calls, fault)

    def _add(
        self,
        boot: BootResult,
        text: str,
        reason: FinishReason.ValueType,
        calls: Sequence[ToolCall],
        fault: str,
    ) -> bool:
        """Adds a draft; returns whether it fills a place: not if its provider interrupted it or it has a fault."""
        name = boot.candidate.name
        score = self._scores.get(name, boot.partial.prior)
        draft = Draft(candidate=name, text=text, score=score, finish_reason=reason, tool_calls=calls)
        interrupted = is_interrupted(reason) or bool(fault)
        if fault:
            self._route.ledger.drop(DEGRADED_REASON_COMPLETION_FAILED, f"the draft of {name} {fault}", name)
        (self.interrupted if interrupted else self.drafts).append(draft)
        self._bound_calls()
        return not interrupted

    def _deadline(self) -> Deadline:
        """Returns the deadline of one attempt: the caller's own if nobody could be asked after it."""
        if not (len(self._chosen) > 1 or self._reserve or self._route.admission.standby):
            return self._route.deadline
        return self._route.deadline.share(self._route.shares.complete) if self._share.expired else self._share
