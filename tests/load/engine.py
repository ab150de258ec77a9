"""Routes a second of the lab's engine on one core: `python -m tests.load.engine RECORDING`."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Final

from lightrouter.lab.policies.engine import Engine, answers, opened
from lightrouter.pool.schema import CandidateEntry
from lightrouter.recording.load import load
from lightrouter.recording.recording import Recording, pool_names
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern, Policy, SelectorStrategy

_LETTER: Final = AnswerPattern(re2=r"answer is \(?([A-J])\)?")
_POLICIES: Final = {
    "20 boot tokens, prior, one finishes": Policy(
        boot_tokens=20, k=1, selector=SelectorStrategy.SELECTOR_STRATEGY_PRIOR
    ),
    "20 boot tokens, consensus, one finishes": Policy(
        boot_tokens=20, k=1, selector=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS
    ),
    "200 boot tokens, consensus, two finish and vote": Policy(
        boot_tokens=200,
        k=2,
        selector=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE,
        answer_pattern=_LETTER,
    ),
}


def main() -> None:
    """Prints CPU time and routes a second for each policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--prompts", type=int, default=1000)
    arguments = parser.parse_args()
    asyncio.run(_measure(load(arguments.recording), arguments.prompts))


async def _measure(recording: Recording, most: int) -> None:
    recording = recording.take(range(min(most, len(recording.prompts))))
    async with opened(Engine(recording, _entries(recording))) as engine:
        await answers(engine, recording.prompts[:20], Policy())
        for name, policy in _POLICIES.items():
            begun = time.process_time()
            given = await answers(engine, recording.prompts, policy)
            seconds = time.process_time() - begun
            calls = sum(len(answer.ledger.entries) for answer in given)
            print(f"{len(given) / seconds:6.0f} routes/s  {seconds / calls * 1e6:5.0f} us CPU a model call  {name}")


def _entries(recording: Recording) -> list[CandidateEntry]:
    return [
        CandidateEntry.model_validate({"name": name, "provider": "replay", "recording": "-", "model": model})
        for model, name in pool_names(recording.models).items()
    ]


if __name__ == "__main__":
    main()
