"""How long the learned selector takes for the partials of a prompt: `python -m tests.load.select RECORDING`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from pathlib import Path
from statistics import quantiles

from lightrouter.lab.policies.engine import default_selector
from lightrouter.recording.load import load
from lightrouter.recording.recording import Recording
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.tokens import cut
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_LEARNED
from lightrouter.v1.selector_pb2 import SelectRequest


def main() -> None:
    """Prints the wall and CPU time of one selection, of prompts that have not been seen before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--boot-tokens", type=int, default=200)
    arguments = parser.parse_args()
    asyncio.run(_measure(load(arguments.recording), arguments.prompts, arguments.boot_tokens))


async def _measure(recording: Recording, most: int, boot_tokens: int) -> None:
    selector = default_selector(ModelClient(Channels()))
    # The recording is not in memory while a selector serves, so its garbage collector does not visit it.
    gc.collect()
    gc.freeze()
    wall: list[float] = []
    cpu: list[float] = []
    for prompt in recording.prompts[:most]:
        partials = [
            Partial(
                candidate=model,
                model=model,
                text=cut(response.text, boot_tokens),
                finish_reason=FinishReason.FINISH_REASON_LENGTH,
            )
            for model, response in prompt.responses.items()
        ]
        request = SelectRequest(messages=prompt.messages, partials=partials, strategy=SELECTOR_STRATEGY_LEARNED)
        begun, used = time.perf_counter(), time.process_time()
        response = await selector.select(request, Deadline.after(60))
        cpu.append(1000 * (time.process_time() - used))
        wall.append(1000 * (time.perf_counter() - begun))
        assert response.strategy == SELECTOR_STRATEGY_LEARNED
    for name, found in (("wall", wall[1:]), ("CPU", cpu[1:])):
        points = quantiles(found, n=100)
        sys.stdout.write(f"{name}: p50 {points[49]:.1f} ms, p99 {points[98]:.1f} ms\n")


if __name__ == "__main__":
    main()
