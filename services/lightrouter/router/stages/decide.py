"""The decision how many candidates go on: the policy's k, one if one suffices, fewer if the money requires it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lightrouter.router import actions
from lightrouter.router.candidates import BootResult
from lightrouter.router.context import BootRanking
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
    SELECTION_REASON_WORTH,
    Selection,
    SelectionReason,
)

Afford = Callable[[Sequence[BootResult], int], Sequence[BootResult]]
"""Takes the ranked boots and k. Returns the candidates that the budget covers, best first; never empty."""


def decide(
    ranking: BootRanking, policy: Policy, afford: Afford, *, homogeneous: bool = False
) -> tuple[Selection, Sequence[BootResult]]:
    """Returns the selection, and the chosen candidates best first: at least one, at most k.

    Args:
        ranking: The ranking.
        policy: The policy in force.
        afford: Returns the candidates that the budget covers.
        homogeneous: Whether the pool's candidates are right and wrong on the same prompts, so that merging gains
            nothing.
    """
    acting = actions.wanted(ranking.boots, policy.k)
    if policy.HasField("worth_nanousd"):
        # One finishes; whether another one is asked is decided by its whole answer.
        acting = 1, SELECTION_REASON_WORTH
    if acting is None and weighs_gains(ranking, policy) and not homogeneous:
        going = next_by_gain(ranking, policy)
        by_gain = [going] if going else finished_of(ranking.boots, policy.k)
        return selection_of(ranking, by_gain, SELECTION_REASON_GAIN), by_gain
    wanted, reason = acting or _wanted(ranking, policy, _margin(ranking))
    if acting is None and homogeneous and wanted > 1:
        wanted, reason = 1, SELECTION_REASON_HOMOGENEOUS_POOL
    chosen = afford(ranking.boots, wanted)
    if list(chosen) != list(ranking.boots[:wanted]):
        reason = SELECTION_REASON_COST_CEILING
    return selection_of(ranking, chosen, reason), chosen


def finished_of(ranked: Sequence[BootResult], k: int) -> Sequence[BootResult]:
    """Returns the first k of a ranking that have finished; if none has, the first that its provider interrupted."""
    return [boot for boot in ranked if boot.finished][:k] or [boot for boot in ranked if boot.ended][:1]


def selection_of(ranking: BootRanking, chosen: Sequence[BootResult], reason: SelectionReason.ValueType) -> Selection:
    """Returns the selection for the caller: the ranking, who goes on, and the reason for the number."""
    return Selection(
        ranking=ranking.proto,
        strategy=ranking.strategy,
        chosen=[boot.candidate.name for boot in chosen],
        reason=reason,
        margin=_margin(ranking),
    )


def weighs_gains(ranking: BootRanking, policy: Policy) -> bool:
    """Returns whether gains decide how many go on: the policy asks for it, and the selector returned them."""
    ranked = ranking.proto.candidates
    return policy.min_gain > 0 and len(ranked) > 1 and all(candidate.HasField("gain") for candidate in ranked)


def next_by_gain(ranking: BootRanking, policy: Policy) -> BootResult | None:
    """Returns the candidate whose draft has the highest gain after its price; None if no gain covers its price.

    The price is the policy's `min_gain` for each 1,000 tokens of the draft. While no draft is finished, the expected
    quality counts in place of the gain, and a candidate is always returned.
    """
    price = policy.min_gain / 1000
    pairs = list(zip(ranking.proto.candidates, ranking.boots, strict=True))
    none_yet = not any(boot.finished for _, boot in pairs)
    worth = [
        ((ranked.score if none_yet else ranked.gain) - price * _expected_tokens(ranked, boot), boot)
        for ranked, boot in pairs
        if not boot.ended
    ]
    best = max(worth, key=lambda pair: pair[0], default=None)
    return best[1] if best and (none_yet or best[0] >= 0) else None


def _expected_tokens(ranked: RankedCandidate, boot: BootResult) -> float:
    """Returns the tokens that a draft still needs: the expected number, else its limit."""
    limit = float(boot.tokens_left)
    return min(ranked.expected_tokens, limit) if ranked.HasField("expected_tokens") else limit


def _margin(ranking: BootRanking) -> float:
    scores = [ranked.score for ranked in ranking.proto.candidates[:2]]
    return scores[0] - scores[1] if len(scores) > 1 else scores[0]


def _wanted(ranking: BootRanking, policy: Policy, margin: float) -> tuple[int, SelectionReason.ValueType]:
    delivered = len(ranking.boots)
    if delivered == 1:
        return 1, SELECTION_REASON_ONLY_ONE
    if ranking.proto.agreement >= policy.agreement:
        return 1, SELECTION_REASON_AGREEMENT
    # Random scores say nothing about the answers.
    if margin >= policy.margin and ranking.strategy != SELECTOR_STRATEGY_RANDOM:
        return 1, SELECTION_REASON_MARGIN
    return min(policy.k, delivered), SELECTION_REASON_POLICY
