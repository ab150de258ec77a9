"""A caller that leaves, and a deadline that passes: every upstream call ends at once and no other is made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import CoroutineType

import grpc
import pytest

import lightrouter.runtime
from lightrouter.runtime.errors import Code
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Hold, Policy, SelectorStrategy
from tests.suite.rig import Run, Suite, entry, prompt
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream

PACKAGE = Path(lightrouter.runtime.__file__).parents[1]
TEXT = "One two three four five six seven."
OTHER = "Ten eleven twelve and thirteen."

HANGS = {
    "boot": (behaviours.hang, behaviours.hang),
    "complete": (behaviours.model(TEXT), behaviours.hang),
    "complete-mid-stream": (behaviours.model(TEXT), behaviours.hang_mid_stream("two")),
}
POLICIES = {
    "boot": Policy(boot_tokens=4),
    "complete": Policy(boot_tokens=4, k=1, hold=Hold.HOLD_NEVER),
    "complete-mid-stream": Policy(boot_tokens=4, k=1, hold=Hold.HOLD_NEVER),
    "judge": Policy(boot_tokens=4, selector=SelectorStrategy.SELECTOR_STRATEGY_LLM),
    "synthesize": Policy(boot_tokens=100, aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE, margin=1.0),
}
JUDGED: dict[str, tuple[Behaviour, ...]] = {
    "judge": (behaviours.model(TEXT), behaviours.hang),
    "synthesize": (behaviours.model(TEXT), behaviours.hang_mid_stream("An answer")),
}
WAITS = [*HANGS, *JUDGED]


def own_tasks() -> set[asyncio.Task[object]]:
    """Returns the unfinished tasks that run code of this project, rather than gRPC's or the tests'."""
    return {task for task in asyncio.all_tasks() if PACKAGE in _file_of(task).parents}


def _file_of(task: asyncio.Task[object]) -> Path:
    coroutine = task.get_coro()
    return Path(coroutine.cr_code.co_filename if isinstance(coroutine, CoroutineType) else "")


async def leave_while_waiting(suite: Suite, stage: str, hanging: Upstream, *, streamed: bool) -> None:
    asked = prompt(POLICIES[stage])
    call = asyncio.ensure_future(suite.stream(asked) if streamed else suite.complete(asked))
    await hanging.arrived(1 if stage == "boot" else 2)
    call.cancel()
    await hanging.all_closed()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("streamed", [False, True], ids=["Complete", "StreamComplete"])
@pytest.mark.parametrize("stage", WAITS)
async def test_a_caller_that_leaves_ends_every_upstream_call(
    folder: Path, running: Run, stage: str, streamed: bool
) -> None:
    behaviour = {**HANGS, **JUDGED}[stage]
    async with (
        Upstream(*behaviour) as hanging,
        Upstream(behaviours.model(OTHER)) as other,
        running(
            folder,
            entry("hanging", hanging.base_url, prior=0.9),
            entry("other", other.base_url),
            router={"quorum": 1.0, "selector": "prior"},
            pool={"judge": "hanging", "synthesizer": "hanging"},
        ) as suite,
    ):
        # The first route opens the connections and their tasks, which stay.
        await suite.complete(prompt(Policy(candidates=["other"])))
        before = own_tasks()
        made = len(other.requests)
        await leave_while_waiting(suite, stage, hanging, streamed=streamed)
        calls = len(hanging.requests), len(other.requests)
        await suite.complete(prompt(Policy(candidates=["other"])))
        assert (len(hanging.requests), len(other.requests) - 1) == calls
        assert made < calls[1]
        assert own_tasks() == before


# In seconds: long enough to reach the models, first on a fast machine, then on slower and slower ones.
DEADLINES = (0.5, 2.0, 8.0, 32.0)


async def test_a_deadline_that_passes_ends_every_upstream_call(folder: Path, running: Run) -> None:
    async with (
        Upstream(behaviours.hang) as first,
        Upstream(behaviours.hang_mid_stream("One")) as second,
        running(folder, entry("first", first.base_url), entry("second", second.base_url)) as suite,
    ):
        for seconds in DEADLINES:
            before = len(first.requests), len(second.requests)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await suite.complete(prompt(), seconds)
            error = from_rpc_error(caught.value)
            # The adapters end their calls a moment before, and the router may have the time to say so.
            reasons = {failure.reason for failure in error.failures.values()}
            assert error.code is Code.DEADLINE_EXCEEDED or reasons == {ErrorReason.ERROR_REASON_UPSTREAM_TIMEOUT}
            await first.all_closed()
            await second.all_closed()
            if (len(first.requests), len(second.requests)) == (before[0] + 1, before[1] + 1):
                return
        raise AssertionError("no deadline was long enough to reach both models")
