"""`make bench-tracing`: what tracing costs a route, and that no collector, however bad, slows one down.

Suites that differ in their traces alone stand on the same upstream in the same run and are loaded in turns; only the
ratios count. All of them send metrics, but for `silent`, which sends nothing. The suite `off` is there twice: what they
differ by is the noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console
from rich.table import Table

from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS
from tests.load import load, report, suite
from tests.load.processes import BenchError, helper

_ROUNDS: Final = 12
_WARM_UP: Final = 200
_OFF: Final = "off"
_ON: Final = "on"
# The most that each may cost: CPU of a route beside that of one without traces, p50 beside that of a good collector.
_MOST_CPU: Final = {"on": 1.25, "sampled": 1.05}
_NOBODY: Final = "http://127.0.0.1:9"
_METRICS: Final = tuple(
    f"LIGHTROUTER_{service}_OTLP_METRICS_ENDPOINT" for service in ("ROUTER", "SELECTOR", "AGGREGATOR", "ADAPTER")
)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.tracing", description=__doc__)
    parser.add_argument("--duration", type=float, default=12.0, help="seconds a suite and concurrency (%(default)s)")
    parser.add_argument("--only", help="names of the suites to compare, comma-separated; default: all")
    parser.add_argument("--out", type=Path, default=Path("build/bench-tracing.json"), help="(%(default)s)")
    arguments = parser.parse_args()
    console = Console(width=120 if not sys.stdout.isatty() else None)
    try:
        levels = _run(arguments, console)
    except BenchError as fault:
        sys.stderr.write(f"bench: {fault}\n")
        sys.exit(1)
    result = figures(levels)
    _show(console, result)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def _run(arguments: argparse.Namespace, console: Console) -> dict[str, dict[int, report.Level]]:
    with ExitStack() as stack:
        upstream = stack.enter_context(helper("tests.load.upstream"))
        good, hangs, refuses = (
            f"http://127.0.0.1:{stack.enter_context(helper('tests.load.sink', *flags))}"
            for flags in ([], ["--hang"], ["--refuse"])
        )
        telemetry = {
            "silent": [],
            _OFF: [],
            "sampled": ["--otlp", good, "--sampling-ratio", "0.1"],
            _ON: ["--otlp", good],
            "off again": [],
            "absent": ["--otlp", _NOBODY],
            "hangs": ["--otlp", hangs],
            "refuses": ["--otlp", refuses],
        }
        wanted = arguments.only.split(",") if arguments.only else list(telemetry)
        suites = {}
        for name in wanted:
            console.print(f"starting the suite {name!r}")
            work = arguments.out.parent / "bench-tracing" / name.replace(" ", "-")
            environment = {} if name == "silent" else dict.fromkeys(_METRICS, good)
            flags = ["--processes", *telemetry[name]]
            suites[name] = stack.enter_context(suite.running(upstream, work, flags, environment))
        return uvloop.run(_measure(suites, arguments.duration, console))


async def _measure(
    suites: Mapping[str, suite.Suite], duration: float, console: Console
) -> dict[str, dict[int, report.Level]]:
    async with AsyncExitStack() as stack:
        sides = {
            name: load.Side(
                await stack.enter_async_context(suite.routes(each.address, SELECTOR_STRATEGY_CONSENSUS)), each.group
            )
            for name, each in suites.items()
        }
        for side in sides.values():
            await load.until_ready(side.call, 60.0)
            await side.repeat(_WARM_UP, 8)
        found: dict[str, dict[int, report.Level]] = {name: {} for name in sides}
        for concurrency in (report.LATENCY_AT, report.CPU_AT):
            console.print(f"load at c={concurrency}, {duration * len(sides):.0f} s")
            for name, sample in (await load.in_turns(sides, concurrency, duration, _ROUNDS)).items():
                if sample.failure:
                    raise BenchError(f"{name}: {sample.failure}")
                found[name][concurrency] = report.Level.of(sample, suite.MODEL_CALLS)
    return found


def figures(levels: Mapping[str, Mapping[int, report.Level]]) -> dict[str, dict[str, float]]:
    """Returns each suite's CPU and median latency a route, and both beside those of the suite without traces."""
    off = levels.get(_OFF) or next(iter(levels.values()))
    return {
        name: {
            "routes": float(found[report.CPU_AT].calls),
            "cpu_ms": round(found[report.CPU_AT].cpu_ms, 3),
            "cpu_ratio": round(found[report.CPU_AT].cpu_ms / off[report.CPU_AT].cpu_ms, 3),
            "p50_ms": round(found[report.LATENCY_AT].p50_ms, 3),
            "p50_ratio": round(found[report.LATENCY_AT].p50_ms / off[report.LATENCY_AT].p50_ms, 3),
            **_by_service(found[report.CPU_AT]),
        }
        for name, found in levels.items()
    }


def _by_service(level: report.Level) -> dict[str, float]:
    """Returns the CPU of a route by service, that of all adapters in one sum."""
    sums: dict[str, float] = {}
    for process, used in level.cpu_ms_by_process.items():
        name = f"cpu_ms_{process.split()[0]}"
        sums[name] = round(sums.get(name, 0.0) + used, 3)
    return sums


def _show(console: Console, result: Mapping[str, Mapping[str, float]]) -> None:
    cpu, p50 = f"CPU ms a route, c={report.CPU_AT}", f"p50 ms, c={report.LATENCY_AT}"
    table = Table("traces", "routes", cpu, "of off", "to reach", p50, "of off")
    for name, found in result.items():
        most = _MOST_CPU.get(name)
        reached = f"≤ {most:g}: {'yes' if found['cpu_ratio'] <= most else 'NO'}" if most else ""
        table.add_row(
            name,
            f"{found['routes']:.0f}",
            *(str(found[key]) for key in ("cpu_ms", "cpu_ratio")),
            reached,
            *(str(found[key]) for key in ("p50_ms", "p50_ratio")),
        )
    console.print(table)


if __name__ == "__main__":
    main()
