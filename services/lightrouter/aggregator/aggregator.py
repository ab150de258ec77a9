"""Aggregates: drafts that agree need no merging, others are merged by one strategy."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from lightrouter.aggregator.best import Best
from lightrouter.aggregator.strategy import Strategy, Task
from lightrouter.answers.agreement import pairwise
from lightrouter.answers.contradictions import contradictions
from lightrouter.answers.extract import canonical, check, extract
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import invalid
from lightrouter.runtime.labels import label
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.policy_pb2 import AggregatorStrategy


class Aggregator:
    """Merges drafts by the strategy that a request asks for."""

    def __init__(
        self,
        strategies: Mapping[AggregatorStrategy.ValueType, Strategy],
        default: AggregatorStrategy.ValueType,
        agreement: float,
    ) -> None:
        """Merges by `default` where a request does not say; drafts as alike as `agreement`, 0 to 1, agree."""
        self._strategies = strategies
        self._default = default
        self._agreement = agreement
        self._best = Best()

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then the result. Closing it cancels every model call.

        Raises:
            ServiceError: INVALID_ARGUMENT for two drafts of one candidate, a pattern that RE2 refuses, or a strategy
                that this aggregator does not have.
        """
        asked = request.strategy or self._default
        strategy = self._strategies.get(asked)
        if strategy is None:
            raise invalid("strategy", f"{label(AggregatorStrategy, asked)} is not a strategy of this aggregator")
        _refuse_repeated(request.drafts)
        answers = _answers(request)
        if self._agree(request.drafts, answers):
            strategy, found = self._best, []
        else:
            pattern = request.answer_pattern if request.HasField("answer_pattern") else None
            found = contradictions([draft.text for draft in request.drafts], pattern)
        async with aclosing(strategy.merge(Task(request, answers, found), deadline)) as events:
            async for event in events:
                yield event

    def _agree(self, drafts: Sequence[Draft], answers: Sequence[str | None]) -> bool:
        """Tells whether all drafts come to the same answer or, where not all show one, say the same."""
        found = [canonical(answer) for answer in answers if answer is not None]
        if len(set(found)) > 1:
            return False
        if len(found) == len(drafts):
            return True
        texts = [draft.text for draft in drafts]
        return all(min(row) >= self._agreement for row in pairwise(texts, [True] * len(texts)))


def _answers(request: AggregateRequest) -> list[str | None]:
    if not request.HasField("answer_pattern"):
        return [None] * len(request.drafts)
    check(request.answer_pattern)
    return [extract(draft.text, request.answer_pattern) for draft in request.drafts]


def _refuse_repeated(drafts: Sequence[Draft]) -> None:
    seen: set[str] = set()
    for index, draft in enumerate(drafts):
        if draft.candidate in seen:
            raise invalid(f"drafts[{index}].candidate", f"{draft.candidate} has a draft already")
        seen.add(draft.candidate)
