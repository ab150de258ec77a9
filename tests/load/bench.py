"""`make bench`: what a route costs when its models answer at once, as services and in one process.

LiteLLM and Portkey stand beside; they make one model call where the suite makes a whole route. The floor makes a
route's calls with the suite's libraries and nothing else, without and with a route's spans. All stand on the same
upstream in the same run and are loaded in turns, so that whatever else the machine does meets all; on busy cores only
the ratios count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_PRIOR, SelectorStrategy
from tests.load import floor, litellm_proxy, load, marks, portkey, report, suite
from tests.load.load import Side, Target
from tests.load.processes import BenchError, Memory, helper
from tests.load.report import Level, Outcome

_ROUNDS: Final = 6
_WARM_UP: Final = 200
READY_SECONDS: Final = 60.0
_MEMORY_SAMPLES: Final = 10
_SELECTORS: Final = {"consensus": SELECTOR_STRATEGY_CONSENSUS, "prior": SELECTOR_STRATEGY_PRIOR}
_OURS: Final = (marks.ONE, marks.SERVICES)
_ALL: Final = (*_OURS, marks.FLOOR, marks.TRACED, marks.LITELLM, marks.PORTKEY)

Start = Callable[[], AbstractContextManager[Target]]


def main() -> None:
    """Runs the benchmark; exits with status 1 if the suite itself could not be measured."""
    arguments = _arguments()
    work = arguments.out.parent / "bench"
    work.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        upstream = stack.enter_context(helper("tests.load.upstream"))
        sink = stack.enter_context(helper("tests.load.sink"))
        starts = _starts(upstream, f"http://127.0.0.1:{sink}", work, _SELECTORS[arguments.selector])
        outcomes, targets = started({name: starts[name] for name in arguments.only}, stack)
        uvloop.run(measure(outcomes, targets, arguments.duration, arguments.routes))
    sys.stdout.write("\n\n".join(tables(outcomes, arguments.routes)) + "\n")
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "selector": arguments.selector}
    figures = {name: asdict(outcome) for name, outcome in outcomes.items()}
    arguments.out.write_text(json.dumps({"machine": machine, **figures}, indent=2) + "\n")
    sys.exit(any(outcomes[name].failure for name in _OURS if name in outcomes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_ALL, default=_ALL, help="sides to measure; default: all")
    parser.add_argument("--duration", type=float, default=12.0, help="seconds a side and concurrency (%(default)s)")
    parser.add_argument("--routes", type=int, default=3_000, help="more routes for the memory; 0: none (%(default)s)")
    parser.add_argument("--selector", choices=_SELECTORS, default="consensus", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="figures as JSON (%(default)s)")
    return parser.parse_args()


def _starts(upstream: int, otlp: str, work: Path, selector: SelectorStrategy.ValueType) -> dict[str, Start]:
    # The files stay, so that a log can be read after a failure.
    flags = ["--otlp", otlp]
    return {
        marks.ONE: partial(suite.target, "one process", upstream, work / "one", flags, selector),
        marks.SERVICES: partial(
            suite.target, "services", upstream, work / "services", [*flags, "--processes"], selector
        ),
        marks.FLOOR: partial(floor.running, "bare aiohttp and gRPC", upstream, "", work / "floor", selector),
        marks.TRACED: partial(floor.running, "the same with spans", upstream, otlp, work / "traced", selector),
        marks.LITELLM: partial(litellm_proxy.running, upstream, work),
        marks.PORTKEY: partial(portkey.running, upstream, work),
    }


def started(starts: Mapping[str, Start], stack: ExitStack) -> tuple[dict[str, Outcome], dict[str, Target]]:
    """Returns what is known of each side after its start, and those that started; they end with the stack."""
    outcomes, targets = {}, {}
    for name, start in starts.items():
        _say(f"starting {name}")
        outcome = outcomes[name] = Outcome(name)
        with _failure_of(outcome):
            target = targets[name] = stack.enter_context(start())
            outcome.title, outcome.start_s = target.title, target.start_s
            outcome.start_cpu_s, outcome.start_rss_mb = sum(target.group.cpu().values()), target.group.rss()
    return outcomes, targets


async def measure(outcomes: Mapping[str, Outcome], targets: Mapping[str, Target], duration: float, routes: int) -> None:
    """Loads the targets for `duration` seconds at each concurrency, and the suite with `routes` more for its memory.

    The figures are added to the outcomes. A side that fails stays out from then on.
    """
    async with AsyncExitStack() as stack:
        sides = {
            name: Side(await stack.enter_async_context(target.opened()), target.group)
            for name, target in targets.items()
        }
        for name, side in sides.items():
            with _failure_of(outcomes[name]):
                await load.until_ready(side.call, READY_SECONDS)
                await side.repeat(_WARM_UP, report.CPU_AT)
        for concurrency in report.LEVELS:
            left = {name: side for name, side in sides.items() if not outcomes[name].failure}
            _say(f"load at c={concurrency}, {duration * len(left):.0f} s")
            for name, sample in (await load.in_turns(left, concurrency, duration, _ROUNDS)).items():
                outcomes[name].failure = sample.failure and f"at c={concurrency}: {sample.failure}"
                if not sample.failure:
                    outcomes[name].levels[concurrency] = Level.of(sample, targets[name].model_calls)
        for name, side in sides.items():
            if not outcomes[name].failure:
                with _failure_of(outcomes[name]):
                    outcomes[name].rss_mb = side.group.rss()
                    if name in _OURS and routes:
                        _say(f"{routes:,} routes for the memory of {name}")
                        outcomes[name].memory = await _memory(side, routes)


@contextmanager
def _failure_of(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except BenchError as fault:
        outcome.failure = str(fault)


async def _memory(side: Side, routes: int) -> list[Mapping[str, Memory]]:
    samples: list[Mapping[str, Memory]] = []
    for part in range(_MEMORY_SAMPLES):
        await side.repeat(routes * (part + 1) // _MEMORY_SAMPLES - routes * part // _MEMORY_SAMPLES, report.CPU_AT)
        # What was sent but not yet exported is memory of the moment, not of the service.
        await asyncio.sleep(0.5)
        samples.append(side.group.memory())
    return samples


def tables(outcomes: Mapping[str, Outcome], routes: int) -> list[str]:
    """Returns the tables: the sides, the marks, and the processes of the suite."""
    measured = [outcome for outcome in outcomes.values() if outcome.memory]
    return [report.sides(outcomes.values()), marks.show(outcomes), *(report.processes(one, routes) for one in measured)]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
