"""Adaptive k: candidates finish their drafts one after the other, while one more draft is worth its price."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from lightrouter.router.candidates import BootResult
from lightrouter.router.context import BootRanking, RouteContext
from lightrouter.router.stages.complete import complete, scores_of
from lightrouter.router.stages.decide import finished_of, next_by_gain, selection_of, weighs_gains
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN, Selection

Rank = Callable[[Sequence[BootResult]], Awaitable[BootRanking]]
"""Ranks what the candidates have written so far."""


@dataclass(frozen=True, slots=True)
class AdaptiveDrafts:
    """The drafts of an adaptive completion.

    Attributes:
        drafts: The finished drafts, best first, at least one and at most k.
        ranking: The last ranking, in which these candidates count as finished.
        selection: That ranking as the caller gets it, with the candidates of the drafts.
    """

    drafts: Sequence[Draft]
    ranking: BootRanking
    selection: Selection


async def complete_by_gain(
    route: RouteContext, models: Models, ranking: BootRanking, first: BootResult, rank: Rank
) -> AdaptiveDrafts:
    """Completes the draft of `first`, then one draft after the other, and ranks all candidates anew after each.

    It ends when the gain that is expected of one more draft is below the policy's `min_gain` for its tokens, when k
    candidates have gone on, when the budget does not cover one more, or when the completion's share of the time is
    over. Drafts that ended in the boot stage cost nothing and count from the start.

    Raises:
        ServiceError: No candidate finished a draft; see `complete`.
    """
    policy = route.admission.policy
    share = route.deadline.share(route.shares.complete)
    chosen = None if first.ended else first
    names = {boot.candidate.name for boot in ranking.boots}
    for _ in range(policy.k):
        if chosen is None:
            break
        try:
            drafts = await complete(route, models, ranking, [chosen])
        except ServiceError:
            if not any(boot.ended for boot in ranking.boots):
                raise
            break
        if not names >= {draft.candidate for draft in drafts}:
            # All ranked candidates failed, and a last resort wrote this draft: there is nothing to compare it with.
            return AdaptiveDrafts(drafts, ranking, selection_of(ranking, [], SELECTION_REASON_GAIN))
        ranking = await rank(_with_drafts(route, ranking.boots, drafts))
        chosen = None
        if weighs_gains(ranking, policy) and not share.expired:
            chosen = _if_affordable(route, next_by_gain(ranking, policy))
    finished = finished_of(ranking.boots, policy.k)
    scores = scores_of(ranking)
    drafts = [
        Draft(
            candidate=boot.candidate.name,
            text=boot.partial.text,
            score=scores[boot.candidate.name],
            finish_reason=boot.partial.finish_reason,
            tool_calls=boot.partial.tool_calls,
        )
        for boot in finished
    ]
    return AdaptiveDrafts(drafts, ranking, selection_of(ranking, finished, SELECTION_REASON_GAIN))


def _if_affordable(route: RouteContext, boot: BootResult | None) -> BootResult | None:
    if boot is None or (route.budget.limited and route.budget.completion_cost(boot) > route.budget.left):
        return None
    return boot


def _with_drafts(route: RouteContext, boots: Sequence[BootResult], drafts: Sequence[Draft]) -> list[BootResult]:
    """Returns what the candidates have written by now, without those that failed to complete."""
    by_name = {draft.candidate: draft for draft in drafts}
    failed = route.ledger.failures()
    found: list[BootResult] = []
    for boot in boots:
        draft = by_name.get(boot.candidate.name)
        if draft is not None and not boot.ended:
            partial = type(boot.partial)()
            partial.CopyFrom(boot.partial)
            partial.text, partial.finish_reason = draft.text, draft.finish_reason
            del partial.tool_calls[:]
            partial.tool_calls.extend(draft.tool_calls)
            # All tokens count as used, because a draft that was cut at the answer's limit has ended too.
            found.append(replace(boot, partial=partial, used_tokens=boot.candidate.output_tokens))
        elif boot.ended or boot.candidate.name not in failed:
            found.append(boot)
    return found
