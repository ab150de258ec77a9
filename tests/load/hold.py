"""`make bench-hold`: a route whose boot calls are held open, beside one whose boot calls are cut and continued.

Both stand on the same upstream in the same run, which writes as hosted models do, and are asked in turns. The route's
own time is measured on a second upstream that answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import grpc
from rich.console import Console
from rich.table import Table

from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, STAGE_SELECT, LedgerEntry
from lightrouter.v1.policy_pb2 import HOLD_ALWAYS, HOLD_AUTO, HOLD_NEVER, SELECTOR_STRATEGY_CONSENSUS, Hold
from lightrouter.v1.router_pb2 import Answer, CompleteRequest
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.load import paced, suite
from tests.load.processes import BenchError, helper

_WAYS: Final = {"cut": HOLD_NEVER, "held": HOLD_ALWAYS, "auto": HOLD_AUTO}
_BOOT_TOKENS: Final = 40
_TIMEOUT_S: Final = 60.0


@dataclass
class Routes:
    """What the routes of one way took.

    Attributes:
        seconds: Seconds of each route.
        needed: Seconds that the slowest needed call and the selection of each route took.
        cpu: Seconds of CPU of all processes.
        answers: The answers.
    """

    seconds: list[float] = field(default_factory=list)
    needed: list[float] = field(default_factory=list)
    cpu: float = 0.0
    answers: list[Answer] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Returns the means of a route: seconds, CPU, model calls, tokens and money."""
        count = len(self.answers)
        ledgers = [answer.ledger for answer in self.answers]
        return {
            "p50_s": median(self.seconds),
            "needed_s": median(self.needed),
            "cpu_ms": self.cpu / count * 1e3,
            "calls": sum(len(ledger.entries) for ledger in ledgers) / count,
            "input_tokens": sum(ledger.usage.input_tokens for ledger in ledgers) / count,
            "output_tokens": sum(ledger.usage.output_tokens for ledger in ledgers) / count,
            "dollars_per_1000": sum(ledger.cost_nanousd for ledger in ledgers) / count / 1e6,
        }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.hold", description=__doc__)
    parser.add_argument("--routes", type=int, default=10, help="routes a way (%(default)s)")
    parser.add_argument("--prompt-tokens", type=int, default=600, help="tokens of the prompt (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/bench-hold.json"), help="(%(default)s)")
    arguments = parser.parse_args()
    console = Console(width=120 if not sys.stdout.isatty() else None)
    try:
        found = asyncio.run(_run(arguments.routes, arguments.prompt_tokens, arguments.out.parent))
    except BenchError as fault:
        sys.stderr.write(f"bench: {fault}\n")
        sys.exit(1)
    _show(console, found)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=2) + "\n")


async def _run(routes: int, prompt_tokens: int, out: Path) -> dict[str, dict[str, float]]:
    with ExitStack() as stack:
        work = out / "bench-hold"
        own, slow = work / "instant", work / "paced"
        flags = ["--processes"]
        instant = stack.enter_context(suite.running(stack.enter_context(helper("tests.load.upstream")), own, flags))
        measured = stack.enter_context(suite.running(stack.enter_context(helper("tests.load.paced")), slow, flags))
        overhead = await _routes(instant, {"held": HOLD_ALWAYS}, routes * 5, prompt_tokens)
        found = {name: way.figures() for name, way in (await _routes(measured, _WAYS, routes, prompt_tokens)).items()}
    own_s = overhead["held"].figures()["p50_s"]
    for figures in found.values():
        figures["own_s"] = own_s
        figures["to_needed"] = (figures["p50_s"] - own_s) / figures["needed_s"]
    return found


async def _routes(
    running: suite.Suite, ways: dict[str, Hold.ValueType], routes: int, prompt_tokens: int
) -> dict[str, Routes]:
    found = {name: Routes() for name in ways}
    async with grpc.aio.insecure_channel(running.address) as channel:
        complete = RouterServiceStub(channel).Complete
        for turn in range(routes + 1):
            for name, hold in ways.items():
                before, begin = sum(running.group.cpu().values()), time.perf_counter()
                answer: Answer = (await complete(_request(hold, prompt_tokens), timeout=_TIMEOUT_S)).answer
                if answer.degraded:
                    raise BenchError(f"a route was degraded: {answer.degraded[0].message}")
                # The first turn opens connections and warms up.
                if turn:
                    took = found[name]
                    took.seconds.append(time.perf_counter() - begin)
                    took.cpu += sum(running.group.cpu().values()) - before
                    took.needed.append(_needed_s(answer))
                    took.answers.append(answer)
    return found


def _request(hold: Hold.ValueType, prompt_tokens: int) -> CompleteRequest:
    request = suite.request(SELECTOR_STRATEGY_CONSENSUS)
    request.prompt.messages[0].content = "word " * prompt_tokens
    request.prompt.policy.hold = hold
    request.prompt.policy.boot_tokens = _BOOT_TOKENS
    return request


def _needed_s(answer: Answer) -> float:
    """Returns the seconds of the slowest boot or of the slowest chosen whole call, and of the selection."""
    ledger, chosen = answer.ledger, set(answer.selection.chosen)
    whole = [_seconds(entry) for entry in ledger.entries if entry.went_on]
    boots = [_boot_s(entry) for entry in ledger.entries if entry.stage == STAGE_BOOT]
    rests = [_seconds(entry) for entry in ledger.entries if entry.stage == STAGE_COMPLETE and entry.candidate in chosen]
    selection = sum(stage.elapsed.ToNanoseconds() for stage in ledger.stages if stage.stage == STAGE_SELECT) / 1e9
    return max([*whole, max(boots) + max(rests, default=0.0)]) + selection


def _boot_s(entry: LedgerEntry) -> float:
    """Returns the seconds to the boot tokens, at the pace of the paced upstream."""
    if not entry.candidate.startswith("bench-"):
        raise BenchError(f"the ledger has an unknown candidate, {entry.candidate}")
    first, per_token = paced.times(entry.candidate)
    return first + per_token * min(_BOOT_TOKENS, entry.usage.output_tokens)


def _seconds(entry: LedgerEntry) -> float:
    return entry.elapsed.ToNanoseconds() / 1e9


def _show(console: Console, found: dict[str, dict[str, float]]) -> None:
    table = Table(title=f"{paced.MODELS} candidates, 0.3 to 1 s to the first token, 100 to 50 tokens a second")
    table.add_column("way")
    for name in next(iter(found.values())):
        table.add_column(name, justify="right")
    for way, figures in found.items():
        table.add_row(way, *(f"{value:.3f}" for value in figures.values()))
    console.print(table)
    held, cut = found["held"], found["cut"]
    ratios = ", ".join(f"{name} {held[name] / cut[name]:.2f}" for name in ("p50_s", "cpu_ms", "dollars_per_1000"))
    needed = held["to_needed"]
    console.print(f"held to cut: {ratios}; a held route takes {needed:.3f} of its slowest call and selection")


if __name__ == "__main__":
    main()
