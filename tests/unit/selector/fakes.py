"""A judge that replies what it is told to, and requests for it to judge."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.llm import Judge, JudgeLimits
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, GenerationResult, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import ModelTarget, Partial
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role, Usage
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest

Reply = Callable[[Generation], Awaitable[str]]
NONCE = "0123456789abcdef"
LIMITS = JudgeLimits(
    orders=2, most_partials=16, most_characters=1000, max_output_tokens=64, deadline_share=0.8, most_seconds=30
)
_ANSWER = re.compile(rf"\[BEGIN ANSWER (\w+) {NONCE}\]\n(.*?)\n\[END ANSWER \1 {NONCE}\]", re.DOTALL)


class FakeModels:
    """Replies with what `reply` returns for a generation, and keeps what it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.asked: list[Generation] = []
        self._reply = reply

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        self.asked.append(generation)
        text = await self._reply(generation)
        result = GenerationResult(
            finish_reason=FinishReason.FINISH_REASON_STOP,
            usage=Usage(input_tokens=100, output_tokens=10),
            cost_nanousd=7,
            model="judge-1",
            attempts=1,
        )
        return GenerateResponse(text=text, result=result)

    def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        raise AssertionError("a judge is never streamed")


def shown(generation: Generation) -> list[tuple[str, str]]:
    """Label and text of each partial in a prompt, in the order shown."""
    return [(match[1], match[2]) for match in _ANSWER.finditer(generation.messages[0].content)]


def verdict(points: dict[str, tuple[float, float]]) -> str:
    return json.dumps({label: {"consistency": a, "correctness": b} for label, (a, b) in points.items()})


def by_text(scores: dict[str, int]) -> Reply:
    """A judge whose points depend on a partial's text alone."""

    async def reply(generation: Generation) -> str:
        return verdict({label: (scores[text], scores[text]) for label, text in shown(generation)})

    return reply


def scripted(*replies: str) -> Reply:
    rest = iter(replies)

    async def reply(generation: Generation) -> str:
        return next(rest)

    return reply


def judge(models: FakeModels, limits: JudgeLimits = LIMITS) -> Judge:
    return Judge(models, limits, lambda: NONCE)


def partial(name: str, text: str = "", prior: float = 0.5, *, complete: bool = False) -> Partial:
    reason = FinishReason.FINISH_REASON_STOP if complete else FinishReason.FINISH_REASON_LENGTH
    return Partial(candidate=name, text=text, prior=prior, finish_reason=reason)


def request(
    *partials: Partial, strategy: SelectorStrategy.ValueType = SelectorStrategy.SELECTOR_STRATEGY_LLM, seed: int = 0
) -> SelectRequest:
    return SelectRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, content="What is 2 + 2?")],
        partials=partials,
        strategy=strategy,
        judge=ModelTarget(candidate="judge", address="unix:judge"),
        seed=seed,
    )
