"""The marks: what the suite has to cost beside its other way to run, and beside the proxies of others, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.load.report import CPU_AT, LATENCY_AT, THROUGHPUT_AT, Outcome, table

ONE, SERVICES, FLOOR, TRACED, LITELLM, PORTKEY = "one", "services", "floor", "traced", "litellm", "portkey"


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark.

    Attributes:
        what: What is compared, as the table shows it.
        of: The side that has to reach it.
        to: The side that it is compared with; the same if the figure itself counts.
        figure: The figure of a side.
        bound: The most that the ratio or the figure may be; the least if `least`.
        least: Whether the bound is the least.
    """

    what: str
    of: str
    to: str
    figure: Callable[[Outcome], float]
    bound: float
    least: bool = False

    def measured(self, outcomes: Mapping[str, Outcome]) -> float | None:
        """Returns the ratio, or the figure; None if a side was not measured."""
        both = [outcomes.get(name) for name in (self.of, self.to)]
        ours, theirs = both
        if ours is None or theirs is None or ours.failure or theirs.failure:
            return None
        own = self.figure(ours)
        return own if self.of == self.to else own / self.figure(theirs)

    def floor(self, outcomes: Mapping[str, Outcome]) -> float | None:
        """Returns the ratio that the libraries alone would reach; None if it was not measured or says nothing."""
        return None if self.of != ONE or self.to == ONE else replace(self, of=TRACED).measured(outcomes)

    def reached(self, measured: float) -> bool:
        """Returns whether a measured ratio or figure reaches the mark."""
        return measured >= self.bound if self.least else measured <= self.bound


def _p50(outcome: Outcome) -> float:
    return outcome.levels[LATENCY_AT].p50_ms


def _cpu(outcome: Outcome) -> float:
    return outcome.levels[CPU_AT].cpu_ms_a_model_call


def _rate(outcome: Outcome) -> float:
    return outcome.levels[THROUGHPUT_AT].model_calls_per_core_s


MARKS: Final = (
    Mark("CPU a route, one process to services", ONE, SERVICES, _cpu, 0.25),
    Mark("p50 of a route, one process to services", ONE, SERVICES, _p50, 1 / 3),
    Mark("RSS MB in all, one process", ONE, ONE, lambda outcome: outcome.rss_mb, 250),
    Mark("start of one process, s", ONE, ONE, lambda outcome: outcome.start_s, 3),
    Mark("p50 of a route to LiteLLM's one call, one process", ONE, LITELLM, _p50, 0.5),
    Mark("CPU a model call to LiteLLM's, one process", ONE, LITELLM, _cpu, 0.05),
    Mark("CPU a model call to LiteLLM's, services", SERVICES, LITELLM, _cpu, 0.12),
    Mark("model calls a core-second to Portkey's, one process", ONE, PORTKEY, _rate, 3, least=True),
)


def show(outcomes: Mapping[str, Outcome]) -> str:
    """Returns the table of the marks."""
    rows = []
    for mark in MARKS:
        wanted = f"{'≥' if mark.least else '≤'} {mark.bound:.3g}"
        measured = mark.measured(outcomes)
        floor = mark.floor(outcomes)
        least = "" if floor is None else f"{floor:.3g}"
        if measured is None:
            rows.append([mark.what, "not measured", wanted, "", least])
        else:
            rows.append([mark.what, f"{measured:.3g}", wanted, "yes" if mark.reached(measured) else "NO", least])
    return table(["mark", "measured", "to reach", "", "floor"], rows)
