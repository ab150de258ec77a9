"""`make bench`: what a route costs when its models answer at once, and beside LiteLLM's proxy with --compare.

Both sides stand on the same upstream in the same run and are loaded in turns, so that whatever else the machine does
meets both; on busy cores only the ratios count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import aiohttp
import grpc
import uvloop
from rich.console import Console

from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_PRIOR
from tests.load import litellm_proxy, load, report, suite
from tests.load.processes import BenchError, Memory, helper

_LEVELS: Final = (1, 8, 32)
_ROUNDS: Final = 6
_WARM_UP: Final = 200
_MEMORY_SAMPLES: Final = 10
_SELECTORS: Final = {"consensus": SELECTOR_STRATEGY_CONSENSUS, "prior": SELECTOR_STRATEGY_PRIOR}


def main() -> None:
    """Runs the benchmark."""
    arguments = _arguments()
    console = Console(width=120 if not sys.stdout.isatty() else None)
    try:
        result = _run(arguments, console)
    except* BenchError as faults:
        # Concurrent calls fail alike; one says it all.
        sys.stderr.write(f"bench: {faults.exceptions[0]}\n")
        sys.exit(1)
    report.show(console, result)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--compare", action="store_true", help="run LiteLLM's proxy beside the suite")
    parser.add_argument("--routes", type=int, default=10_000, help="routes before memory is told (%(default)s)")
    parser.add_argument("--duration", type=float, default=12.0, help="seconds a side and concurrency (%(default)s)")
    parser.add_argument("--selector", choices=_SELECTORS, default="consensus", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="figures as JSON (%(default)s)")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, console: Console) -> dict[str, report.Figures]:
    with ExitStack() as stack:
        # Kept, so that a log can be read after a failure.
        work = arguments.out.parent / "bench"
        work.mkdir(parents=True, exist_ok=True)
        upstream = stack.enter_context(helper("tests.load.upstream"))
        sink = stack.enter_context(helper("tests.load.sink"))
        ours = stack.enter_context(suite.running(upstream, work, ["--otlp", f"http://127.0.0.1:{sink}"]))
        theirs = stack.enter_context(litellm_proxy.running(upstream, work)) if arguments.compare else None
        return uvloop.run(_measure(arguments, console, ours, theirs))


async def _measure(
    arguments: argparse.Namespace, console: Console, ours: suite.Suite, theirs: litellm_proxy.LiteLLM | None
) -> dict[str, report.Figures]:
    async with grpc.aio.insecure_channel(ours.address) as channel, _session() as session:
        call = load.route_call(channel, _SELECTORS[arguments.selector])
        sides = {"route": load.Side(call, suite.MODEL_CALLS, ours.group)}
        if theirs is not None:
            sides["litellm"] = load.Side(load.litellm_call(session, theirs.url), 1, theirs.group)
        for side in sides.values():
            await load.until_ready(side.call, 60.0)
            await side.repeat(_WARM_UP, 8)
        levels = await _levels(sides, arguments.duration, console)
        memory = await _memory(sides["route"], arguments.routes, console)
    result = {name: report.side(found) for name, found in levels.items()}
    if theirs is not None:
        result["litellm"]["version"] = theirs.version
        result["ratio"] = report.ratio(levels["route"], levels["litellm"], suite.MODEL_CALLS)
    result["memory"] = report.memory(memory, arguments.routes)
    result["machine"] = {"cores": os.cpu_count(), "python": platform.python_version(), "selector": arguments.selector}
    return result


def _session() -> aiohttp.ClientSession:
    # LiteLLM's server closes connections that are idle for 5 s: none is kept as long.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3.0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def _levels(
    sides: Mapping[str, load.Side], duration: float, console: Console
) -> dict[str, dict[int, report.Level]]:
    found: dict[str, dict[int, report.Level]] = {name: {} for name in sides}
    for concurrency in _LEVELS:
        console.print(f"load at c={concurrency}, {duration * len(sides):.0f} s")
        samples = {name: load.Sample() for name in sides}
        for turn in range(_ROUNDS):
            # Who goes first alternates as well: a machine that warms up or slows down favours neither.
            for name in sorted(sides, reverse=turn % 2 == 0):
                await sides[name].run(samples[name], concurrency, duration / _ROUNDS)
        for name, side in sides.items():
            found[name][concurrency] = report.Level.of(samples[name], side.model_calls)
    return found


async def _memory(side: load.Side, routes: int, console: Console) -> Sequence[Mapping[str, Memory]]:
    console.print(f"{routes:,} routes for memory")
    samples = []
    for part in range(_MEMORY_SAMPLES):
        await side.repeat(routes * (part + 1) // _MEMORY_SAMPLES - routes * part // _MEMORY_SAMPLES, report.CPU_AT)
        # What was sent but not yet exported is memory of the moment, not of the service.
        await asyncio.sleep(0.5)
        samples.append(side.group.memory())
    return samples


if __name__ == "__main__":
    main()
