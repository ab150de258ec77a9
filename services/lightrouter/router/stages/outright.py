"""The stage of a route under worth: one candidate writes its whole answer, then one more while that is worth its cost.

The first answer is that of a candidate that is asked outright, or of the one that began best if several have booted.
A caller that watches gets the first answer as it is written. If another one is given in the end, its text starts with
`restart`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Final

from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import BootRanking, RouteContext
from lightrouter.router.stages.complete import complete, scores_of
from lightrouter.router.stages.decide import finished_of, selection_of
from lightrouter.router.stages.explain import further, instead, why_not
from lightrouter.router.stages.plan import Plan, Step, affordable_first, is_affordable, pays, steps_of
from lightrouter.router.stages.select import prior
from lightrouter.router.stages.streaming import StreamedAnswer, stream_completion
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import MOST_NANOUSD
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import NOT_ASKED_REASON_WORTH
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_ONLY_ONE,
    SELECTION_REASON_POLICY,
    SELECTION_REASON_TIME,
    SELECTION_REASON_UNSPECIFIED,
    SELECTION_REASON_WORTH,
    Selection,
    SelectionReason,
)

# A choice: with an answer at hand, one more call may take this many times the time that its candidate's pace predicts.
_OVERTIME_FACTOR: Final = 2.0


class Outright:
    """The answers of the candidates that are asked one after the other.

    Attributes:
        answers: The whole answers so far, in the order in which they came.
        streamed: The answer that the caller got as it was written; None if it got none.
        ranking: The last ranking of the answers.
        selection: That ranking as the caller gets it, with the candidate that is asked next, if there is one.
    """

    ranking: BootRanking
    selection: Selection

    def __init__(self, route: RouteContext, models: Models, planned: Plan) -> None:
        """Starts with no answer; the plan has at least one step."""
        steps = planned.steps
        self.answers: list[BootResult] = []
        self.streamed: StreamedAnswer | None = None
        self._route = route
        self._models = models
        self._steps = affordable_first(route, steps)
        self._boots = {step.candidate.name: step for step in planned.boots}
        self._left = {step.candidate.name: step.candidate for step in steps}
        self._share = route.deadline.share(route.shares.complete)
        self._taken: list[Step] = []

    @property
    def unasked(self) -> list[RouteCandidate]:
        """The candidates among which the next one is chosen; none if no further one may be asked."""
        policy = self._route.admission.policy
        single = self.streamed is None or len(self.streamed.candidates) == 1
        # At a worth of 0, no further answer is worth its cost.
        may = single and policy.worth_nanousd and len(self.answers) < policy.k and not self._share.expired
        return list(self._left.values()) if may else []

    async def ask_first(self) -> None:
        """Asks the most valuable candidate; if it fails, the next one.

        Raises:
            ServiceError: All candidates failed; UNAVAILABLE, DEADLINE_EXCEEDED or FAILED_PRECONDITION, with one failure
                a candidate.
        """
        order = [BootResult.empty(step.candidate) for step in self._steps]
        await self.finish(replace(prior(order), boots=tuple(order)), order[0])

    async def finish(self, ranking: BootRanking, chosen: BootResult) -> None:
        """Lets a candidate of a ranking finish its answer; if it fails, the next one. The held calls of others end.

        Raises:
            ServiceError: All candidates failed; see `ask_first`.
        """
        route = self._route
        if route.events.wants_text:
            self.streamed = await stream_completion(route, self._models, chosen, ranking.boots)
            name, text, reason = self.streamed.candidates[-1], self.streamed.text, self.streamed.finish_reason
        else:
            draft = (await complete(route, self._models, ranking, [chosen]))[0]
            name, text, reason = draft.candidate, draft.text, draft.finish_reason
        for tried in (name, *route.ledger.failures()):
            self._left.pop(tried, None)
        steps = [*self._boots.values(), *self._steps]
        self._taken += [step for step in steps if step.candidate.name == name][:1]
        known = {each.name: each for each in (*route.admission.candidates, *route.admission.standby)}
        self.answers.append(_answered(known[name], text, reason))

    async def ask(self, step: Step) -> None:
        """Asks one more candidate. If it fails, it is out, and the step was not taken."""
        route, boot = self._route, BootResult.empty(self._left.pop(step.candidate.name))
        grant = route.budget.grant(boot)
        if grant is None:
            return
        call = CandidateCall.completion(route, self._models, boot, grant)
        try:
            await self._generate(call)
        except ServiceError as error:
            call.fail(error)
            return
        text = call.end_draft()
        if text is not None:
            self._taken.append(step)
            self.answers.append(_answered(step.candidate, text, call.finish_reason))

    def decide(self, ranking: BootRanking) -> Step | None:
        """Takes the ranking of the answers, and returns the most valuable further step; None if none is to be taken."""
        policy = self._route.admission.policy
        offered = steps_of(list(self._left.values()), ranking.unasked)
        valuable = [step for step in offered if pays(step.value.net_value)]
        step = next((each for each in valuable if is_affordable(self._route, each)), None)
        finished = finished_of(ranking.boots, policy.k)
        goes_on = [BootResult.empty(step.candidate)] if step else []
        reason = SELECTION_REASON_WORTH if step else self._reason(offered, valuable)
        selection = selection_of(ranking, [*finished, *goes_on], reason)
        if ranking.expected_quality is not None:
            selection.expected_quality = ranking.expected_quality
        selection.expected_cost_nanousd = min(sum(each.value.cost_nanousd for each in self._taken), MOST_NANOUSD)
        # A candidate that failed was no alternative.
        out = set(self._route.ledger.failures())
        if not self._boots:
            out.update(each.candidate.name for each in self._taken[:1])
        other = next((each for each in self._steps if each.candidate.name not in out), None)
        if other and self._taken:
            selection.instead.CopyFrom(instead(other, self._taken[0]))
        if offered and not step:
            selection.further.CopyFrom(further(offered[0], policy.worth_nanousd))
        self.ranking, self.selection = ranking, selection
        return step

    def drafts(self) -> list[Draft]:
        """Returns the whole answers, best first, and records the candidates that were not asked."""
        for name in self._left.keys() - self._boots.keys():
            message = f"{name} was not asked: {why_not(self.selection)}"
            self._route.ledger.add_not_asked(name, NOT_ASKED_REASON_WORTH, message)
        scores = scores_of(self.ranking)
        return [
            Draft(
                candidate=boot.candidate.name,
                text=boot.partial.text,
                score=scores[boot.candidate.name],
                finish_reason=boot.partial.finish_reason,
            )
            for boot in finished_of(self.ranking.boots, self._route.admission.policy.k)
        ]

    def _reason(self, offered: Sequence[Step], valuable: Sequence[Step]) -> SelectionReason.ValueType:
        """Returns why no further step is taken."""
        policy = self._route.admission.policy
        if valuable:
            return SELECTION_REASON_COST_CEILING
        if offered or not policy.worth_nanousd:
            return SELECTION_REASON_WORTH
        if not self._left:
            return SELECTION_REASON_ONLY_ONE if len(self.answers) == 1 else SELECTION_REASON_POLICY
        if len(self.answers) >= policy.k:
            return SELECTION_REASON_POLICY
        return SELECTION_REASON_TIME if self._share.expired else SELECTION_REASON_UNSPECIFIED

    async def _generate(self, call: CandidateCall) -> None:
        """Runs the call, for no longer than its candidate's pace and the stage's share of the time allow."""
        candidate = call.candidate
        expected_s = self._route.times.seconds_for(candidate.name, candidate.output_tokens)
        limit_s = max(self._route.shares.grace_s, _OVERTIME_FACTOR * expected_s)
        try:
            async with asyncio.timeout(None if limit_s == inf else limit_s):
                await call.generate(self._share)
        except TimeoutError:
            message = f"an answer was there, and {candidate.name} took much longer than its pace predicts"
            raise ServiceError(Code.CANCELLED, ERROR_REASON_STRAGGLER, message) from None


def _answered(candidate: RouteCandidate, text: str, reason: FinishReason.ValueType) -> BootResult:
    """Returns a whole answer. All tokens count as used: one that was cut at its limit has ended too."""
    boot = BootResult.empty(candidate)
    boot.partial.text, boot.partial.finish_reason = text, reason
    boot.partial.evaluated_prompts, boot.partial.model = candidate.quality.prompts, candidate.spec.model
    return BootResult(candidate, boot.partial, b"", used_tokens=candidate.output_tokens)
