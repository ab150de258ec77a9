"""The load: the same closed loop for all sides, each with a client that costs little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from tests.load.processes import BenchError, Group

Call = Callable[[], Awaitable[None]]
"""Makes one call and checks its answer; raises a BenchError."""


@dataclass(frozen=True, slots=True)
class Target:
    """A program that runs and is to be loaded.

    Attributes:
        title: Its name in the table.
        model_calls: Model calls that one call makes.
        group: Its processes.
        start_s: Seconds from its start until it served.
        opened: Opens a client.
    """

    title: str
    model_calls: int
    group: Group
    start_s: float
    opened: Callable[[], AbstractAsyncContextManager[Call]]


@dataclass(slots=True)
class Sample:
    """What one side did, over all its rounds at one concurrency.

    Attributes:
        latencies: Seconds that each call took.
        wall: Seconds that the rounds took.
        cpu: Seconds of CPU by process.
        failure: Why it was not measured to the end; empty if it was.
    """

    latencies: list[float] = field(default_factory=list)
    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared.

    Attributes:
        call: Makes one call.
        group: The processes that serve it.
    """

    call: Call
    group: Group

    async def run(self, sample: Sample, concurrency: int, seconds: float) -> None:
        """Calls in a closed loop for `seconds` and adds what it took to the sample."""
        before, begin = self.group.cpu(), time.perf_counter()
        until = begin + seconds

        def going_on() -> Iterator[None]:
            # One call at least, however slow the machine is.
            yield
            while time.perf_counter() < until:
                yield

        await _loop(self.call, concurrency, going_on(), sample.latencies)
        sample.wall += time.perf_counter() - begin
        for name, used in self.group.cpu().items():
            sample.cpu[name] = sample.cpu.get(name, 0.0) + used - before[name]

    async def repeat(self, times: int, concurrency: int) -> None:
        """Makes this number of calls."""
        await _loop(self.call, concurrency, iter([None] * times), [])


async def in_turns(sides: Mapping[str, Side], concurrency: int, seconds: float, rounds: int) -> dict[str, Sample]:
    """Returns what the sides did, each loaded for `seconds` in all; one that fails is left out from then on."""
    samples = {name: Sample() for name in sides}
    order = list(sides)
    for turn in range(rounds):
        # Whose turn is first goes round: a machine that warms up or slows down favours nobody.
        first = turn % len(order) if order else 0
        for name in order[first:] + order[:first]:
            sample = samples[name]
            if not sample.failure:
                try:
                    await sides[name].run(sample, concurrency, seconds / rounds)
                except BenchError as fault:
                    sample.failure = str(fault)
    return samples


async def _loop(call: Call, concurrency: int, turns: Iterator[None], latencies: list[float]) -> None:
    async def worker() -> None:
        for _ in turns:
            begin = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - begin)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except* BenchError as faults:
        # Concurrent calls fail alike; one says it all.
        fault = faults.exceptions[0]
        raise BenchError(str(fault)) from None


async def until_ready(call: Call, seconds: float) -> None:
    """Calls until a call succeeds.

    Raises:
        BenchError: None did within the seconds.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await call()
        except BenchError as error:
            if time.monotonic() > until:
                raise BenchError(f"no call succeeded within {seconds:.0f} s: {error}") from None
        await asyncio.sleep(0.2)
