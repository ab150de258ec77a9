"""What was measured, as figures and as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.load.load import Sample
from tests.load.processes import Memory

# Latency is measured without contention, CPU in a busy service, throughput in a saturated one.
LATENCY_AT: Final = 1
CPU_AT: Final = 8
THROUGHPUT_AT: Final = 32
LEVELS: Final = (LATENCY_AT, CPU_AT, THROUGHPUT_AT)
_MAX_MEMORY_MB: Final = 120.0
_FLAT_SHARE: Final = 0.03
_FLAT_MB: Final = 3.0


@dataclass(frozen=True, slots=True)
class Level:
    """One side at one concurrency.

    Attributes:
        calls: Calls that were made.
        p50_ms: Median of their latency.
        p99_ms: 99th percentile.
        cpu_ms: CPU of a call, user and system, over all processes.
        cpu_ms_a_model_call: CPU of a model call.
        model_calls_per_core_s: Model calls a second of CPU.
        model_calls_per_s: Model calls a second of the clock.
        cpu_ms_by_process: `cpu_ms` by process.
    """

    calls: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    cpu_ms_a_model_call: float
    model_calls_per_core_s: float
    model_calls_per_s: float
    cpu_ms_by_process: Mapping[str, float]

    @classmethod
    def of(cls, sample: Sample, model_calls: int) -> Level:
        """Returns the figures of a sample, with the number of model calls of each call."""
        calls = len(sample.latencies)
        ordered = sorted(sample.latencies)
        cpu = sum(sample.cpu.values())
        return cls(
            calls=calls,
            p50_ms=median(ordered) * 1e3,
            p99_ms=ordered[min(calls - 1, calls * 99 // 100)] * 1e3,
            cpu_ms=cpu / calls * 1e3,
            cpu_ms_a_model_call=cpu / calls / model_calls * 1e3,
            # The clock of CPU ticks: a short sample may have used none.
            model_calls_per_core_s=calls * model_calls / cpu if cpu else 0.0,
            model_calls_per_s=calls * model_calls / sample.wall,
            cpu_ms_by_process={name: used / calls * 1e3 for name, used in sample.cpu.items()},
        )


@dataclass(slots=True)
class Outcome:
    """One side, measured as far as it got.

    Attributes:
        title: Its name in the table.
        start_s: Seconds until it served.
        start_cpu_s: Seconds of CPU that it used until then.
        start_rss_mb: Memory of all its processes then.
        rss_mb: Memory of all its processes after the load.
        levels: Its figures by concurrency.
        memory: Memory by process, ten times while it made many more routes.
        failure: Why it was not measured to the end; empty if it was.
    """

    title: str
    start_s: float = 0.0
    start_cpu_s: float = 0.0
    start_rss_mb: float = 0.0
    rss_mb: float = 0.0
    levels: dict[int, Level] = field(default_factory=dict)
    memory: list[Mapping[str, Memory]] = field(default_factory=list)
    failure: str = ""


_COLUMNS: Final[Mapping[str, Callable[[Level], float]]] = {
    "p50 ms": lambda level: level.p50_ms,
    "p99 ms": lambda level: level.p99_ms,
    "CPU ms a call": lambda level: level.cpu_ms,
    "CPU ms a model call": lambda level: level.cpu_ms_a_model_call,
    "model calls a core-second": lambda level: level.model_calls_per_core_s,
}


def sides(outcomes: Iterable[Outcome]) -> str:
    """Returns the table of the sides, the figures at each concurrency beside each other."""
    at = " / ".join(map(str, LEVELS))
    head = [f"at {at} calls at once", *_COLUMNS, "RSS MB, at start and after", "start s, CPU s"]
    rows = []
    for outcome in outcomes:
        if outcome.failure:
            rows.append([outcome.title, f"failed: {outcome.failure}", *[""] * (len(head) - 2)])
            continue
        figures = [" / ".join(_short(of(outcome.levels[c])) for c in LEVELS) for of in _COLUMNS.values()]
        memory = f"{outcome.start_rss_mb:.0f}, {outcome.rss_mb:.0f}"
        rows.append([outcome.title, *figures, memory, f"{outcome.start_s:.1f}, {outcome.start_cpu_s:.1f}"])
    return table(head, rows)


def processes(outcome: Outcome, routes: int) -> str:
    """Returns the table of a side's processes: CPU, memory, and whether it grew in the routes' second half."""
    rows = []
    cpu_ms = outcome.levels[CPU_AT].cpu_ms_by_process
    half, last = outcome.memory[len(outcome.memory) // 2], outcome.memory[-1]
    for name, now in last.items():
        grown = now.rss - half[name].rss
        faults = ["grows"] if grown > max(_FLAT_MB, _FLAT_SHARE * now.rss) else []
        if now.rss > _MAX_MEMORY_MB and len(last) > 1:
            faults.append(f"over {_MAX_MEMORY_MB:.0f} MB")
        figures = [_short(value) for value in (cpu_ms[name], now.rss, now.uss, grown)]
        rows.append([name, *figures, ", ".join(faults) or "flat"])
    head = [outcome.title, "CPU ms a route", f"RSS MB after {routes:,} routes", "USS MB", "grown MB", ""]
    return table(head, rows)


def _short(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown whose columns stand below each other in a terminal too."""
    lines = [list(head), *(list(row) for row in rows)]
    # The sentence of a failure makes no column wide.
    widths = [max(len(line[i]) for line in lines if not line[i].startswith("failed: ")) for i in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines
    )
