"""The suite as a user starts it, `lightrouter up`, with eight candidates on the benchmark's upstream."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import grpc
import psutil

from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, Sampling
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, HOLD_ALWAYS, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import CompleteRequest, Prompt
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.load.load import Call, Target
from tests.load.processes import BenchError, Group, service, wait_for

CANDIDATES: Final = 8
MODEL_CALLS: Final = CANDIDATES
_GO_ON: Final = 2
QUESTION: Final = "Why is the sky blue, and why is it red in the evening? Answer in a few sentences."
# On cores that others use as well, candidates that are all alike would drift apart, or one be late, and be left out.
_ALL_TAKE_PART: Final = {
    f"LIGHTROUTER_{service}_{setting}": value
    for service in ("ROUTER", "ALL")
    for setting, value in (("DRIFT_TOLERANCE", "1"), ("BOOT_GRACE_SECONDS", "60"))
}
_START_SECONDS: Final = 60.0
_TIMEOUT_SECONDS: Final = 60.0
_SERVICES: Final = ("router", "selector", "aggregator", "adapter")


@dataclass(frozen=True, slots=True)
class Suite:
    """A running suite.

    Attributes:
        address: The router's gRPC target.
        group: Its processes, each named like its service; an adapter has its candidate's name behind it.
        start_s: Seconds from its start until it served.
    """

    address: str
    group: Group
    start_s: float


@contextmanager
def running(
    upstream_port: int, work: Path, flags: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Suite]:
    """Yields the suite, started by `lightrouter up` with more `flags`; its files are put into `work`."""
    work.mkdir(parents=True, exist_ok=True)
    pool = work / "pool.yaml"
    # JSON is YAML.
    pool.write_text(json.dumps({"candidates": [_candidate(i, upstream_port) for i in range(1, CANDIDATES + 1)]}))
    ready = work / "address"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lightrouter.cli", "up", "--pool", str(pool), *flags]
    command += ["--listen", "127.0.0.1:0", "--ready-file", str(ready)]
    log = work / "suite.log"
    begin = time.perf_counter()
    with service(command, {**_ALL_TAKE_PART, **environment}, log) as supervisor:
        wait_for("the suite", lambda: ready.exists() or None, supervisor, _START_SECONDS, log)
        start_s = time.perf_counter() - begin
        group = Group(_family(supervisor) if "--processes" in flags else {"all in one": supervisor})
        yield Suite(ready.read_text().strip(), group, start_s)


@contextmanager
def target(
    title: str, upstream_port: int, work: Path, flags: Sequence[str], selector: SelectorStrategy.ValueType
) -> Iterator[Target]:
    """Yields the suite as one side of a comparison. See `running`."""
    with running(upstream_port, work, flags) as suite:
        yield Target(title, MODEL_CALLS, suite.group, suite.start_s, lambda: routes(suite.address, selector))


@asynccontextmanager
async def routes(address: str, selector: SelectorStrategy.ValueType) -> AsyncIterator[Call]:
    """Yields the call of a whole route by the router at `address`."""
    asked = request(selector)
    async with grpc.aio.insecure_channel(address) as channel:
        complete = RouterServiceStub(channel).Complete

        async def call() -> None:
            try:
                answer = (await complete(asked, timeout=_TIMEOUT_SECONDS)).answer
            except grpc.aio.AioRpcError as error:
                raise BenchError(f"the router answered {error.code().name}: {error.details()}") from None
            # A route that left something out would be measured as a quick one.
            if len(answer.ledger.entries) != MODEL_CALLS or answer.degraded or not answer.text:
                raise BenchError(
                    f"a route made {len(answer.ledger.entries)} model calls, not {MODEL_CALLS}; degraded: "
                    f"{'; '.join(entry.message for entry in answer.degraded) or 'no'}"
                )

        yield call


def request(selector: SelectorStrategy.ValueType) -> CompleteRequest:
    """Returns a request without early exit, judge and merging model; two of the calls that boot go on to their end."""
    policy = Policy(
        boot_tokens=200,
        k=_GO_ON,
        selector=selector,
        aggregator=AGGREGATOR_STRATEGY_BEST,
        margin=1.0,
        agreement=1.0,
        quorum=1.0,
        hold=HOLD_ALWAYS,
    )
    messages = [ChatMessage(role=ROLE_USER, content=QUESTION)]
    return CompleteRequest(prompt=Prompt(messages=messages, sampling=Sampling(max_output_tokens=400), policy=policy))


def _candidate(number: int, upstream_port: int) -> dict[str, object]:
    return {
        "name": f"bench-{number}",
        "base_url": f"http://127.0.0.1:{upstream_port}/v1",
        "model": f"bench-{number}",
        "continuation": "trailing",
        "prices": {"input": "0.15", "output": "0.60"},
        "prior": 0.5,
        # As many as there may be routes at once, each with a boot and a completion.
        "limits": {"concurrency": 256},
    }


def _family(supervisor: psutil.Process) -> dict[str, psutil.Process]:
    found = {"supervisor": supervisor}
    for process in supervisor.children(recursive=True):
        if (name := _service_name(process.cmdline())) is not None:
            found[name] = process
    if len(found) != CANDIDATES + len(_SERVICES):
        raise BenchError(f"the suite's processes are not those expected: {', '.join(found)}")
    return found


def _service_name(command: list[str]) -> str | None:
    modules = [word.removeprefix("lightrouter.") for word in command if word.startswith("lightrouter.")]
    module = next((module for module in modules if module in _SERVICES), None)
    if module != "adapter":
        return module
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word == "--candidate":
            return f"adapter {following}"
        if word.startswith("--candidate="):
            return f"adapter {word.partition('=')[2]}"
    raise BenchError("an adapter runs without --candidate: the command line has changed")
