"""Merges drafts by one strategy; if the drafts agree, returns the best one without merging."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from lightrouter.aggregator.act import Act
from lightrouter.aggregator.best import Best
from lightrouter.aggregator.strategy import MergeInput, Strategy, piece
from lightrouter.answers.agreement import compare
from lightrouter.answers.contradictions import Contradiction, contradictions_in
from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import check
from lightrouter.answers.pieces import Pieces, Workers
from lightrouter.answers.settled import settled_answer
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.enums import label
from lightrouter.runtime.errors import invalid
from lightrouter.runtime.heartbeat import HEARTBEAT_SECONDS, with_heartbeats
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy


class Aggregator:
    """Merges drafts by the strategy of the request."""

    def __init__(
        self,
        strategies: Mapping[AggregatorStrategy.ValueType, Strategy],
        default: AggregatorStrategy.ValueType,
        agreement: float,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        workers: Workers | None = None,
    ) -> None:
        """Merges by one of `strategies`.

        Args:
            strategies: The strategies.
            default: The strategy of requests that name none.
            agreement: Drafts agree from this similarity, 0 to 1.
            heartbeat_seconds: Longest silence of an answer, in seconds.
            workers: Run comparisons; None for threads of its own.
        """
        self._strategies = strategies
        self._default = default
        self._agreement = agreement
        self._heartbeat_seconds = heartbeat_seconds
        self._workers = workers or Workers()
        self._act = Act()
        self._best = Best()

    async def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in chunks, then the result. Closing the generator cancels the model calls.

        While a model is slow, empty chunks show that this service lives.

        Raises:
            ServiceError: INVALID_ARGUMENT for two drafts of one candidate, a pattern that RE2 refuses, or a strategy
                that this aggregator does not have.
        """
        asked = request.strategy or self._default
        strategy = self._strategies.get(asked)
        if strategy is None:
            raise invalid("strategy", f"{label(AggregatorStrategy, asked)} is not a strategy of this aggregator")
        _refuse_repeated(request.drafts)
        answers = await self._workers.run(_answers(request))
        found: Sequence[Contradiction] = ()
        if any(draft.tool_calls for draft in request.drafts):
            strategy = self._act
        elif await self._agree(request.drafts, answers):
            strategy = self._best
        else:
            pattern = request.answer_pattern if request.HasField("answer_pattern") else None
            found = await self._workers.run(contradictions_in([draft.text for draft in request.drafts], pattern))
        merging = strategy.merge(MergeInput(request, answers, found), deadline)
        async with aclosing(with_heartbeats(merging, piece(""), self._heartbeat_seconds)) as events:
            async for event in events:
                yield event

    async def _agree(self, drafts: Sequence[Draft], answers: Sequence[str | None]) -> bool:
        """Tells whether all drafts give the same answer.

        If some drafts show no answer, all drafts must be whole and similar instead. Identical drafts always agree.
        """
        if len({draft.text for draft in drafts}) == 1:
            return True
        found = [answer for answer in answers if answer is not None]
        if len(set(found)) > 1:
            return False
        if len(found) == len(drafts):
            return True
        complete = [_complete(draft) for draft in drafts]
        if not all(complete):
            return False
        compared = await self._workers.run(compare([draft.text for draft in drafts], complete))
        return all(min(row) >= self._agreement for row in compared.agreement)


def _answers(request: AggregateRequest) -> Pieces[list[str | None]]:
    if not request.HasField("answer_pattern"):
        return [None] * len(request.drafts)
    pattern = request.answer_pattern
    check(pattern)
    answers: list[str | None] = []
    for draft in request.drafts:
        yield len(draft.text)
        found = settled_answer(draft.text, pattern, complete=_complete(draft))
        answers.append(None if found is None else canonical(found))
    return answers


def _complete(draft: Draft) -> bool:
    # Only STOP says that a text is whole.
    return draft.finish_reason == FinishReason.FINISH_REASON_STOP


def _refuse_repeated(drafts: Sequence[Draft]) -> None:
    seen: set[str] = set()
    for index, draft in enumerate(drafts):
        if draft.candidate in seen:
            raise invalid(f"drafts[{index}].candidate", f"{draft.candidate} has a draft already")
        seen.add(draft.candidate)
