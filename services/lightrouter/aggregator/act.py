"""Drafts that call tools: the answer is the best-ranked draft with the action that most drafts want."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lightrouter.aggregator.strategy import MergeInput, best_result, degradation
from lightrouter.answers.actions import action, vote
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.toolcalls import pieces_of
from lightrouter.v1.aggregator_pb2 import AggregateResponse, AnswerChunk
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy


class Act:
    """Votes on the actions, whatever strategy is asked for: actions are never written anew."""

    async def merge(self, merge_input: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the draft with the winning action, then the result; a dispute is a degradation."""
        del deadline
        drafts = merge_input.request.drafts
        actions = [action(draft.tool_calls) for draft in drafts]
        chosen, agreed = vote(actions)
        voters = [draft for draft, wants in zip(drafts, actions, strict=True) if wants == chosen]
        message = "The drafts want different actions, and no action has the most votes; the answer is the best draft."
        dispute = degradation(DegradedReason.DEGRADED_REASON_ACTION_DISPUTED, message)
        best = voters[0]
        yield AggregateResponse(chunk=AnswerChunk(text=best.text, tool_calls=pieces_of(best.tool_calls)))
        response = best_result(merge_input, best, [] if agreed else [dispute])
        if len(voters) > 1:
            response.result.strategy = AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE
        yield response
