"""What one route shows of its candidates."""

from __future__ import annotations

from collections.abc import Hashable
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.pool.signals import Signals, agreement_with, signals_of
from lightrouter.runtime.ledger import duration
from lightrouter.v1.candidate_pb2 import ModelTarget, Partial, RankedCandidate, Ranking
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_CONTENT_FILTER,
    FINISH_REASON_LENGTH,
    FINISH_REASON_STOP,
    FINISH_REASON_UNKNOWN,
    FINISH_REASON_UNSPECIFIED,
    FinishReason,
)
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_CIRCUIT_OPEN,
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_INVALID_REQUEST,
    ERROR_REASON_NOT_RECORDED,
    ERROR_REASON_OVERLOADED,
    ERROR_REASON_REQUEST_TOO_LARGE,
    ERROR_REASON_STRAGGLER,
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_REJECTED,
    ERROR_REASON_UPSTREAM_TIMEOUT,
    ERROR_REASON_UPSTREAM_UNAUTHENTICATED,
    ErrorReason,
    Failure,
)
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE, STAGE_SELECT, LedgerEntry, Stage
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS as CONSENSUS
from lightrouter.v1.policy_pb2 import (
    SELECTOR_STRATEGY_LEARNED,
    SELECTOR_STRATEGY_LLM,
    SELECTOR_STRATEGY_PRIOR,
    SELECTOR_STRATEGY_RANDOM,
    AnswerPattern,
    Policy,
    SelectorStrategy,
)
from lightrouter.v1.router_pb2 import Answer, Selection
from tests.unit.router.builders import pool_candidate


def booted(name: str, text: str = "", finish: FinishReason.ValueType = FINISH_REASON_LENGTH) -> BootResult:
    candidate = RouteCandidate(name, pool_candidate(name), ModelTarget(candidate=name), 2, 8)
    return BootResult(candidate, Partial(candidate=name, text=text, finish_reason=finish), b"", 2)


def call(
    name: str,
    seconds: float = 1.0,
    stage: Stage.ValueType = STAGE_BOOT,
    failure: ErrorReason.ValueType | None = None,
) -> LedgerEntry:
    entry = LedgerEntry(stage=stage, candidate=name, elapsed=duration(seconds))
    if failure is not None:
        entry.failure.CopyFrom(Failure(reason=failure))
    return entry


def chose(*names: str, strategy: SelectorStrategy.ValueType = CONSENSUS, **scores: float) -> Selection:
    ranked = [RankedCandidate(candidate=name, score=score) for name, score in scores.items()]
    return Selection(chosen=names, strategy=strategy, ranking=Ranking(candidates=ranked))


def beside(names: str, strategy: SelectorStrategy.ValueType = CONSENSUS, boot_tokens: int = 0) -> Hashable:
    return frozenset(names), strategy, boot_tokens


def test_candidates_compared_under_other_terms_have_other_peers() -> None:
    entries = [call("a"), call("b")]
    seen = signals_of(entries, [booted("a")], chose("a", strategy=SELECTOR_STRATEGY_LLM), {}, boot_tokens=7)
    assert {name: each.cohort for name, each in seen.items()} == {
        "a": beside("a", SELECTOR_STRATEGY_LLM, 7),
        "b": beside("ab", SELECTOR_STRATEGY_LLM, 7),
    }


def test_a_route_shows_how_each_candidate_did() -> None:
    entries = [
        call("a", 1.0),
        call("b", 3.0),
        call("c", 1.0),
        call("d", 1.0),
        call("a", 5.0, STAGE_SELECT),
        call("a", stage=STAGE_COMPLETE),
        call("b", stage=STAGE_COMPLETE, failure=ERROR_REASON_UPSTREAM_ERROR),
    ]
    seen = signals_of(entries, [booted(name) for name in "abcd"], chose("a", "b"), {"c": 0.25})
    assert seen == {
        "a": Signals((False, False), 1.0, 0.5, True, complete_s=1.0, cohort=beside("abcd")),
        "b": Signals((False, True), 3.0, 0.75, True, cohort=beside("abcd")),
        "c": Signals((False,), 1.0, 0.5, False, 0.25, cohort=beside("abcd")),
        "d": Signals((False,), 1.0, 0.5, False, cohort=beside("abcd")),
    }


def test_a_late_candidate_is_slow_and_a_timeout_may_be_a_failure_too() -> None:
    entries = [
        call("a"),
        call("b"),
        call("c", 3.0, failure=ERROR_REASON_STRAGGLER),
        call("d", 9.0, failure=ERROR_REASON_UPSTREAM_TIMEOUT),
    ]
    seen = signals_of(entries, [booted("a"), booted("b")], chose("a"), {})
    assert seen["c"] == Signals((False,), slowness=0.75, cohort=beside("abc"))
    assert seen["d"] == Signals(slowness=0.9, timed_out=((STAGE_BOOT, 9.0),), cohort=beside("abd"))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # Equal scores are equal, whichever candidate is chosen.
        ({"a": 0.9, "b": 0.9, "c": 0.9}, 0.5),
        ({"a": 0.9, "c": 0.9}, 0.5),
        ({"a": 0.9, "b": 0.6, "c": 0.8}, 0.45),
        ({"a": 0.9, "b": 0.5, "c": 0.4, "d": 0.8}, 0.9),
        ({"a": 1.0, "b": 1.0, "c": 0.0}, 1.0),
        ({"a": 0.0, "b": 0.0, "c": 1.0}, 0.0),
        ({"c": 0.9}, None),
        ({"a": 0.9}, None),
    ],
)
@pytest.mark.parametrize("strategy", [CONSENSUS, SELECTOR_STRATEGY_LLM, SELECTOR_STRATEGY_LEARNED])
def test_a_score_is_seen_beside_the_others(
    scores: dict[str, float], expected: float | None, strategy: SelectorStrategy.ValueType
) -> None:
    entries = [call(name) for name in "abcd"]
    partials = [booted(name, "text") for name in "abcd"]
    for chosen in ("a", "c", "abc"):
        seen = signals_of(entries, partials, chose(*chosen, strategy=strategy, **scores), {})
        assert seen["c"].inferiority == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("strategy", "text", "finish"),
    [
        (SELECTOR_STRATEGY_PRIOR, "text", FINISH_REASON_LENGTH),
        (SELECTOR_STRATEGY_RANDOM, "text", FINISH_REASON_LENGTH),
        (CONSENSUS, "", FINISH_REASON_LENGTH),
        (CONSENSUS, "text", FINISH_REASON_CONTENT_FILTER),
        (CONSENSUS, "text", FINISH_REASON_UNKNOWN),
    ],
)
def test_a_score_without_a_judgement_says_nothing(
    strategy: SelectorStrategy.ValueType, text: str, finish: FinishReason.ValueType
) -> None:
    partials = [booted("a", "text"), booted("b", "text"), booted("c", text, finish)]
    selection = chose("a", strategy=strategy, a=0.9, b=0.9, c=0.1)
    assert signals_of([call(name) for name in "abc"], partials, selection, {})["c"].inferiority is None


@pytest.mark.parametrize("stage", [STAGE_BOOT, STAGE_COMPLETE])
@pytest.mark.parametrize(
    ("reason", "its_own"),
    [
        (ERROR_REASON_UPSTREAM_ERROR, True),
        (ERROR_REASON_UPSTREAM_UNAUTHENTICATED, True),
        (ERROR_REASON_EMPTY_OUTPUT, True),
        # Another request would not have had these failures.
        (ERROR_REASON_UPSTREAM_REJECTED, False),
        (ERROR_REASON_CONTEXT_WINDOW_EXCEEDED, False),
        (ERROR_REASON_INVALID_REQUEST, False),
        (ERROR_REASON_NOT_RECORDED, False),
        (ERROR_REASON_REQUEST_TOO_LARGE, False),
        (ERROR_REASON_CANCELLED, False),
        (ERROR_REASON_CIRCUIT_OPEN, False),
        (ERROR_REASON_OVERLOADED, False),
    ],
)
def test_a_failure_caused_by_the_request_says_nothing_of_the_candidate(
    reason: ErrorReason.ValueType, its_own: bool, stage: Stage.ValueType
) -> None:
    entries = [call("a"), call("b"), call("b", stage=stage, failure=reason)]
    if stage == STAGE_BOOT:
        del entries[1]
    seen = signals_of(entries, [booted("a"), *([booted("b")] if stage == STAGE_COMPLETE else [])], chose("a", "b"), {})
    assert seen["b"].failed == ((False,) if stage == STAGE_COMPLETE else ()) + ((True,) if its_own else ())
    assert not seen["b"].timed_out


@pytest.mark.parametrize(
    ("finish", "stops", "its_own"),
    [
        (FINISH_REASON_STOP, False, True),
        (FINISH_REASON_UNSPECIFIED, False, True),
        (FINISH_REASON_STOP, True, False),
        (FINISH_REASON_CONTENT_FILTER, False, False),
    ],
)
def test_an_empty_text_is_a_failure_unless_a_filter_or_a_stop_text_explains_it(
    finish: FinishReason.ValueType, stops: bool, its_own: bool
) -> None:
    nothing = call("b", failure=ERROR_REASON_EMPTY_OUTPUT)
    nothing.finish_reason = finish
    failed = call("c", failure=ERROR_REASON_UPSTREAM_ERROR)
    entries = [call("a"), nothing, failed, call("d")]
    seen = signals_of(entries, [booted("a"), booted("d")], chose("a"), {}, stops=stops)
    assert seen["b"].failed == ((True,) if its_own else ())
    assert seen["c"].failed == (True,)


@pytest.mark.parametrize("finish", [FINISH_REASON_CONTENT_FILTER, FINISH_REASON_UNKNOWN])
def test_a_withheld_text_neither_agrees_nor_contradicts(finish: FinishReason.ValueType) -> None:
    given = Answer(text="The capital is Paris", candidates=["b"], finish_reason=FINISH_REASON_STOP)
    assert agreement_with(booted("a", "I", finish), given, Policy()) is None


def test_a_failure_of_most_candidates_blames_none() -> None:
    entries = [call("a"), *(call(name, failure=ERROR_REASON_UPSTREAM_ERROR) for name in "bc")]
    seen = signals_of(entries, [booted("a")], chose("a"), {})
    assert seen == {
        "a": Signals(boot_s=1.0, cohort=beside("a")),
        "b": Signals(cohort=beside("ab")),
        "c": Signals(cohort=beside("ac")),
    }
    seen = signals_of(entries[:2], [booted("a")], chose("a"), {})
    assert seen["b"].failed == (True,)


def test_instant_boots_are_not_compared() -> None:
    seen = signals_of([call("a", 0.0), call("b", 0.0)], [booted("a"), booted("b")], chose("a"), {})
    assert seen["a"].slowness is None


@pytest.mark.parametrize(
    ("partial", "finish", "answer", "complete", "expected"),
    [
        ("The capital is Paris", FINISH_REASON_LENGTH, "The capital is Paris. It lies at the Seine.", True, 1.0),
        (
            "The capital is Paris by law",
            FINISH_REASON_LENGTH,
            "The capital is Rome by law. It lies at the Tiber.",
            True,
            0.6,
        ),
        ("Answer: B", FINISH_REASON_STOP, "After long thought: Answer: B", True, 1.0),
        ("Answer: B", FINISH_REASON_STOP, "Answer: C", True, 0.0),
        ("Answer: B because of it", FINISH_REASON_LENGTH, "I say Answer: C", True, 0.0),
        ("You may go home", FINISH_REASON_STOP, "You must go home", True, 0.6),
    ],
)
def test_a_partial_agrees_as_far_as_it_goes(
    partial: str, finish: FinishReason.ValueType, answer: str, complete: bool, expected: float
) -> None:
    policy = Policy(answer_pattern=AnswerPattern(re2=r"Answer: (\w)"))
    end = FINISH_REASON_STOP if complete else FINISH_REASON_LENGTH
    for authors in ([], ["a", "b"], ["b"]):
        whole = Answer(text=answer, candidates=authors, finish_reason=end)
        found = agreement_with(booted("a", partial, finish), whole, policy)
        assert found is not None
        assert found <= expected
        assert expected < 1.0 or found == 1.0


def test_agreement_with_itself_says_nothing() -> None:
    own = Answer(text="text and more", candidates=["a"], finish_reason=FINISH_REASON_STOP)
    assert agreement_with(booted("a", "text"), own, Policy()) is None
    others = Answer(text="text", candidates=["b"], finish_reason=FINISH_REASON_STOP)
    assert agreement_with(booted("a", ""), others, Policy()) is None


@given(st.dictionaries(st.text(max_size=3), st.floats(0.1, 100.0), max_size=9))
def test_each_boot_is_compared_with_the_median_of_the_others(seconds: dict[str, float]) -> None:
    entries = [LedgerEntry(stage=STAGE_BOOT, candidate=name, elapsed=duration(each)) for name, each in seconds.items()]
    seen = signals_of(entries, [booted(name) for name in seconds], chose(), {})
    for name, each in seconds.items():
        others = [other for its, other in seconds.items() if its != name]
        expected = pytest.approx(each / (each + median(others)), abs=1e-6) if others else None
        assert seen[name].slowness == expected
