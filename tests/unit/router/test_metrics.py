"""The metrics of routes and of the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.events import EventQueue, Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.route import Router
from lightrouter.router.telemetry import instruments as i
from lightrouter.router.telemetry.metrics import PoolMetrics, RouteMetrics, full_cost_nanousd
from lightrouter.router.telemetry.observers import RouteRecord
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.enums import OTHER, label
from lightrouter.runtime.errors import ServiceError, reason_name
from lightrouter.runtime.telemetry.instruments import Instrument
from lightrouter.runtime.telemetry.metrics import Metrics
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_HEALTH_NOT_SERVING,
    CANDIDATE_HEALTH_SERVING,
    CANDIDATE_HEALTH_UNSPECIFIED,
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
    Partial,
)
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure
from lightrouter.v1.ledger_pb2 import (
    STAGE_BOOT,
    STAGE_COMPLETE,
    STAGE_SELECT,
    Degradation,
    DegradedReason,
    LedgerEntry,
    Stage,
)
from lightrouter.v1.router_pb2 import Selection
from tests.clock import Clock
from tests.measured import values
from tests.unit.router.builders import failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.fakes import FakeModels, FakeSelector, Model

NAMES = ("a", "b", "c")
READ = ("complete", "input")
ROSTER = snapshot(*(pool_candidate(name) for name in NAMES))


class Measured:
    """A meter and its reader."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.meter = Metrics(Resource.create({}), self.reader).meter("1")
        self.routes = RouteMetrics(self.meter, lambda: ROSTER.candidates)

    def values(self, instrument: Instrument) -> dict[tuple[str, ...], float]:
        return values(self.reader, instrument)


@pytest.fixture
def measured() -> Measured:
    return Measured()


def routing(
    measured: Measured, selector: FakeSelector | None = None, models: Mapping[str, Model] | None = None
) -> Router:
    """Returns a measured router over these models; the others write an answer each."""
    known = FakeModels(ROSTER, **{**{name: Model() for name in NAMES}, **(models or {})})
    return router(known, selector, observers=[measured.routes])


def soon() -> Deadline:
    return Deadline.after(60)


async def test_a_route_s_metrics_are_its_ledger_s_sums(measured: Measured) -> None:
    answer = await routing(measured, FakeSelector({"a": 0.9, "b": 0.8})).route(prompt(), soon(), Events())
    ledger = answer.ledger
    assert measured.values(i.REQUESTS) == {("ok", ""): 1}
    assert measured.values(i.ROUTE_DURATION) == {("ok",): 1}
    assert measured.values(i.STAGE_DURATION) == {(name,): 1 for name in ("boot", "select", "complete", "aggregate")}
    assert sum(measured.values(i.CALLS).values()) == len(ledger.entries) == 5
    assert measured.values(i.CALL_FAILURES) == {}
    tokens = measured.values(i.TOKENS)
    assert sum(tokens.values()) == ledger.usage.input_tokens + ledger.usage.output_tokens
    assert {kind for _, _, kind in tokens} == {"input", "cached", "output", "reasoning"}
    assert sum(measured.values(i.COST).values()) == ledger.cost_nanousd
    spent = {(e.candidate, "boot"): e.cost_nanousd for e in ledger.entries if e.stage == STAGE_BOOT}
    assert spent.items() <= measured.values(i.COST).items()
    assert measured.values(i.BOOTED) == {(name,): 1 for name in NAMES}
    assert measured.values(i.CHOSEN) == {("a",): 1, ("b",): 1}
    assert measured.values(i.SELECTIONS) == {("consensus", "policy"): 1}
    assert measured.values(i.AGGREGATIONS) == {("synthesize",): 1}
    assert measured.values(i.ROUTES_IN_FLIGHT) == {(): 0}
    assert measured.values(i.TIME_TO_FIRST_TEXT) == {}


async def test_the_full_cost_is_counted_for_every_route_that_costs(measured: Measured) -> None:
    await routing(measured).route(prompt(), soon(), Events())
    failing = {name: Model(fails={STAGE_COMPLETE: failure()}) for name in NAMES}
    with pytest.raises(ServiceError):
        await routing(measured, models=failing).route(prompt(), soon(), Events())
    cost = sum(measured.values(i.COST).values())
    (full,) = measured.values(i.FULL_COST).values()
    # Two went on and read the prompt again, the third would have written two more words; the failed one only booted.
    read_twice = sum(count for (_, stage, kind), count in measured.values(i.TOKENS).items() if (stage, kind) == READ)
    assert full == cost - read_twice + 2


async def test_an_early_exit_is_counted_with_its_reason(measured: Measured) -> None:
    await routing(measured, FakeSelector({"a": 0.9, "b": 0.1, "c": 0.1})).route(prompt(), soon(), Events())
    await routing(measured, FakeSelector(agreement=1.0)).route(prompt(), soon(), Events())
    assert measured.values(i.SELECTIONS) == {("consensus", "margin"): 1, ("consensus", "agreement"): 1}
    assert measured.values(i.AGGREGATIONS) == {("best",): 2}


async def test_a_candidate_that_fails_makes_the_answer_degraded(measured: Measured) -> None:
    await routing(measured, models={"b": Model(fails={STAGE_BOOT: failure()})}).route(prompt(), soon(), Events())
    assert measured.values(i.REQUESTS) == {("degraded", ""): 1}
    assert measured.values(i.DEGRADED) == {("candidate_failed",): 1}
    assert measured.values(i.CALL_FAILURES) == {("b", "boot", "UPSTREAM_ERROR"): 1}
    assert measured.values(i.BOOTED) == {("a",): 1, ("c",): 1}


async def test_the_outcome_of_a_route_without_an_answer(measured: Measured, clock: Clock) -> None:
    broken = {name: Model(fails={STAGE_BOOT: failure()}) for name in NAMES}
    with pytest.raises(ServiceError):
        await routing(measured, models=broken).route(prompt(), soon(), Events())
    with pytest.raises(ServiceError):
        await routing(measured).route(prompt(candidates=["nobody"]), soon(), Events())
    hanging = routing(measured, models={name: Model(hangs={STAGE_BOOT}) for name in NAMES})
    assert measured.values(i.ROUTES_IN_FLIGHT) == {(): 0}
    for passes_s in (0, 600):
        task = asyncio.create_task(hanging.route(prompt(), Deadline.after(600), Events()))
        await asyncio.sleep(0)
        assert measured.values(i.ROUTES_IN_FLIGHT) == {(): 1}
        clock.advance(passes_s)
        task.cancel()
        await asyncio.wait((task,))
    assert measured.values(i.REQUESTS) == {
        ("failed", "ALL_CANDIDATES_FAILED"): 1,
        ("refused", "UNKNOWN_CANDIDATE"): 1,
        ("cancelled", "CANCELLED"): 1,
        ("failed", "DEADLINE_EXCEEDED"): 1,
    }
    assert measured.values(i.ROUTES_IN_FLIGHT) == {(): 0}


async def test_the_time_to_the_first_text_is_that_of_a_stream(measured: Measured) -> None:
    await routing(measured).route(prompt(k=1), soon(), EventQueue(wants_partials=False))
    assert measured.values(i.TIME_TO_FIRST_TEXT) == {(): 1}


def test_the_pool_s_states_and_health_are_those_of_now() -> None:
    reader = InMemoryMetricReader()
    pool = [snapshot(pool_candidate("a"), pool_candidate("b", state=CANDIDATE_STATE_PROBATION), pool_candidate("c"))]
    health = {"unix:/a": CANDIDATE_HEALTH_SERVING, "unix:/b": CANDIDATE_HEALTH_NOT_SERVING}
    meter = Metrics(Resource.create({}), reader).meter("1")
    PoolMetrics(meter, lambda: pool[0].candidates, lambda address: health.get(address, CANDIDATE_HEALTH_UNSPECIFIED))
    assert values(reader, i.CANDIDATE_STATE) == {("a", "admitted"): 1, ("b", "probation"): 1, ("c", "admitted"): 1}
    assert values(reader, i.CANDIDATE_SERVING) == {("a",): 1, ("b",): 0}
    pool[0] = snapshot(pool_candidate("a", state=CANDIDATE_STATE_EVICTED))
    assert values(reader, i.CANDIDATE_STATE) == {("a", "evicted"): 1}


def booted(name: str, *, ended: bool = False) -> BootResult:
    """Returns a boot of 10 tokens of a candidate that may write 100 tokens at a nano-dollar each."""
    known = pool_candidate(name, price=1_000_000)
    candidate = RouteCandidate(name, known, ROSTER.targets[name], boot_tokens=10, output_tokens=100)
    finish = FINISH_REASON_STOP if ended else FINISH_REASON_LENGTH
    return BootResult(candidate, Partial(candidate=name, text="text", finish_reason=finish), b"", 10)


def line(stage: Stage.ValueType, name: str, cost: int, usage: Usage | None = None) -> LedgerEntry:
    return LedgerEntry(stage=stage, candidate=name, cost_nanousd=cost, usage=usage)


def test_the_full_cost_is_that_of_every_candidate_s_whole_answer() -> None:
    ledger = RouteLedger()
    for name in NAMES:
        ledger.add(line(STAGE_BOOT, name, 100))
    ledger.add(line(STAGE_SELECT, "c", 50))
    ledger.add(line(STAGE_COMPLETE, "a", 70, Usage(input_tokens=40, output_tokens=30)))
    record = RouteRecord(ledger, tuple(map(booted, NAMES)), Selection(chosen=["a"]))
    # Three boots; a's 30 more tokens without the 40 that it read twice; 30 more of b and of c; nobody ranks.
    assert full_cost_nanousd(record) == 300 + 30 + 2 * 30
    record.boots = (booted("a"), booted("b", ended=True), booted("c"))
    assert full_cost_nanousd(record) == 300 + 30 + 30


def test_a_route_without_a_completion_counts_no_savings() -> None:
    ledger = RouteLedger()
    for name in NAMES:
        ledger.add(line(STAGE_BOOT, name, 100))
    record = RouteRecord(ledger, (booted("a", ended=True), booted("b"), booted("c")), Selection(chosen=["a"]))
    assert full_cost_nanousd(record) == 300


def test_callers_have_their_requests_and_their_cost_and_their_number_is_bound() -> None:
    measured = Measured()
    for number in range(300):
        ledger = RouteLedger()
        ledger.add(line(STAGE_BOOT, "a", 100))
        measured.routes.started()
        measured.routes.ended(RouteRecord(ledger, caller=f"caller {number % 250}" if number else ""))
    cost = measured.values(i.CALLER_COST)
    assert len(cost) == 202
    assert cost["",] == 100
    assert (cost["caller 1",], cost["caller 49",], cost["caller 200",], cost["other",]) == (200, 200, 100, 5000)
    assert measured.values(i.CALLER_REQUESTS)["caller 1", "failed"] == 2


TEXT = st.text(max_size=20)
USAGE = st.builds(Usage, input_tokens=st.integers(0, 9), output_tokens=st.integers(0, 9))
FAILURE = st.builds(Failure, reason=st.integers(0, 2**31 - 1), message=TEXT)
ENTRY = st.builds(
    LedgerEntry,
    stage=st.integers(0, 2**31 - 1),
    candidate=TEXT,
    model=TEXT,
    usage=st.none() | USAGE,
    failure=st.none() | FAILURE,
)
DEGRADATION = st.builds(Degradation, reason=st.integers(0, 2**31 - 1), message=TEXT, candidate=TEXT)


@settings(max_examples=100)
@given(st.lists(ENTRY, max_size=4), st.lists(DEGRADATION, max_size=2), st.integers(0, 2**31 - 1))
def test_only_the_pool_and_the_protos_make_labels(
    entries: list[LedgerEntry], degraded: list[Degradation], number: int
) -> None:
    measured = Measured()
    record = RouteRecord(RouteLedger(), error=number)  # type: ignore[arg-type]  # a reason of a newer service
    record.ledger.extend(entries, degraded)
    measured.routes.started()
    measured.routes.ended(record)
    for name, _stage in measured.values(i.CALLS):
        assert name in {*NAMES, "other"}
    errors = {reason_name(number) for number in ErrorReason.values()}
    reasons = {label(DegradedReason, number) for number in DegradedReason.values()}
    for instrument, words in ((i.CALL_FAILURES, errors), (i.REQUESTS, errors), (i.DEGRADED, reasons)):
        assert {key[-1] for key in measured.values(instrument)} <= {*words, OTHER}
