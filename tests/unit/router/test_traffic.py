"""The traffic monitor: which candidates are held, which are released, and the announcements of both."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.pool.signals import Signals, signals_of
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.rules import DriftRules
from lightrouter.router.telemetry.observers import RouteRecord
from lightrouter.runtime.ledger import duration
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from lightrouter.runtime.telemetry.metrics import Metrics
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_ADMITTED,
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
    Candidate,
    Evaluation,
    ModelTarget,
    Partial,
    RankedCandidate,
    Ranking,
)
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS as CONSENSUS
from lightrouter.v1.policy_pb2 import (
    SELECTOR_STRATEGY_LLM,
    SELECTOR_STRATEGY_PRIOR,
    SELECTOR_STRATEGY_RANDOM,
    Policy,
    SelectorStrategy,
)
from lightrouter.v1.router_pb2 import Answer, Selection
from tests.measured import values
from tests.unit.router.builders import pool_candidate, snapshot, traffic

NAMES = "abcd"
POOL = snapshot(*(pool_candidate(name) for name in NAMES))
RULES = DriftRules(run_length=1_000)


def good(random: Random) -> Signals:
    return Signals(
        failed=(random.random() < 0.01,),
        boot_s=0.2,
        complete_s=0.2,
        slowness=random.uniform(0.4, 0.6),
        selected=random.random() < 0.5,
        agreement=random.uniform(0.5, 0.9),
        inferiority=random.uniform(0.4, 0.6),
    )


BAD: Mapping[str, Signals] = {
    "calls failed": Signals(failed=(True,)),
    "times as long": Signals(failed=(False,), boot_s=2.0, slowness=0.9, selected=True, agreement=0.7),
    "partials scored -0.30": Signals(
        failed=(False,), boot_s=0.2, slowness=0.5, selected=False, agreement=0.7, inferiority=0.8
    ),
    "agreed with the answers to 0.10": Signals(failed=(False,), boot_s=0.2, slowness=0.5, selected=True, agreement=0.1),
}


def drive(watched: TrafficMonitor, requests: int, random: Random, bad: Mapping[str, Signals] | None = None) -> None:
    """Sends this many requests; the candidates in `bad` show those signals."""
    for _ in range(requests):
        watched.note({name: (bad or {}).get(name) or good(random) for name in NAMES})


def held(watched: TrafficMonitor) -> list[str]:
    return [c.name for c in watched.snapshot().candidates.values() if c.state == CANDIDATE_STATE_PROBATION]


def settled(random: Random, rules: DriftRules = RULES) -> TrafficMonitor:
    watched = traffic(POOL, rules)
    drive(watched, 1_000, random)
    assert not held(watched)
    return watched


@pytest.mark.parametrize("sentence", BAD)
def test_a_candidate_that_leaves_its_history_is_held_and_released(sentence: str) -> None:
    random = Random(1)
    watched = settled(random)
    drive(watched, 500, random, {"b": BAD[sentence]})
    assert held(watched) == ["b"]
    seen = watched.of("b")
    assert seen is not None
    assert sentence in seen.drift
    for name in "acd":
        other = watched.of(name)
        assert other is not None
        assert not other.drift
    drive(watched, 1_000, random)
    assert not held(watched)
    back = watched.of("b")
    assert back is not None
    assert not back.drift


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize(("waited_s", "drifts"), [(0.05, False), (0.3, False), (0.7, True), (30.0, True)])
def test_a_caller_s_short_deadline_is_no_drift(waited_s: float, drifts: bool, stage: Stage.ValueType) -> None:
    """Boots and completions take 0.2 s here."""
    random = Random(1)
    watched = settled(random)
    drive(watched, 500, random, {"b": Signals(timed_out=((stage, waited_s),))})
    assert held(watched) == (["b"] if drifts else [])


def test_figures_are_those_of_late() -> None:
    random = Random(1)
    watched = settled(random)
    seen = watched.of("a")
    assert seen is not None
    assert seen.requests == pytest.approx(200, abs=2)
    assert seen.failure_rate == pytest.approx(0.01, abs=0.03)
    assert seen.boot_latency.nanos == pytest.approx(2e8, rel=1e-6)
    assert seen.selected_share == pytest.approx(0.5, abs=0.15)
    assert seen.agreement == pytest.approx(0.7, abs=0.05)
    assert traffic(POOL).of("a") is None
    assert traffic(POOL).of("z") is None


@pytest.mark.parametrize("minimum", [1, 2, 3, 4, 9])
def test_an_outage_of_all_never_undercuts_the_minimum(minimum: int) -> None:
    random = Random(1)
    watched = settled(random, DriftRules(run_length=1_000, minimum=minimum))
    drive(watched, 100, random, dict.fromkeys(NAMES, BAD["calls failed"]))
    assert len(held(watched)) == max(0, len(NAMES) - minimum)
    conditions = watched.conditions()
    assert len(conditions) == min(minimum, len(NAMES))
    assert {condition.type for condition in conditions} == {"MinimumReached"}
    drive(watched, 1_000, random)
    assert not held(watched)
    assert not watched.conditions()


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(list(BAD)), st.integers(1, 400)), max_size=6),
    st.integers(1, 5),
)
def test_the_minimum_always_holds(steps: list[tuple[str, str, int]], minimum: int) -> None:
    random = Random(7)
    watched = traffic(POOL, DriftRules(run_length=10, minimum=minimum))
    for name, what, requests in steps:
        drive(watched, requests, random, {name: BAD[what]})
        assert len(NAMES) - len(held(watched)) >= min(minimum, len(NAMES))


def evaluated(name: str, at: int, **fields: object) -> Candidate:
    changed = pool_candidate(name, **fields)  # type: ignore[arg-type]  # passed on as they are
    changed.evaluation.CopyFrom(Evaluation(evaluated_at=Timestamp(seconds=at), explanation=f"{name} was judged"))
    return changed


def others() -> list[Candidate]:
    return [pool_candidate(name) for name in "acd"]


def test_an_evaluation_ends_the_probation_of_the_router() -> None:
    random = Random(1)
    watched = settled(random)
    drive(watched, 500, random, {"b": BAD["calls failed"]})
    watched.follow(snapshot(pool_candidate("b"), *others()))
    assert held(watched) == ["b"]
    watched.follow(snapshot(evaluated("b", 1), *others()))
    assert not held(watched)
    assert watched.of("b") is None


def test_a_candidate_that_leaves_the_pool_takes_its_drift_with_it() -> None:
    random = Random(1)
    watched = settled(random)
    heard: list[tuple[str, str]] = []
    watched.listen(lambda name, drift: heard.append((name, drift)))
    drive(watched, 500, random, {"b": BAD["calls failed"]})
    assert [name for name, _ in heard] == ["b"]
    watched.follow(snapshot(*others()))
    assert heard[1:] == [("b", "")]


def test_the_states_of_the_pool_are_obeyed() -> None:
    random = Random(1)
    watched = settled(random)
    drive(watched, 500, random, {"b": BAD["calls failed"]})
    watched.follow(snapshot(evaluated("b", 1, state=CANDIDATE_STATE_EVICTED), *others()))
    assert watched.snapshot().candidates["b"].state == CANDIDATE_STATE_EVICTED
    watched.follow(snapshot(*others()))
    assert "b" not in watched.snapshot().candidates
    assert watched.of("b") is None


def test_another_model_of_the_same_name_has_no_history() -> None:
    random = Random(1)
    watched = settled(random)
    drive(watched, 500, random, {"b": BAD["calls failed"]})
    changed = pool_candidate("b")
    changed.model = "another"
    watched.follow(snapshot(changed, *others()))
    assert not held(watched)
    assert watched.of("b") is None


def booted(names: str) -> list[BootResult]:
    """Returns equal boots of these candidates."""
    return [
        BootResult(
            RouteCandidate(name, pool_candidate(name), ModelTarget(candidate=name), 2, 8),
            Partial(candidate=name, text="The capital", finish_reason=FINISH_REASON_LENGTH),
            b"",
            2,
        )
        for name in names
    ]


def equals(
    watched: TrafficMonitor, routes: int, names: str, k: int, strategy: SelectorStrategy.ValueType = CONSENSUS
) -> None:
    """Sends this many routes, in which these candidates boot equally fast, write the same and score by their priors."""
    scores = {name: 0.95 - place / 100 for place, name in enumerate(NAMES) if name in names}
    if strategy != CONSENSUS:
        scores = {name: place / 3 for place, name in enumerate(NAMES) if name in names}
    ranking = Ranking(candidates=[RankedCandidate(candidate=name, score=score) for name, score in scores.items()])
    selection = Selection(ranking=ranking, strategy=strategy, chosen=names[:k])
    entries = [LedgerEntry(stage=STAGE_BOOT, candidate=name, elapsed=duration(0.2)) for name in names]
    seen = signals_of(entries, booted(names), selection, dict.fromkeys(names, 1.0))
    for _ in range(routes):
        watched.note(seen)


def test_a_choice_among_equals_is_no_drift() -> None:
    """Rivals that leave and return, other policies and a selector that fails make no candidate look worse."""
    watched = traffic(POOL, RULES)
    for asked, k, strategy in (
        ("acd", 2, CONSENSUS),
        ("abcd", 2, CONSENSUS),
        ("abcd", 4, CONSENSUS),
        ("abcd", 1, CONSENSUS),
        ("cd", 2, CONSENSUS),
        ("bcd", 1, SELECTOR_STRATEGY_PRIOR),
        ("abcd", 1, SELECTOR_STRATEGY_RANDOM),
        ("abc", 2, CONSENSUS),
    ):
        equals(watched, 1_000, asked, k, strategy)
        assert not held(watched), asked
    seen = watched.of("c")
    assert seen is not None
    assert seen.selected_share == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("without", "beside"),
    [
        (Signals(slowness=0.2), Signals(slowness=0.8)),
        (Signals(inferiority=0.2), Signals(inferiority=0.8)),
        (Signals(agreement=0.8), Signals(agreement=0.2)),
    ],
    ids=["slowness", "score", "agreement"],
)
def test_a_rival_that_was_away_makes_nobody_drift(without: Signals, beside: Signals) -> None:
    """Its adapter did not serve. It is faster and better than the others, whose texts differ from its own."""
    watched = traffic(POOL, RULES)
    few, every = frozenset("bcd"), frozenset(NAMES)
    for _ in range(3):
        for _ in range(1_000):
            watched.note(dict.fromkeys(few, replace(without, cohort=few)))
        assert not held(watched)
        for _ in range(1_000):
            watched.note(dict.fromkeys(few, replace(beside, cohort=every)))
        assert not held(watched)
    # A change is found in both cohorts.
    for _ in range(300):
        watched.note({"c": replace(beside, cohort=few)})
    assert held(watched) == ["c"]


@pytest.mark.parametrize("terms", ["boot tokens", "strategy"])
def test_another_callers_terms_make_nobody_drift(terms: str) -> None:
    """With the usual policy `c` is as fast and as good as the others; with another caller's policy it is neither."""
    watched = traffic(POOL, RULES)
    own = Policy(boot_tokens=64 if terms == "boot tokens" else 8)
    strategy = SELECTOR_STRATEGY_LLM if terms == "strategy" else CONSENSUS

    def route(policy: Policy, strategy: SelectorStrategy.ValueType, seconds: float, score: float) -> RouteRecord:
        record = RouteRecord(
            RouteLedger(), policy=policy, answer=Answer(text="The capital of France", candidates=["a", "b"])
        )
        record.boots = tuple(booted(NAMES))
        for name in NAMES:
            took = duration(seconds if name == "c" else 0.2)
            record.ledger.add(LedgerEntry(stage=STAGE_BOOT, candidate=name, elapsed=took))
        ranked = [RankedCandidate(candidate=name, score=score if name == "c" else 0.9) for name in NAMES]
        record.selection = Selection(ranking=Ranking(candidates=ranked), strategy=strategy, chosen=["a", "b"])
        return record

    for policy, ranked_by, seconds, score in ((Policy(boot_tokens=8), CONSENSUS, 0.2, 0.9), (own, strategy, 2.0, 0.3)):
        record = route(policy, ranked_by, seconds, score)
        for _ in range(400):
            watched.ended(record)
        assert not held(watched)
    worse = route(Policy(boot_tokens=8), CONSENSUS, 2.0, 0.3)
    for _ in range(400):
        watched.ended(worse)
    assert held(watched) == ["c"]


def test_company_that_changes_makes_no_drift() -> None:
    """A better candidate joins: the others score lower beside it from then on, which is no drift."""
    random = Random(1)
    watched = settled(random)
    watched.follow(snapshot(*(pool_candidate(name) for name in "abcde")))
    drive(watched, 2_000, random, dict.fromkeys(NAMES, BAD["partials scored -0.30"]))
    assert not held(watched)


def test_an_evaluation_that_changes_who_is_chosen_makes_no_drift() -> None:
    random = Random(1)
    watched = settled(random)
    better = evaluated("a", 1)
    better.evaluation.score = 0.9
    watched.follow(snapshot(better, *(pool_candidate(name) for name in "bcd")))
    drive(watched, 2_000, random, dict.fromkeys("bcd", BAD["partials scored -0.30"]))
    assert not held(watched)


def test_every_change_is_announced_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    caplog.set_level(logging.INFO)
    random = Random(1)
    reader = InMemoryMetricReader()
    meter = Metrics(Resource.create({}), reader).meter("1")
    watched = traffic(POOL, RULES, provider.get_tracer("test"), meter)
    heard: list[tuple[str, bool]] = []
    watched.listen(lambda name, drift: heard.append((name, bool(drift))))
    drive(watched, 2_000, random)
    drive(watched, 500, random, {"b": BAD["calls failed"]})
    drive(watched, 2_000, random)
    watched.follow(snapshot(evaluated("b", 1, state=CANDIDATE_STATE_EVICTED), *others()))
    watched.follow(snapshot(evaluated("b", 2, state=CANDIDATE_STATE_ADMITTED), *others()))

    spans = exporter.get_finished_spans()
    assert {span.name for span in spans} == {names.POOL_CHANGE}
    told = [dict(event.attributes or {}) for span in spans for event in span.events]
    assert [(each[names.CANDIDATE], each[names.STATE], each[names.REASON]) for each in told] == [
        ("b", "probation", "drifted"),
        ("b", "admitted", "returned"),
        ("b", "evicted", "pool"),
        ("b", "admitted", "pool"),
    ]
    assert "calls failed" in str(told[0][names.MESSAGE])
    assert told[2][names.MESSAGE] == "b was judged"
    lines = [record.getMessage() for record in caplog.records if record.name == "lightrouter.router.pool.transitions"]
    assert len(lines) == 4
    assert all(str(each[names.MESSAGE]) in line for each, line in zip(told, lines, strict=True))
    assert heard == [("b", True), ("b", False)]
    assert values(reader, STATE_CHANGES) == {
        ("b", "admitted", "probation", "drifted"): 1,
        ("b", "probation", "admitted", "returned"): 1,
        ("b", "admitted", "evicted", "pool"): 1,
        ("b", "evicted", "admitted", "pool"): 1,
    }
