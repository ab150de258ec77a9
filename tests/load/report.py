"""What was measured, as figures and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.load.load import Sample
from tests.load.processes import Memory

Figures = dict[str, object]

# Latency is measured without contention, CPU in a busy service, throughput in a saturated one.
LATENCY_AT: Final = 1
CPU_AT: Final = 8
THROUGHPUT_AT: Final = 32
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
        model_calls_per_s: Model calls a second of the clock.
        model_calls_per_core_s: Model calls a second of CPU.
        cpu_ms_by_process: `cpu_ms` by process.
    """

    calls: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    model_calls_per_s: float
    model_calls_per_core_s: float
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
            model_calls_per_s=calls * model_calls / sample.wall,
            model_calls_per_core_s=calls * model_calls / cpu,
            cpu_ms_by_process={name: used / calls * 1e3 for name, used in sample.cpu.items()},
        )


Levels = Mapping[int, Level]


def side(levels: Levels) -> Figures:
    """Returns the figures of one side."""
    return {
        "p50_ms": _round(levels[LATENCY_AT].p50_ms),
        "p99_ms": _round(levels[LATENCY_AT].p99_ms),
        "cpu_ms": _round(levels[CPU_AT].cpu_ms),
        "model_calls_per_core_s": {str(c): _round(level.model_calls_per_core_s) for c, level in levels.items()},
        "model_calls_per_s": {str(c): _round(level.model_calls_per_s) for c, level in levels.items()},
        "levels": {
            str(c): {
                "calls": level.calls,
                "p50_ms": _round(level.p50_ms),
                "p99_ms": _round(level.p99_ms),
                "cpu_ms": _round(level.cpu_ms),
                "cpu_ms_by_process": {name: _round(used) for name, used in level.cpu_ms_by_process.items()},
            }
            for c, level in levels.items()
        },
    }


def ratio(ours: Levels, theirs: Levels, model_calls: int) -> Figures:
    """Returns ours to theirs: a whole route's latency to one call's, and the rest by model call."""
    return {
        "p50": _round(ours[LATENCY_AT].p50_ms / theirs[LATENCY_AT].p50_ms),
        "cpu_per_model_call": _round(ours[CPU_AT].cpu_ms / model_calls / theirs[CPU_AT].cpu_ms),
        "model_calls_per_s": _round(ours[THROUGHPUT_AT].model_calls_per_s / theirs[THROUGHPUT_AT].model_calls_per_s),
        "model_calls_per_core_s": _round(
            ours[THROUGHPUT_AT].model_calls_per_core_s / theirs[THROUGHPUT_AT].model_calls_per_core_s
        ),
    }


def memory(samples: Sequence[Mapping[str, Memory]], routes: int) -> Figures:
    """Returns each process's memory after the routes, and whether it still grew in their second half."""
    half, last = samples[len(samples) // 2], samples[-1]
    services = {}
    for name, now in last.items():
        grown = now.rss - half[name].rss
        services[name] = {
            "rss_mb": _round(now.rss),
            "uss_mb": _round(now.uss),
            "grown_mb": _round(grown),
            "flat": grown <= max(_FLAT_MB, _FLAT_SHARE * now.rss),
        }
    return {"routes": routes, "services": services}


def show(console: Console, result: Mapping[str, Figures]) -> None:
    """Prints the figures."""
    _show_sides(console, result)
    _show_services(console, result)
    if "ratio" in result:
        _show_ratio(console, result["ratio"])


def _show_sides(console: Console, result: Mapping[str, Figures]) -> None:
    table = Table("", "c", "p50 ms", "p99 ms", "CPU ms", "model calls / core s", "model calls / s")
    for name, title in (("route", "whole route"), ("litellm", "LiteLLM, one call")):
        for c, level in _dict(result.get(name, {}).get("levels")).items():
            values = _dict(level)
            rates = [_dict(result[name][rate])[c] for rate in ("model_calls_per_core_s", "model_calls_per_s")]
            table.add_row(title, c, *(f"{values[key]}" for key in ("p50_ms", "p99_ms", "cpu_ms")), *map(str, rates))
    console.print(table)


def _show_services(console: Console, result: Mapping[str, Figures]) -> None:
    routes = result["memory"]["routes"]
    table = Table("service", f"CPU ms a route, c={CPU_AT}", f"RSS MB after {routes:,} routes", "USS MB", "grown MB", "")
    cpu = _dict(_dict(_dict(result["route"]["levels"])[str(CPU_AT)])["cpu_ms_by_process"])
    for name, found in _dict(result["memory"]["services"]).items():
        values = _dict(found)
        faults = [] if values["flat"] else ["grows"]
        if float(str(values["rss_mb"])) > _MAX_MEMORY_MB:
            faults.append(f"over {_MAX_MEMORY_MB:.0f} MB")
        row = (cpu[name], values["rss_mb"], values["uss_mb"], values["grown_mb"])
        table.add_row(name, *map(str, row), ", ".join(faults) or "flat")
    table.add_row("all", f"{sum(float(str(used)) for used in cpu.values()):.3f}")
    console.print(table)


def _show_ratio(console: Console, ratios: Figures) -> None:
    wanted = {"p50": ("≤", 1.5), "cpu_per_model_call": ("≤", 0.2), "model_calls_per_s": ("≥", 5.0)}
    table = Table("ours to LiteLLM's", "ratio", "to reach")
    for name, value in ratios.items():
        sign, goal = wanted.get(name, ("", 0.0))
        reached = float(str(value)) <= goal if sign == "≤" else float(str(value)) >= goal
        table.add_row(name, str(value), f"{sign} {goal:g}: {'yes' if reached else 'NO'}" if sign else "")
    console.print(table)


def _dict(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _round(value: float) -> float:
    return round(value, 3) if abs(value) < 100 else round(value, 1)
