"""The interface of the merging strategies, their input, and the responses that they share."""

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
    """A request to merge, with the answers and the contradictions of its drafts.

    Attributes:
        request: The request.
        answers: The canonical answer of each draft by the request's pattern, in their order; None if it finds none.
        contradictions: The contradictions between drafts.
    """

    request: AggregateRequest
    answers: Sequence[str | None]
    contradictions: Sequence[Contradiction]

    def contradictions_for_people(self) -> list[str]:
        """Returns one sentence for each contradiction, with the candidates' names."""
        names = [draft.candidate for draft in self.request.drafts]
        return [contradiction.sentence(names) for contradiction in self.contradictions]


class Strategy(Protocol):
    """One way to merge drafts."""

    def merge(self, merge_input: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in chunks, then the result; if it fails, the best draft and a degradation."""
        ...


def piece(text: str, *, restart: bool = False) -> AggregateResponse:
    """Returns a chunk of the answer; with `restart` it replaces the text before it."""
    return AggregateResponse(chunk=AnswerChunk(text=text, restart=restart))


def degradation(reason: DegradedReason.ValueType, message: str, candidate: str = "") -> Degradation:
    """Returns a degradation of the answer."""
    return Degradation(reason=reason, message=message, candidate=candidate)


def best_result(
    merge_input: MergeInput, draft: Draft, degraded: Sequence[Degradation] = (), entries: Sequence[LedgerEntry] = ()
) -> AggregateResponse:
    """Returns the result for an answer that is the text of one draft."""
    return AggregateResponse(
        result=AggregateResult(
            strategy=AggregatorStrategy.AGGREGATOR_STRATEGY_BEST,
            candidates=[draft.candidate],
            finish_reason=draft.finish_reason,
            entries=entries,
            degraded=degraded,
            contradictions=merge_input.contradictions_for_people(),
        )
    )
