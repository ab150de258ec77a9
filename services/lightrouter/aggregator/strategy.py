"""What every way of merging has in common."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lightrouter.answers.contradictions import Contradiction
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse, AggregateResult, AnswerChunk
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason, LedgerEntry
from lightrouter.v1.policy_pb2 import AggregatorStrategy


@dataclass(frozen=True, slots=True)
class MergeInput:
    """What is to be merged.

    Attributes:
        request: The request.
        answers: The answer that its pattern finds in each draft, in their order; None where it finds none.
        contradictions: Where the drafts contradict each other.
    """

    request: AggregateRequest
    answers: Sequence[str | None]
    contradictions: Sequence[Contradiction]

    def contradictions_for_people(self) -> list[str]:
        """Returns a sentence each, with the candidates' names."""
        names = [draft.candidate for draft in self.request.drafts]
        return [contradiction.sentence(names) for contradiction in self.contradictions]


class Strategy(Protocol):
    """A way of merging."""

    def merge(self, task: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then the result. Falls back to the best draft by itself where it fails."""
        ...


def piece(text: str, *, restart: bool = False) -> AggregateResponse:
    """Returns a piece of the answer."""
    return AggregateResponse(chunk=AnswerChunk(text=text, restart=restart))


def degradation(reason: DegradedReason.ValueType, message: str, candidate: str = "") -> Degradation:
    """Returns why an answer is less than it should have been."""
    return Degradation(reason=reason, message=message, candidate=candidate)


def best_result(
    task: MergeInput, draft: Draft, degraded: Sequence[Degradation] = (), entries: Sequence[LedgerEntry] = ()
) -> AggregateResponse:
    """Returns the result for an answer that is one draft."""
    return AggregateResponse(
        result=AggregateResult(
            strategy=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
            candidates=[draft.candidate],
            finish_reason=draft.finish_reason,
            entries=entries,
            degraded=degraded,
            contradictions=task.contradictions_for_people(),
        )
    )
