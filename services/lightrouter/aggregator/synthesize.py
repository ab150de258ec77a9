"""A model merges the drafts, told where they contradict each other. The paper's way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from lightrouter.aggregator.prompts import synthesis_messages
from lightrouter.aggregator.strategy import MergeInput, best_result, degradation, piece
from lightrouter.aggregator.writing import Deadlines, Synthesis
from lightrouter.answers.untrusted import label, nonce_for, random_nonce
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.aggregator_pb2 import AggregateResponse, AggregateResult
from lightrouter.v1.chat_pb2 import ChatMessage
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy

# What is left of the call's time once the synthesis must have ended, so that a draft can be sent instead.
_RESERVE_SHARE = 0.1
_MOST_RESERVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SynthesisLimits:
    """What synthesizing may take.

    Attributes:
        most_characters: Most characters of one draft that the synthesizer reads.
        first_piece_share: Share of the time left within which the first piece must come, 0 to 1.
        first_piece_seconds: Most seconds within which it must come.
        stall_seconds: Most seconds between two pieces; a model that takes longer has failed.
    """

    most_characters: int
    first_piece_share: float
    first_piece_seconds: float
    stall_seconds: float


class Synthesize:
    """One model after the other is asked to write the answer; the best draft stands in where none can."""

    def __init__(self, models: Models, limits: SynthesisLimits, nonce: Callable[[], str] = random_nonce) -> None:
        """Asks the request's synthesizers through `models`; `nonce` yields unforeseeable texts."""
        self._models = models
        self._limits = limits
        self._nonce = nonce

    async def merge(self, task: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the synthesis as it comes, then the result.

        What a synthesizer wrote before it failed is gone on from, by itself or the next. Where none can, the best
        draft restarts the answer.
        """
        request = task.request
        texts = [draft.text for draft in request.drafts]
        nonce = nonce_for([*texts, *(message.content for message in request.messages)], self._nonce)
        messages = self._messages(task, texts, nonce)
        writing = Synthesis(self._models, messages, nonce, request.sampling, self._times(deadline))
        async with aclosing(writing.pieces(request.synthesizers)) as pieces:
            async for text in pieces:
                yield piece(text)
        if writing.result is not None:
            yield _result(task, writing, writing.result)
            return
        best = request.drafts[0]
        yield piece(best.text, restart=bool(writing.text))
        yield best_result(task, best, [degradation(*_why(writing))], writing.entries)

    def _times(self, deadline: Deadline) -> Deadlines:
        left = deadline.remaining()
        return Deadlines(
            first_piece=deadline.share(self._limits.first_piece_share, self._limits.first_piece_seconds),
            whole=Deadline.after(left - min(left * _RESERVE_SHARE, _MOST_RESERVE_SECONDS)),
            stall_seconds=self._limits.stall_seconds,
        )

    def _messages(self, task: MergeInput, texts: list[str], nonce: str) -> list[ChatMessage]:
        labels = [label(index) for index in range(len(texts))]
        return synthesis_messages(
            task.request.messages,
            list(zip(labels, texts, strict=True)),
            [contradiction.sentence([f"draft {name}" for name in labels]) for contradiction in task.contradictions],
            nonce,
            most_characters=self._limits.most_characters,
        )


def _result(task: MergeInput, writing: Synthesis, result: GenerationResult) -> AggregateResponse:
    return AggregateResponse(
        result=AggregateResult(
            strategy=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
            candidates=[draft.candidate for draft in task.request.drafts],
            finish_reason=result.finish_reason,
            entries=writing.entries,
            contradictions=task.contradictions_for_people(),
        )
    )


def _why(writing: Synthesis) -> tuple[DegradedReason.ValueType, str]:
    if writing.error is None:
        message = "There is no model to synthesize with; the answer is the best draft."
        return DegradedReason.DEGRADED_REASON_AGGREGATOR_FAILED, message
    if writing.out_of_time:
        message = "The synthesis did not come in the time it had; the answer is the best draft."
        return DegradedReason.DEGRADED_REASON_AGGREGATOR_SLOW, message
    message = f"No synthesizer finished the answer ({writing.error.message}); the answer is the best draft."
    return DegradedReason.DEGRADED_REASON_AGGREGATOR_FAILED, message
