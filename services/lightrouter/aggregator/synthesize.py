"""A model merges the drafts; its prompt names their contradictions. The paper's way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from lightrouter.aggregator.prompts import synthesis_messages
from lightrouter.aggregator.strategy import MergeInput, best_result, degradation, piece
from lightrouter.aggregator.synthesis import Deadlines, Synthesis
from lightrouter.answers.actions import plain_text
from lightrouter.answers.untrusted import label, nonce_for, random_nonce
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.models import Models
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.aggregator_pb2 import AggregateResponse, AggregateResult
from lightrouter.v1.chat_pb2 import ChatMessage
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy

# Choices: the synthesis ends this share of the time left, but at most 2 s, before the deadline, so that a draft can be
# sent instead.
_RESERVE_SHARE = 0.1
_MOST_RESERVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SynthesisLimits:
    """Limits of one synthesis.

    Attributes:
        most_characters: Maximum characters of one draft that the synthesizer reads.
        first_piece_share: Share of the remaining time until the first text, 0 to 1.
        first_piece_seconds: Maximum seconds until the first text.
        stall_seconds: Maximum seconds between two chunks; a model that takes longer has failed.
    """

    most_characters: int
    first_piece_share: float
    first_piece_seconds: float
    stall_seconds: float


class Synthesize:
    """Asks one model after the other to write the answer; falls back to the best draft if all fail."""

    def __init__(self, models: Models, limits: SynthesisLimits, nonce: Callable[[], str] = random_nonce) -> None:
        """Calls the request's synthesizers through `models`; `nonce` returns unpredictable texts."""
        self._models = models
        self._limits = limits
        self._nonce = nonce

    async def merge(self, merge_input: MergeInput, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the synthesis as it is written, then the result.

        If a synthesizer fails in the middle, it or the next one continues its text. If none can, the best draft
        replaces the text.
        """
        request = merge_input.request
        texts = [draft.text for draft in request.drafts]
        nonce = nonce_for([*texts, *map(plain_text, request.messages)], self._nonce)
        messages = self._messages(merge_input, texts, nonce)
        synthesis = Synthesis(self._models, messages, nonce, request.sampling, self._deadlines(deadline))
        async with aclosing(synthesis.pieces(request.synthesizers)) as pieces:
            async for text in pieces:
                yield piece(text)
        if synthesis.result is not None:
            yield _result(merge_input, synthesis, synthesis.result)
            return
        best = request.drafts[0]
        yield piece(best.text, restart=bool(synthesis.text))
        yield best_result(merge_input, best, [degradation(*_why(synthesis))], synthesis.entries)

    def _deadlines(self, deadline: Deadline) -> Deadlines:
        left = deadline.remaining()
        return Deadlines(
            first_piece=deadline.share(self._limits.first_piece_share, self._limits.first_piece_seconds),
            whole=Deadline.after(left - min(left * _RESERVE_SHARE, _MOST_RESERVE_SECONDS)),
            stall_seconds=self._limits.stall_seconds,
        )

    def _messages(self, merge_input: MergeInput, texts: list[str], nonce: str) -> list[ChatMessage]:
        labels = [label(index) for index in range(len(texts))]
        drafts = [f"draft {name}" for name in labels]
        return synthesis_messages(
            merge_input.request.messages,
            list(zip(labels, texts, strict=True)),
            [contradiction.sentence(drafts) for contradiction in merge_input.contradictions],
            nonce,
            most_characters=self._limits.most_characters,
        )


def _result(merge_input: MergeInput, synthesis: Synthesis, result: GenerationResult) -> AggregateResponse:
    return AggregateResponse(
        result=AggregateResult(
            strategy=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE,
            candidates=[draft.candidate for draft in merge_input.request.drafts],
            finish_reason=result.finish_reason,
            entries=synthesis.entries,
            contradictions=merge_input.contradictions_for_people(),
        )
    )


def _why(synthesis: Synthesis) -> tuple[DegradedReason.ValueType, str]:
    if synthesis.error is None:
        message = "There is no model to synthesize with; the answer is the best draft."
        return DegradedReason.DEGRADED_REASON_AGGREGATOR_FAILED, message
    if synthesis.out_of_time:
        message = "The synthesis did not come in the time it had; the answer is the best draft."
        return DegradedReason.DEGRADED_REASON_AGGREGATOR_SLOW, message
    message = f"No synthesizer finished the answer ({synthesis.error.message}); the answer is the best draft."
    return DegradedReason.DEGRADED_REASON_AGGREGATOR_FAILED, message
