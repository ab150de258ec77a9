"""Synthesizers that do what their script says, and requests for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.registry import strategies
from lightrouter.aggregator.synthesize import SynthesisLimits
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.adapter_pb2 import (
    GenerateResponse,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateResponse,
)
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResult
from lightrouter.v1.candidate_pb2 import Draft, ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy

SYNTHESIZE = AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE
VOTE = AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE
BEST = AggregatorStrategy.AGGREGATOR_STRATEGY_BEST
LIMITS = SynthesisLimits(most_characters=1000, first_piece_share=0.5, first_piece_seconds=30, stall_seconds=30)

END = "end"
HANG = "hang"
DROP = "drop"
RESTARTED = "restarted"
BROKEN = ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE, "the connection was reset")
Step = str | ServiceError


class FakeModels:
    """Plays one script a call: texts are pieces, END the result, DROP an end without one, an error is raised."""

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self.asked: list[tuple[str, Generation]] = []
        self.hanging = asyncio.Event()
        self.open = 0
        self._scripts = iter(scripts)

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        raise AssertionError("a synthesizer is always streamed")

    async def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        self.asked.append((target.candidate, generation))
        self.open += 1
        restarted = False
        try:
            for step in next(self._scripts):
                if isinstance(step, ServiceError):
                    raise step
                if step == RESTARTED:
                    restarted = True
                elif step == DROP:
                    return
                elif step == HANG:
                    self.hanging.set()
                    await asyncio.Event().wait()
                elif step == END:
                    yield StreamGenerateResponse(result=RESULT)
                else:
                    yield StreamGenerateResponse(chunk=GenerationChunk(text=step, restarted=restarted))
        finally:
            self.open -= 1


RESULT = GenerationResult(
    finish_reason=FinishReason.FINISH_REASON_STOP,
    usage=Usage(input_tokens=50, output_tokens=5),
    cost_nanousd=11,
    model="synth-1",
    attempts=1,
)


def draft(name: str, text: str, score: float = 0.5) -> Draft:
    return Draft(candidate=name, text=text, score=score, finish_reason=FinishReason.FINISH_REASON_STOP)


DRAFTS = (draft("x", "It opened in 1889, in Paris.", 0.9), draft("y", "It opened in 1899, which is well known.", 0.4))


def request(
    *drafts: Draft, strategy: AggregatorStrategy.ValueType = SYNTHESIZE, synthesizers: Sequence[str] = ("s", "t")
) -> AggregateRequest:
    return AggregateRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, content="When did it open?")],
        drafts=drafts or DRAFTS,
        strategy=strategy,
        synthesizers=[ModelTarget(candidate=name, address=f"unix:{name}") for name in synthesizers],
    )


def aggregator(models: FakeModels, limits: SynthesisLimits = LIMITS) -> Aggregator:
    return Aggregator(strategies(models, limits), SYNTHESIZE, 0.9, heartbeat_seconds=3600)


async def aggregate(
    models: FakeModels,
    asked: AggregateRequest,
    deadline: Deadline | None = None,
    limits: SynthesisLimits = LIMITS,
) -> tuple[str, AggregateResult, list[bool]]:
    """The answer that a caller puts together, the result, and which of the pieces said restart."""
    text = ""
    restarts: list[bool] = []
    result: AggregateResult | None = None
    async for event in aggregator(models, limits).aggregate(asked, deadline or Deadline.after(60)):
        assert result is None, "nothing comes after the result"
        if event.WhichOneof("event") == "result":
            result = event.result
            continue
        text = event.chunk.text if event.chunk.restart else text + event.chunk.text
        restarts.append(event.chunk.restart)
    assert result is not None
    assert models.open == 0
    return text, result, restarts
