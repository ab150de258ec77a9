"""The decision which boot calls are held open until the choice, and how much each may write meanwhile.

Holding a call costs the tokens that the candidate writes after its checkpoint, if it is not chosen then. Cutting it
costs the prompt once more, if it is chosen. Each candidate takes the way that is expected to cost less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from lightrouter.router.call_times import CallTimes
from lightrouter.router.candidates import RouteCandidate
from lightrouter.v1.policy_pb2 import HOLD_ALWAYS, HOLD_AUTO, Policy

# A choice: this many tokens may be lost whatever they cost, because a second call takes a second time to first token.
# A model writes them in about half a second.
_TOKENS_FOR_TIME: Final = 32


def with_boots_that_decide(candidates: Sequence[RouteCandidate], policy: Policy) -> list[RouteCandidate]:
    """Returns the candidates that may boot, without the boots after which there is nothing to decide.

    With one candidate there is nothing to compare, so its call goes on as soon as it has begun. A boot that would be
    half of the answer or more is the whole answer. A policy that forces a way to boot is obeyed.
    """
    if len(candidates) == 1:
        return [_undivided(candidates[0], policy)]
    if policy.hold == HOLD_ALWAYS:
        return list(candidates)
    return [
        replace(each, boot_tokens=each.output_tokens) if each.output_tokens <= 2 * each.boot_tokens else each
        for each in candidates
    ]


def with_held_tokens(
    candidates: Sequence[RouteCandidate], policy: Policy, prompt_tokens: int, times: CallTimes
) -> list[RouteCandidate]:
    """Returns the candidates with the tokens that their boot calls may write while they are held; 0 cuts the call.

    Args:
        candidates: The candidates that may boot.
        policy: The policy in force.
        prompt_tokens: Estimated tokens of the conversation.
        times: The observed times of calls.
    """
    usual = usual_chance(policy, len(candidates))
    held: list[RouteCandidate] = []
    for candidate in candidates:
        rest = candidate.output_tokens - candidate.boot_tokens
        tokens = 0
        if policy.hold == HOLD_ALWAYS or (policy.hold == HOLD_AUTO and (not candidate.resumes or len(candidates) == 1)):
            tokens = rest
        elif policy.hold == HOLD_AUTO:
            cached = times.cached_share(candidate.name)
            worth = _break_even(candidate, prompt_tokens, times.chance(candidate.name, usual), cached)
            expected = times.overshoot_tokens(candidate.name, policy.selector)
            tokens = round(min(worth, rest)) if expected <= worth else 0
        held.append(replace(candidate, held_tokens=tokens))
    return held


def _undivided(candidate: RouteCandidate, policy: Policy) -> RouteCandidate:
    if policy.hold in {HOLD_ALWAYS, HOLD_AUTO}:
        return replace(candidate, boot_tokens=1)
    return candidate if candidate.can_continue else replace(candidate, boot_tokens=candidate.output_tokens)


def usual_chance(policy: Policy, candidates: int) -> float:
    """Returns the share of the candidates that boot, 0 to 1, that the policy lets go on: under worth, one of them."""
    if policy.HasField("worth_nanousd"):
        return 1 / max(1, candidates)
    booting = min(policy.shortlist or candidates, candidates)
    return min(1.0, policy.k / max(1, booting))


def _break_even(candidate: RouteCandidate, prompt_tokens: int, going_on: float, cached: float) -> float:
    """Returns the tokens after the checkpoint whose expected loss is the expected price of a second call.

    Args:
        candidate: The candidate.
        prompt_tokens: Estimated tokens of the conversation.
        going_on: Probability that the candidate goes on.
        cached: Share of the prompt that a second call finds in the provider's cache.
    """
    prices = candidate.spec.prices
    per_token = cached * prices.cached_input_nanousd_per_million + (1 - cached) * prices.input_nanousd_per_million
    again = (prompt_tokens + candidate.spec.fixed_input_tokens) * per_token
    if not candidate.can_continue:
        # It writes its boot tokens once more, too.
        again += candidate.boot_tokens * prices.output_nanousd_per_million
    lost = (1 - going_on) * prices.output_nanousd_per_million
    return max(_TOKENS_FOR_TIME, going_on * again / lost) if lost else float(candidate.output_tokens)
