"""From scores to states."""

from __future__ import annotations

from random import Random

import pytest

from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.decision import MINIMUM_POOL, Decision, Finding, Rules, decide, weigh
from lightrouter.pool.choices import State

A, P, E = State.ADMITTED, State.PROBATION, State.EVICTED
RULES = Rules()


def tally(mean: float, seen: int) -> Tally:
    return Tally(seen, mean * seen)


def decided(
    state: State, mean: float, seen: int, *, whole: bool = False, rules: Rules = RULES, **others: float
) -> Decision:
    """Returns what becomes of x, beside others that are sure."""
    tallies = {"x": tally(mean, seen)} | {
        name: tally(each, 100_000) for name, each in (others or {"a": 0.8, "b": 0.75}).items()
    }
    states = {"x": state} | dict.fromkeys(others or ("a", "b"), A)
    return decide(weigh(tallies, rules), states, frozenset({"x"} if whole else ()), rules)["x"]


# The pool needs the quality of its second best, 0.75, less 0.2.
@pytest.mark.parametrize("state", [A, P, E])
def test_credibly_worse_is_evicted_and_credibly_good_is_admitted(state: State) -> None:
    worse = decided(state, 0.3, 200)
    assert (worse.state, worse.reason) == (E, "CrediblyWorse")
    good = decided(state, 0.72, 400)
    assert (good.state, good.reason) == (A, "CrediblyGood")


@pytest.mark.parametrize(
    ("state", "mean", "whole", "then"),
    [
        (A, 0.5, False, A),
        (A, 0.5, True, P),
        (A, 0.6, True, A),
        (P, 0.5, True, P),
        (P, 0.6, True, P),
        (E, 0.5, True, E),
        (E, 0.6, False, E),
        (E, 0.6, True, P),
    ],
)
def test_an_undecided_candidate_moves_one_step_and_only_by_the_whole_set(
    state: State, mean: float, whole: bool, then: State
) -> None:
    found = decided(state, mean, 60, whole=whole)
    assert (found.state, found.reason) == (then, "Undecided")


def test_the_reason_is_one_sentence_with_its_figures() -> None:
    assert decided(A, 0.3, 200).message == (
        "Its quality, 0.30 over 200 prompts, is credibly below 0.42, which is below what the pool needs (its second "
        "best candidate minus 0.20)."
    )
    assert decided(A, 0.5, 60, rules=Rules(floor=0.5)).message == (
        "Its quality, 0.50 over 60 prompts, is between 0.29 and 0.71. That is neither credibly above nor credibly "
        "below what the pool needs: about 0.50."
    )


def test_a_minimum_stays_and_is_an_alarm() -> None:
    rules = Rules(floor=0.9, minimum=2)
    tallies = {"a": tally(0.3, 500), "b": tally(0.5, 500), "c": tally(0.4, 500)}
    found = decide(weigh(tallies, rules), dict.fromkeys("abc", A), frozenset(), rules)
    assert {name: each.state for name, each in found.items()} == {"a": E, "b": A, "c": A}
    assert (found["b"].reason, found["c"].reason) == (MINIMUM_POOL, MINIMUM_POOL)
    assert found["b"].message.endswith(
        "It stays admitted because the pool keeps at least 2 candidates: add better ones."
    )


def test_candidates_without_evaluation_count_for_the_minimum() -> None:
    rules = Rules(floor=0.9, minimum=2)
    found = decide(weigh({"a": tally(0.3, 500)}, rules), {"a": A, "b": A, "c": A}, frozenset(), rules)
    assert found["a"].state is E


def test_the_minimum_is_never_a_way_in() -> None:
    rules = Rules(floor=0.9, minimum=2)
    found = decide(weigh({"a": tally(0.3, 500)}, rules), {"a": P}, frozenset(), rules)
    assert found["a"].state is E


def test_wrong_decisions_are_as_rare_as_is_promised() -> None:
    # What the pool needs is 0.55. One is far under it, one just over, one just under: either verdict on the last two
    # that is false counts. 200 evaluations with a look every 8 prompts; 20% may be wrong, and 3 sigma for chance.
    quality = {"a": 0.8, "b": 0.75, "c": 0.3, "over": 0.57, "under": 0.53}
    rules = Rules(error_rate=0.2)
    false = {"over": Finding.WORSE, "under": Finding.GOOD, "a": Finding.WORSE, "b": Finding.WORSE, "c": Finding.GOOD}
    wrong, found_out = 0, 0
    for number in range(200):
        chance = Random(number)
        tallies = dict.fromkeys(quality, Tally())
        mistaken = False
        for _ in range(30):
            for name, share in quality.items():
                for _ in range(8):
                    tallies[name] = tallies[name].and_(float(chance.random() < share))
            evidence = weigh(tallies, rules)
            mistaken = mistaken or any(evidence.finding(name) is verdict for name, verdict in false.items())
        wrong += mistaken
        found_out += evidence.finding("c") is Finding.WORSE
    assert wrong / 200 <= 0.2 + 3 * (0.2 * 0.8 / 200) ** 0.5
    assert found_out > 150
