"""A constant load inside the cluster, and what became of it, as one line of JSON on standard output.

    python3 load.py ADDRESS --rate 10 [--timeout 60]

It begins calls until it gets SIGUSR1, and ends when all of them have. Each call asks something that nobody else asks;
its answer must hold that, once, and nothing else. The line is {"calls": N, "right": N, "wrong": [TEXT],
"failed": {"STATUS: DETAILS": N}, "degraded": {"REASON: MESSAGE": N}, "latency_s": {"p50": S, "p99": S, "max": S}}.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import signal
import statistics
import time
import uuid
from collections import Counter

import grpc

from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.router_pb2 import CompleteRequest, Prompt
from lightrouter.v1.router_pb2_grpc import RouterServiceStub

_MOST_OPEN = 40
_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


class Load:
    """Calls at a constant rate, whatever becomes of the calls before."""

    def __init__(self, channel: grpc.aio.Channel, timeout: float) -> None:
        """Gives each call `timeout` seconds."""
        self._complete = RouterServiceStub(channel).Complete
        self._timeout = timeout
        self._latencies: list[float] = []
        self._wrong: list[str] = []
        self._failed: Counter[str] = Counter()
        self._degraded: Counter[str] = Counter()
        self._right = 0

    async def run(self, rate: float, stop: asyncio.Event) -> None:
        """Begins `rate` calls a second until `stop` is set, fewer while 40 are unanswered, and waits for all of them.

        A machine that is too slow for the rate would refuse calls for that alone.
        """
        places = asyncio.Semaphore(_MOST_OPEN)
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(0.001, begin + number / rate - time.monotonic()))
                await places.acquire()
                if stop.is_set():
                    return
                group.create_task(self._call()).add_done_callback(lambda _: places.release())

    async def _call(self) -> None:
        question = f"What about {uuid.uuid4()}?"
        request = CompleteRequest(prompt=Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content=question)]))
        begin = time.monotonic()
        try:
            answer = (await self._complete(request, timeout=self._timeout)).answer
        except grpc.aio.AioRpcError as error:
            self._failed[f"{error.code().name}: {error.details()}"] += 1
            return
        self._latencies.append(time.monotonic() - begin)
        self._degraded.update(f"{DegradedReason.Name(entry.reason)}: {entry.message}" for entry in answer.degraded)
        if answer.text.count(question) == 1 and answer.text.endswith(question):
            self._right += 1
        else:
            self._wrong.append(answer.text)

    def report(self) -> str:
        """Returns what became of the calls."""
        cuts = statistics.quantiles(self._latencies or [0.0, 0.0], n=100)
        return json.dumps(
            {
                "calls": self._right + len(self._wrong) + self._failed.total(),
                "right": self._right,
                "wrong": self._wrong[:10],
                "failed": dict(self._failed),
                "degraded": dict(self._degraded),
                "latency_s": {"p50": cuts[49], "p99": cuts[98], "max": max(self._latencies, default=0.0)},
            }
        )


async def main() -> None:
    """Loads the router that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--timeout", type=float, default=60.0)
    arguments = parser.parse_args()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stop.set)
    options = (("grpc.service_config", _ROUND_ROBIN),)
    async with grpc.aio.insecure_channel(arguments.address, options=options) as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
        load = Load(channel, arguments.timeout)
        await load.run(arguments.rate, stop)
    print(load.report(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
