"""The answers that the drafts come to vote, weighted by score. Costs no tokens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from lightrouter.aggregator.strategy import MergeInput, best_result, degradation, piece
from lightrouter.answers.equality import canonical
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.aggregator_pb2 import AggregateResponse
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy

# Sums of scores that differ by less are a tie.
_DIGITS = 9


class Vote:
    """The best draft among those that come to the winning answer is the answer."""

    async def merge(self, task: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the winning draft, then the result; the best draft where nothing can be voted on."""
        del deadline
        voters = winners(task.request.drafts, task.answers)
        if not voters:
            best = task.request.drafts[0]
            yield piece(best.text)
            yield best_result(task, best, [degradation(DegradedReason.DEGRADED_REASON_VOTE_IMPOSSIBLE, _why(task))])
            return
        yield piece(voters[0].text)
        response = best_result(task, voters[0])
        response.result.strategy = AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE
        response.result.candidates[:] = [draft.candidate for draft in voters]
        yield response


def winners(drafts: Sequence[Draft], answers: Sequence[str | None]) -> list[Draft]:
    """Returns the drafts that come to the answer with the greatest sum of scores, best-ranked first.

    A tie goes to the answer whose best draft is ranked higher. Where no voter has a score, all count alike. Empty
    where there is no answer at all.
    """
    ballots = [(draft, canonical(answer)) for draft, answer in zip(drafts, answers, strict=True) if answer is not None]
    scored = any(draft.score for draft, _ in ballots)
    weights: dict[str, float] = {}
    for draft, answer in ballots:
        weights[answer] = weights.get(answer, 0.0) + (draft.score if scored else 1.0)
    if not weights:
        return []
    # Answers stand in the order of their best drafts, and the first of equals wins.
    winner = max(weights, key=lambda answer: round(weights[answer], _DIGITS))
    return [draft for draft, answer in ballots if answer == winner]


def _why(task: MergeInput) -> str:
    if not task.request.HasField("answer_pattern"):
        return "There is no answer pattern to vote by; the answer is the best draft."
    return "The answer pattern finds no answer in any draft to vote on; the answer is the best draft."
