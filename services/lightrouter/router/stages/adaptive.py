"""Drafts one after the other, for as long as one more is worth its price: adaptive k."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from lightrouter.router.candidates import BootResult
from lightrouter.router.context import RankedBoots, RouteContext
from lightrouter.router.stages.complete import complete, scores_of
from lightrouter.router.stages.decide import finished_of, next_by_gain, selection_of, weighs_gains
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN, Selection

Rank = Callable[[Sequence[BootResult]], Awaitable[RankedBoots]]
"""Ranks what the candidates have written so far."""


@dataclass(frozen=True, slots=True)
class AdaptiveDrafts:
    """What came of it.

    Attributes:
        drafts: The finished drafts, best first, at least one and at most k.
        verdict: The last ranking, in which they count as finished.
        selection: That ranking, and whose drafts these are.
    """

    drafts: Sequence[Draft]
    verdict: RankedBoots
    selection: Selection


async def drafts_by_gain(
    route: RouteContext, models: Models, verdict: RankedBoots, first: BootResult, rank: Rank
) -> AdaptiveDrafts:
    """Lets `first` finish its draft, and then one after the other, each ranked anew with what is there by then.

    It ends where one more draft is expected to gain less than the policy's `min_gain` for its tokens, where k
    candidates have gone on, where the money does not reach, or where the completions' share of the time is over. Drafts
    that ended in the boot stage cost nothing, and are there from the begin.

    Raises:
        ServiceError: UNAVAILABLE with one failure a candidate where no draft came about.
    """
    policy = route.admission.policy
    until = route.deadline.share(route.shares.complete)
    going = None if first.ended else first
    by_rank = {each.candidate.name: each for each in verdict.ranked}
    for _ in range(policy.k):
        if going is None:
            break
        try:
            drafts = await complete(route, models, verdict, [going])
        except ServiceError:
            if not any(each.ended for each in verdict.ranked):
                raise
            break
        if not by_rank.keys() >= {draft.candidate for draft in drafts}:
            # All of the ranking failed: this is a last resort's, and there is nothing to compare it with.
            return AdaptiveDrafts(drafts, verdict, selection_of(verdict, [], SELECTION_REASON_GAIN))
        verdict = await rank(_with_drafts(route, verdict.ranked, drafts))
        going = None
        if weighs_gains(verdict, policy) and not until.expired:
            going = _affordable(route, next_by_gain(verdict, policy))
    finished = finished_of(verdict.ranked, policy.k)
    scores = scores_of(verdict)
    drafts = [
        Draft(
            candidate=each.candidate.name,
            text=each.partial.text,
            score=scores[each.candidate.name],
            finish_reason=each.partial.finish_reason,
        )
        for each in finished
    ]
    return AdaptiveDrafts(drafts, verdict, selection_of(verdict, finished, SELECTION_REASON_GAIN))


def _affordable(route: RouteContext, booted: BootResult | None) -> BootResult | None:
    if booted is None or (route.budget.limited and route.budget.completion_cost(booted) > route.budget.left):
        return None
    return booted


def _with_drafts(route: RouteContext, ranked: Sequence[BootResult], drafts: Sequence[Draft]) -> list[BootResult]:
    """Returns what the candidates have written now, without those that failed to go on."""
    by_name = {draft.candidate: draft for draft in drafts}
    failed = route.ledger.failures()
    found: list[BootResult] = []
    for each in ranked:
        draft = by_name.get(each.candidate.name)
        if draft is not None and not each.ended:
            partial = type(each.partial)()
            partial.CopyFrom(each.partial)
            partial.text, partial.finish_reason = draft.text, draft.finish_reason
            # A draft that was cut at the answer's limit has ended too.
            found.append(replace(each, partial=partial, used_tokens=each.candidate.output_tokens))
        elif each.ended or each.candidate.name not in failed:
            found.append(each)
    return found
