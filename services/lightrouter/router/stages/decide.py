"""How many go on: the policy's k, or one where one suffices, or fewer where the money does not reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lightrouter.router.candidates import BootResult
from lightrouter.router.context import RankedBoots
from lightrouter.v1.candidate_pb2 import RankedCandidate
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_RANDOM, Policy
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_AGREEMENT,
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_GAIN,
    SELECTION_REASON_HOMOGENEOUS_POOL,
    SELECTION_REASON_MARGIN,
    SELECTION_REASON_ONLY_ONE,
    SELECTION_REASON_POLICY,
    Selection,
    SelectionReason,
)

Afford = Callable[[Sequence[BootResult], int], Sequence[BootResult]]
"""Returns whom of the ranking, best first, the money lets go on where so many are wanted: at least one of them."""


def decide(
    verdict: RankedBoots, policy: Policy, afford: Afford, *, homogeneous: bool = False
) -> tuple[Selection, Sequence[BootResult]]:
    """Returns the selection, and the chosen candidates best first: at least one, at most k.

    Args:
        verdict: The ranking.
        policy: The policy in force.
        afford: Who of the ranking can be paid for.
        homogeneous: Whether the pool's candidates are right and wrong together, so that merging would buy nothing.
    """
    if weighs_gains(verdict, policy) and not homogeneous:
        going = next_by_gain(verdict, policy)
        by_gain = [going] if going else finished_of(verdict.ranked, policy.k)
        return selection_of(verdict, by_gain, SELECTION_REASON_GAIN), by_gain
    wanted, reason = _wanted(verdict, policy, _margin(verdict))
    if homogeneous and wanted > 1:
        wanted, reason = 1, SELECTION_REASON_HOMOGENEOUS_POOL
    chosen = afford(verdict.ranked, wanted)
    if list(chosen) != list(verdict.ranked[:wanted]):
        reason = SELECTION_REASON_COST_CEILING
    return selection_of(verdict, chosen, reason), chosen


def finished_of(ranked: Sequence[BootResult], k: int) -> Sequence[BootResult]:
    """Returns the first k of a ranking that have finished their drafts; one that was withheld in part only alone."""
    return [booted for booted in ranked if booted.finished][:k] or [booted for booted in ranked if booted.ended][:1]


def selection_of(verdict: RankedBoots, chosen: Sequence[BootResult], reason: SelectionReason.ValueType) -> Selection:
    """Returns the ranking with who goes on, and why so many."""
    return Selection(
        ranking=verdict.ranking,
        strategy=verdict.strategy,
        chosen=[booted.candidate.name for booted in chosen],
        reason=reason,
        margin=_margin(verdict),
    )


def weighs_gains(verdict: RankedBoots, policy: Policy) -> bool:
    """Tells whether gains decide how many go on: the policy asks for it, and whoever ranked knows them."""
    ranked = verdict.ranking.candidates
    return policy.min_gain > 0 and len(ranked) > 1 and all(each.HasField("gain") for each in ranked)


def next_by_gain(verdict: RankedBoots, policy: Policy) -> BootResult | None:
    """Returns the candidate whose draft is worth most beyond its price; None where no further one is worth its price.

    The price is the policy's `min_gain` for each 1,000 tokens that the draft takes. While no draft is finished the
    expected quality counts, so that there is one in any case.
    """
    price = policy.min_gain / 1000
    ranked = list(zip(verdict.ranking.candidates, verdict.ranked, strict=True))
    none_yet = not any(booted.finished for _, booted in ranked)
    worth = [
        ((each.score if none_yet else each.gain) - price * _tokens(each, booted), booted)
        for each, booted in ranked
        if not booted.ended
    ]
    best = max(worth, key=lambda pair: pair[0], default=None)
    return best[1] if best and (none_yet or best[0] >= 0) else None


def _tokens(ranked: RankedCandidate, booted: BootResult) -> float:
    """Returns how many tokens a draft still takes: as expected, else the most that it may."""
    most = float(booted.tokens_left)
    return min(ranked.expected_tokens, most) if ranked.HasField("expected_tokens") else most


def _margin(verdict: RankedBoots) -> float:
    scores = [ranked.score for ranked in verdict.ranking.candidates[:2]]
    return scores[0] - scores[1] if len(scores) > 1 else scores[0]


def _wanted(verdict: RankedBoots, policy: Policy, margin: float) -> tuple[int, SelectionReason.ValueType]:
    delivered = len(verdict.ranked)
    if delivered == 1:
        return 1, SELECTION_REASON_ONLY_ONE
    if verdict.ranking.agreement >= policy.agreement:
        return 1, SELECTION_REASON_AGREEMENT
    # A lead by chance says nothing of the answers.
    if margin >= policy.margin and verdict.strategy != SELECTOR_STRATEGY_RANDOM:
        return 1, SELECTION_REASON_MARGIN
    return min(policy.k, delivered), SELECTION_REASON_POLICY
