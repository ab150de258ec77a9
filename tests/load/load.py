"""The load: the same closed loop for the suite and for LiteLLM, each with a client that costs little."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import grpc
import yarl

from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.load import litellm_proxy, suite
from tests.load.processes import BenchError, Group

_TIMEOUT_SECONDS: Final = 60.0

Call = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Sample:
    """What one side did, over all its rounds at one concurrency.

    Attributes:
        latencies: Seconds that each call took.
        wall: Seconds that the rounds took.
        cpu: Seconds of CPU by process.
    """

    latencies: list[float] = field(default_factory=list)
    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared.

    Attributes:
        call: Makes one call and checks its answer.
        model_calls: Model calls that one call makes.
        group: The processes that serve it.
    """

    call: Call
    model_calls: int
    group: Group

    async def run(self, sample: Sample, concurrency: int, seconds: float) -> None:
        """Calls in a closed loop for `seconds` and adds what it took to the sample."""
        before, begin = self.group.cpu(), time.perf_counter()
        until = begin + seconds

        def going_on() -> Iterator[None]:
            while time.perf_counter() < until:
                yield

        await _loop(self.call, concurrency, going_on(), sample.latencies)
        sample.wall += time.perf_counter() - begin
        for name, used in self.group.cpu().items():
            sample.cpu[name] = sample.cpu.get(name, 0.0) + used - before[name]

    async def repeat(self, times: int, concurrency: int) -> None:
        """Makes this number of calls."""
        await _loop(self.call, concurrency, iter([None] * times), [])


async def _loop(call: Call, concurrency: int, turns: Iterator[None], latencies: list[float]) -> None:
    async def worker() -> None:
        for _ in turns:
            begin = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - begin)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(worker())


def route_call(channel: grpc.aio.Channel, selector: SelectorStrategy.ValueType) -> Call:
    """Returns the call of a whole route."""
    complete = RouterServiceStub(channel).Complete
    request = suite.request(selector)

    async def call() -> None:
        try:
            answer = (await complete(request, timeout=_TIMEOUT_SECONDS)).answer
        except grpc.aio.AioRpcError as error:
            raise BenchError(f"the router answered {error.code().name}: {error.details()}") from None
        # A route that left something out would be measured as a quick one.
        if len(answer.ledger.entries) != suite.MODEL_CALLS or answer.degraded or not answer.text:
            raise BenchError(
                f"a route made {len(answer.ledger.entries)} model calls, not {suite.MODEL_CALLS}; degraded: "
                f"{'; '.join(entry.message for entry in answer.degraded) or 'no'}"
            )

    return call


def litellm_call(session: aiohttp.ClientSession, url: str) -> Call:
    """Returns the call of one model through LiteLLM's proxy."""
    target = yarl.URL(url)
    message = {"role": "user", "content": suite.QUESTION}
    body = json.dumps({"model": litellm_proxy.MODEL, "messages": [message], "max_tokens": 200}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer none"}

    async def call() -> None:
        async with session.post(target, data=body, headers=headers) as reply:
            content = await reply.read()
            if reply.status != 200:
                raise BenchError(f"LiteLLM answered {reply.status}: {content[:300].decode(errors='replace')}")

    return call


async def until_ready(call: Call, seconds: float) -> None:
    """Calls until a call succeeds.

    Raises:
        BenchError: None did within the seconds.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except (aiohttp.ClientError, BenchError) as error:
            if time.monotonic() > until:
                raise BenchError(f"no call succeeded within {seconds:.0f} s: {error}") from None
        await asyncio.sleep(0.2)
