"""Models that answer a validation set as well as they are told to, whatever the order of the calls."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from lightrouter.evaluator.budget import Limits
from lightrouter.evaluator.decision import Rules
from lightrouter.evaluator.run import Settings
from lightrouter.recording import prompts as asked
from lightrouter.recording.prompts import Asked
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, GenerationResult, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import ModelTarget, Prices
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_UNAVAILABLE
from lightrouter.v1.ledger_pb2 import STAGE_EVALUATE

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PRICES = Prices(input_nanousd_per_million=1_000_000, output_nanousd_per_million=2_000_000)
OUTPUT_TOKENS = 10


def parse(data: bytes, name: str = "validation set") -> list[Asked]:
    numbered = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    return asked.parse(numbered, name, scored=True)


def prompts(count: int, categories: tuple[str, ...] = ("law", "art")) -> list[Asked]:
    """Returns a set of choices whose right answer is always B."""
    items = [
        {
            "id": f"q{n}",
            "category": categories[n % len(categories)],
            "prompt": f"q{n}?",
            "task": "choice",
            "answer": "B",
        }
        for n in range(count)
    ]
    return parse("\n".join(map(json.dumps, items)).encode())


def pool_text(*names: str, more: str = "") -> str:
    prices = 'prices: {input: "0.001", output: "0.002"}'
    entries = "".join(f"  - {{name: {name}, base_url: 'http://h', model: m-{name}, {prices}}}\n" for name in names)
    return f"{more}candidates:\n{entries}"


class FakeModels:
    """Models that answer right with a probability each, by chance that depends on model and prompt alone.

    Attributes:
        quality: The probability by candidate.
        calls: The calls, by candidate and prompt.
        running: Calls that run now, and the most that ever did.
    """

    def __init__(self, quality: Mapping[str, float], seed: int = 0) -> None:
        self.quality = dict(quality)
        self.seed = seed
        self.calls: Counter[tuple[str, str]] = Counter()
        self.down: set[str] = set()
        self.before: Callable[[int], None] = lambda _: None
        self.running = 0
        self.most_running = 0
        self.spent_nanousd = 0
        self.spent_tokens = 0

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        assert generation.stage == STAGE_EVALUATE
        assert generation.candidate == target.candidate
        name, text = target.candidate, generation.messages[-1].content
        self.calls[name, text] += 1
        self.before(sum(self.calls.values()))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            for _ in range(Random(f"{name}{text}").randrange(4)):
                await asyncio.sleep(0)
        finally:
            self.running -= 1
        if name in self.down:
            raise ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_UNAVAILABLE, "it is down")
        usage = Usage(input_tokens=len(text.encode()), output_tokens=generation.sampling.max_output_tokens)
        cost = cost_nanousd(PRICES, usage)
        self.spent_nanousd += cost
        self.spent_tokens += usage.input_tokens + usage.output_tokens
        result = GenerationResult(usage=usage, cost_nanousd=cost)
        return GenerateResponse(text=self.answer(name, text, generation), result=result)

    def answer(self, name: str, text: str, generation: Generation) -> str:
        right = Random(f"{self.seed}:{name}:{text}").random() < self.quality[name]
        return "B" if right else "C"

    def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        raise NotImplementedError


def settings(
    folder: Path,
    items: Sequence[Asked],
    *,
    run: str = "run-1",
    seed: int = 1,
    rules: Rules | None = None,
    limits: Limits | None = None,
) -> Settings:
    return Settings(
        prompts=items,
        journal=folder / "pool.evaluation.jsonl",
        new_run=lambda: (run, seed),
        adapter_address="unix:/{name}",
        rules=rules or Rules(),
        limits=limits or Limits(),
        max_output_tokens=OUTPUT_TOKENS,
        now=lambda: NOW,
    )
