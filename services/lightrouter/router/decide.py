"""How many go on: the policy's k, or one where one suffices, or fewer where the money does not reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lightrouter.router.runner import Booted
from lightrouter.router.state import Verdict
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_RANDOM, Policy
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_AGREEMENT,
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_HOMOGENEOUS_POOL,
    SELECTION_REASON_MARGIN,
    SELECTION_REASON_ONLY_ONE,
    SELECTION_REASON_POLICY,
    Selection,
    SelectionReason,
)

Afford = Callable[[Sequence[Booted], int], Sequence[Booted]]
"""Returns whom of the ranking, best first, the money lets go on where so many are wanted: at least one of them."""


def decide(
    verdict: Verdict, policy: Policy, afford: Afford, *, homogeneous: bool = False
) -> tuple[Selection, Sequence[Booted]]:
    """Returns the selection, and the chosen candidates best first: at least one, at most k.

    Args:
        verdict: The ranking.
        policy: The policy in force.
        afford: Who of the ranking can be paid for.
        homogeneous: Whether the pool's candidates are right and wrong together, so that merging would buy nothing.
    """
    margin = _margin(verdict)
    wanted, reason = _wanted(verdict, policy, margin)
    if homogeneous and wanted > 1:
        wanted, reason = 1, SELECTION_REASON_HOMOGENEOUS_POOL
    chosen = afford(verdict.ranked, wanted)
    if list(chosen) != list(verdict.ranked[:wanted]):
        reason = SELECTION_REASON_COST_CEILING
    selection = Selection(
        ranking=verdict.ranking,
        strategy=verdict.strategy,
        chosen=[booted.runner.name for booted in chosen],
        reason=reason,
        margin=margin,
    )
    return selection, chosen


def _margin(verdict: Verdict) -> float:
    scores = [ranked.score for ranked in verdict.ranking.candidates[:2]]
    return scores[0] - scores[1] if len(scores) > 1 else scores[0]


def _wanted(verdict: Verdict, policy: Policy, margin: float) -> tuple[int, SelectionReason.ValueType]:
    delivered = len(verdict.ranked)
    if delivered == 1:
        return 1, SELECTION_REASON_ONLY_ONE
    if verdict.ranking.agreement >= policy.agreement:
        return 1, SELECTION_REASON_AGREEMENT
    # A lead by chance says nothing of the answers.
    if margin >= policy.margin and verdict.strategy != SELECTOR_STRATEGY_RANDOM:
        return 1, SELECTION_REASON_MARGIN
    return min(policy.k, delivered), SELECTION_REASON_POLICY
