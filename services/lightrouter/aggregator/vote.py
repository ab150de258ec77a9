"""Takes the answer with the most votes, weighted by score. Costs no tokens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from lightrouter.aggregator.strategy import MergeInput, best_result, degradation, piece
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.aggregator_pb2 import AggregateResponse
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy

# A choice: sums of scores that are equal in this many decimals are a tie, whatever the rounding of their addition.
_DIGITS = 9


class Vote:
    """The answer is the best-ranked draft that gives the winning answer."""

    async def merge(self, merge_input: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the winning draft, then the result; the best draft if no draft shows an answer."""
        del deadline
        voters = winners(merge_input.request.drafts, merge_input.answers)
        if not voters:
            best = merge_input.request.drafts[0]
            yield piece(best.text)
            yield best_result(
                merge_input, best, [degradation(DegradedReason.DEGRADED_REASON_VOTE_IMPOSSIBLE, _why(merge_input))]
            )
            return
        yield piece(voters[0].text)
        response = best_result(merge_input, voters[0])
        response.result.strategy = AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE
        response.result.candidates[:] = [draft.candidate for draft in voters]
        yield response


def winners(drafts: Sequence[Draft], answers: Sequence[str | None]) -> list[Draft]:
    """Returns the drafts that give the answer with the greatest sum of scores, best-ranked first.

    `answers` are in their canonical form. A tie goes to the answer whose best draft ranks higher. If no voter has a
    score, each counts 1. The list is empty if no draft shows an answer.
    """
    ballots = [(draft, answer) for draft, answer in zip(drafts, answers, strict=True) if answer is not None]
    scored = any(draft.score for draft, _ in ballots)
    weights: dict[str, float] = {}
    for draft, answer in ballots:
        weights[answer] = weights.get(answer, 0.0) + (draft.score if scored else 1.0)
    if not weights:
        return []
    # Answers are in the order of their best drafts, and `max` takes the first of equals.
    winner = max(weights, key=lambda answer: round(weights[answer], _DIGITS))
    return [draft for draft, answer in ballots if answer == winner]


def _why(merge_input: MergeInput) -> str:
    if not merge_input.request.HasField("answer_pattern"):
        return "There is no answer pattern to vote by; the answer is the best draft."
    return "The answer pattern finds no answer in any draft to vote on; the answer is the best draft."
