"""Metrics of the router: of every route, from its ledger when it has ended, and of the pool."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from opentelemetry.metrics import Meter

from lightrouter.router.telemetry import instruments as i
from lightrouter.router.telemetry.observers import RouteRecord
from lightrouter.runtime.enums import OTHER, series
from lightrouter.runtime.errors import reason_series
from lightrouter.runtime.ledger import cost_nanousd
from lightrouter.runtime.telemetry.instruments import Values
from lightrouter.runtime.telemetry.metrics import Tally, histogram, observe
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_HEALTH_SERVING,
    CANDIDATE_HEALTH_UNSPECIFIED,
    Candidate,
    CandidateHealth,
    CandidateState,
)
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.ledger_pb2 import STAGE_COMPLETE, STAGE_SELECT, DegradedReason, LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, SelectorStrategy
from lightrouter.v1.router_pb2 import SelectionReason

# A choice: more callers than a team names in a tokens file; signed tokens may bring any number.
_MOST_CALLERS: Final = 200


class RouteMetrics:
    """Measures every route; an `Observer`.

    Candidates outside the pool count as `other`, as do callers beyond the first 200, to bound the series.
    """

    def __init__(self, meter: Meter, known: Callable[[], Collection[str]]) -> None:
        """Reports to `meter`; `known` returns the names of the pool's candidates."""
        self._known = known
        self._requests = Tally(i.REQUESTS).report(meter)
        self._calls = Tally(i.CALLS).report(meter)
        self._failures = Tally(i.CALL_FAILURES).report(meter)
        self._tokens = Tally(i.TOKENS).report(meter)
        self._cost = Tally(i.COST).report(meter)
        self._full_cost = Tally(i.FULL_COST).report(meter)
        self._caller_requests = Tally(i.CALLER_REQUESTS).report(meter)
        self._caller_cost = Tally(i.CALLER_COST).report(meter)
        self._callers: set[str] = set()
        self._degraded = Tally(i.DEGRADED).report(meter)
        self._booted = Tally(i.BOOTED).report(meter)
        self._chosen = Tally(i.CHOSEN).report(meter)
        self._selections = Tally(i.SELECTIONS).report(meter)
        self._aggregations = Tally(i.AGGREGATIONS).report(meter)
        self._route_seconds = histogram(meter, i.ROUTE_DURATION)
        self._stage_seconds = histogram(meter, i.STAGE_DURATION)
        self._first_text_seconds = histogram(meter, i.TIME_TO_FIRST_TEXT)
        self._in_flight = 0
        observe(meter, i.ROUTES_IN_FLIGHT, lambda: {(): self._in_flight})

    def started(self) -> None:
        """Counts a route that started."""
        self._in_flight += 1

    def ended(self, record: RouteRecord) -> None:
        """Measures a route that has ended."""
        self._in_flight -= 1
        ledger = record.ledger
        outcome = record.outcome
        self._requests.add(1, outcome.value, "" if record.answer is not None else reason_series(record.error))
        self._route_seconds.record(ledger.elapsed_s, outcome.value)
        for stage in ledger.stages:
            elapsed = stage.elapsed
            self._stage_seconds.record(elapsed.seconds + elapsed.nanos / 1e9, series(Stage, stage.stage))
        if record.first_text_s is not None:
            self._first_text_seconds.record(record.first_text_s)
        for degradation in ledger.degraded:
            self._degraded.add(1, series(DegradedReason, degradation.reason))
        self._count_calls(ledger.entries)
        self._count_caller(record)
        self._full_cost.add(full_cost_nanousd(record))
        self._count_selection(record)

    def _count_calls(self, entries: Iterable[LedgerEntry]) -> None:
        known = self._known()
        for entry in entries:
            candidate = entry.candidate if entry.candidate in known else OTHER
            stage = series(Stage, entry.stage)
            self._calls.add(1, candidate, stage)
            if entry.HasField("failure"):
                self._failures.add(1, candidate, stage, reason_series(entry.failure.reason))
            if entry.HasField("usage"):
                for kind, count in _kinds(entry.usage):
                    self._tokens.add(count, candidate, stage, kind)
            self._cost.add(entry.cost_nanousd, candidate, stage)

    def _count_caller(self, record: RouteRecord) -> None:
        if record.caller and len(self._callers) < _MOST_CALLERS:
            self._callers.add(record.caller)
        caller = record.caller if not record.caller or record.caller in self._callers else OTHER
        self._caller_requests.add(1, caller, record.outcome.value)
        self._caller_cost.add(sum(entry.cost_nanousd for entry in record.ledger.entries), caller)

    def _count_selection(self, record: RouteRecord) -> None:
        for boot in record.boots:
            self._booted.add(1, boot.candidate.name)
        selection = record.selection
        if selection is not None:
            for name in selection.chosen:
                self._chosen.add(1, name)
            strategy = series(SelectorStrategy, selection.strategy)
            self._selections.add(1, strategy, series(SelectionReason, selection.reason))
        if record.answer is not None:
            self._aggregations.add(1, series(AggregatorStrategy, record.answer.aggregator))


def full_cost_nanousd(record: RouteRecord) -> int:
    """Returns the estimated cost of the route if every booted candidate had written its whole answer, in nano-dollars.

    Such a route has no ranking and reads the prompt once per candidate. The answers are as long as those of the
    candidates that went on; if none did, the boots count as whole answers.
    """
    entries = record.ledger.entries
    cost = sum(entry.cost_nanousd for entry in entries if entry.stage != STAGE_SELECT)
    delivered = [entry for entry in entries if not entry.HasField("failure")]
    completions = [entry for entry in delivered if entry.stage == STAGE_COMPLETE or entry.went_on]
    if not completions or record.selection is None:
        return cost
    prices = {boot.candidate.name: boot.candidate.spec.prices for boot in record.boots}
    booted = {boot.candidate.name: boot.used_tokens for boot in record.boots}
    written = 0
    for entry in completions:
        written += entry.usage.output_tokens - (booted.get(entry.candidate, 0) if entry.went_on else 0)
        if entry.candidate in prices and not entry.went_on:
            read = Usage(input_tokens=entry.usage.input_tokens, cached_input_tokens=entry.usage.cached_input_tokens)
            cost -= cost_nanousd(prices[entry.candidate], read)
    written = round(written / len(completions))
    for boot in record.boots:
        if not boot.ended and boot.candidate.name not in record.selection.chosen:
            rest = Usage(output_tokens=min(written, boot.tokens_left))
            cost += cost_nanousd(boot.candidate.spec.prices, rest)
    return cost


class PoolMetrics:
    """Reports the state of the pool's candidates and whether their adapters serve."""

    def __init__(
        self,
        meter: Meter,
        candidates: Callable[[], Mapping[str, Candidate]],
        health_of: Callable[[str], CandidateHealth.ValueType],
    ) -> None:
        """Reports to `meter`; `candidates` returns the current pool, `health_of` the health of an adapter's address."""
        self._candidates = candidates
        self._health_of = health_of
        observe(meter, i.CANDIDATE_STATE, self._states)
        observe(meter, i.CANDIDATE_SERVING, self._serving)

    def _states(self) -> Mapping[Values, int]:
        candidates = self._candidates().values()
        return {(candidate.name, series(CandidateState, candidate.state)): 1 for candidate in candidates}

    def _serving(self) -> Mapping[Values, int]:
        healths = {name: self._health_of(c.address) for name, c in self._candidates().items()}
        known = {name: health for name, health in healths.items() if health != CANDIDATE_HEALTH_UNSPECIFIED}
        return {(name,): int(health == CANDIDATE_HEALTH_SERVING) for name, health in known.items()}


def _kinds(usage: Usage) -> Iterable[tuple[str, int]]:
    """Returns the tokens by type; each token counts for one type."""
    return (
        ("input", usage.input_tokens - usage.cached_input_tokens),
        ("cached", usage.cached_input_tokens),
        ("output", usage.output_tokens - usage.reasoning_tokens),
        ("reasoning", usage.reasoning_tokens),
    )
