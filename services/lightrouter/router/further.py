"""Drafts one after the other, for as long as one more is worth its price: adaptive k."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from lightrouter.router.complete import complete, scores_of
from lightrouter.router.decide import finished_of, next_by_gain, selection_of, weighs_gains
from lightrouter.router.runner import Booted
from lightrouter.router.state import Run, Verdict
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.models import Models
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN, Selection

Rank = Callable[[Sequence[Booted]], Awaitable[Verdict]]
"""Ranks what the candidates have written so far."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """What came of it.

    Attributes:
        drafts: The finished drafts, best first, at least one and at most k.
        verdict: The last ranking, in which they count as finished.
        selection: That ranking, and whose drafts these are.
    """

    drafts: Sequence[Draft]
    verdict: Verdict
    selection: Selection


async def drafts_by_gain(run: Run, models: Models, verdict: Verdict, first: Booted, rank: Rank) -> Drafted:
    """Lets `first` finish its draft, and then one after the other, each ranked anew with what is there by then.

    It ends where one more draft is expected to gain less than the policy's `min_gain` for its tokens, where k
    candidates have gone on, where the money does not reach, or where the completions' share of the time is over. Drafts
    that ended in the boot stage cost nothing, and are there from the begin.

    Raises:
        ServiceError: UNAVAILABLE with one failure a candidate where no draft came about.
    """
    policy = run.admission.policy
    until = run.deadline.share(run.shares.complete)
    going = None if first.ended else first
    by_rank = {each.runner.name: each for each in verdict.ranked}
    for _ in range(policy.k):
        if going is None:
            break
        try:
            drafts = await complete(run, models, verdict, [going])
        except ServiceError:
            if not any(each.ended for each in verdict.ranked):
                raise
            break
        if not by_rank.keys() >= {draft.candidate for draft in drafts}:
            # All of the ranking failed: this is a last resort's, and there is nothing to compare it with.
            return Drafted(drafts, verdict, selection_of(verdict, [], SELECTION_REASON_GAIN))
        verdict = await rank(_with_drafts(run, verdict.ranked, drafts))
        going = None
        if weighs_gains(verdict, policy) and not until.expired:
            going = _affordable(run, next_by_gain(verdict, policy))
    finished = finished_of(verdict.ranked, policy.k)
    scores = scores_of(verdict)
    drafts = [
        Draft(
            candidate=each.runner.name,
            text=each.partial.text,
            score=scores[each.runner.name],
            finish_reason=each.partial.finish_reason,
        )
        for each in finished
    ]
    return Drafted(drafts, verdict, selection_of(verdict, finished, SELECTION_REASON_GAIN))


def _affordable(run: Run, booted: Booted | None) -> Booted | None:
    if booted is None or (run.budget.limited and run.budget.completion_cost(booted) > run.budget.left):
        return None
    return booted


def _with_drafts(run: Run, ranked: Sequence[Booted], drafts: Sequence[Draft]) -> list[Booted]:
    """Returns what the candidates have written now, without those that failed to go on."""
    by_name = {draft.candidate: draft for draft in drafts}
    failed = run.book.failures()
    found: list[Booted] = []
    for each in ranked:
        draft = by_name.get(each.runner.name)
        if draft is not None and not each.ended:
            partial = type(each.partial)()
            partial.CopyFrom(each.partial)
            partial.text, partial.finish_reason = draft.text, draft.finish_reason
            # A draft that was cut at the answer's limit has ended too.
            found.append(replace(each, partial=partial, used_tokens=each.runner.output_tokens))
        elif each.ended or each.runner.name not in failed:
            found.append(each)
    return found
