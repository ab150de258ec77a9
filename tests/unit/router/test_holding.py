"""Which boot calls are held open, and how much they may write meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightrouter.router.call_times import CallTimes
from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.holding import with_boots_that_decide, with_held_tokens
from lightrouter.runtime.ledger import duration
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, CONTINUATION_TRAILING, Candidate, ModelTarget, Prices
from lightrouter.v1.chat_pb2 import Usage
from lightrouter.v1.policy_pb2 import (
    HOLD_ALWAYS,
    HOLD_AUTO,
    HOLD_NEVER,
    HOLD_UNSPECIFIED,
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LLM,
    Hold,
    Policy,
)

BOOT, OUTPUT = 10, 1000


def candidate(
    read: int = 1, written: int = 1, *, cached: int = 0, fixed: int = 0, can_continue: bool = True
) -> RouteCandidate:
    """Returns a candidate with these prices a token, in nano-dollars."""
    million = 1_000_000
    spec = Candidate(
        name="a",
        prices=Prices(
            input_nanousd_per_million=read * million,
            cached_input_nanousd_per_million=cached * million,
            output_nanousd_per_million=written * million,
        ),
        continuation=CONTINUATION_TRAILING if can_continue else CONTINUATION_NONE,
        fixed_input_tokens=fixed,
    )
    return RouteCandidate("a", spec, ModelTarget(candidate="a", address="unix:/a"), BOOT, OUTPUT)


def held_tokens(
    asked: RouteCandidate,
    prompt_tokens: int = 600,
    *,
    of: int = 4,
    k: int = 2,
    hold: Hold.ValueType = HOLD_AUTO,
    shortlist: int = 0,
    times: CallTimes | None = None,
    selector: int = SELECTOR_STRATEGY_CONSENSUS,
) -> int:
    policy = Policy(hold=hold, k=k, shortlist=shortlist)
    policy.selector = selector  # type: ignore[assignment]  # a value of the enumeration
    return with_held_tokens([asked] * of, policy, prompt_tokens, times or CallTimes())[0].held_tokens


def times_with(*, pace: float = 60.0, wait_s: float = 0.5) -> CallTimes:
    times = CallTimes()
    times.note_call("a", result(round(pace), 1.0))
    times.note_wait("a", SELECTOR_STRATEGY_CONSENSUS, wait_s)
    return times


def result(tokens: int, seconds: float, first_s: float = 0.25) -> GenerationResult:
    return GenerationResult(
        usage=Usage(output_tokens=tokens),
        elapsed=duration(first_s + seconds),
        time_to_first_token=duration(first_s),
    )


@pytest.mark.parametrize(
    ("hold", "tokens"), [(HOLD_UNSPECIFIED, 0), (HOLD_NEVER, 0), (HOLD_ALWAYS, OUTPUT - BOOT), (HOLD_AUTO, 600)]
)
def test_a_policy_can_force_either_way(hold: Hold.ValueType, tokens: int) -> None:
    assert held_tokens(candidate(), hold=hold) == tokens


@pytest.mark.parametrize(
    ("asked", "prompt_tokens", "tokens"),
    [
        pytest.param(candidate(), 600, 600, id="the prompt once more against as many tokens"),
        pytest.param(candidate(written=4), 600, 150, id="tokens that cost four times as much"),
        pytest.param(candidate(written=4), 80, 32, id="but always some, for the time"),
        pytest.param(candidate(written=40), 80, 32, id="however dear they are"),
        pytest.param(candidate(fixed=100), 600, 700, id="its own instructions are read again too"),
        pytest.param(candidate(can_continue=False), 600, 610, id="boot tokens that would be written again"),
        pytest.param(candidate(), 5000, OUTPUT - BOOT, id="at most the rest of the answer"),
        pytest.param(candidate(read=0, written=0), 600, OUTPUT - BOOT, id="nothing costs anything"),
        pytest.param(candidate(written=0), 600, OUTPUT - BOOT, id="tokens cost nothing"),
    ],
)
def test_a_call_is_held_for_the_tokens_that_a_second_call_costs(
    asked: RouteCandidate, prompt_tokens: int, tokens: int
) -> None:
    # Half of them go on, so that a second call and a loss are equally likely.
    assert held_tokens(asked, prompt_tokens, times=times_with(pace=1.0)) == tokens


@pytest.mark.parametrize(
    ("of", "k", "shortlist", "tokens"), [(4, 1, 0, 200), (4, 3, 0, 990), (8, 1, 2, 600), (2, 2, 0, 990), (1, 2, 0, 990)]
)
def test_a_candidate_that_is_likely_to_go_on_is_held_longer(of: int, k: int, shortlist: int, tokens: int) -> None:
    assert held_tokens(candidate(), of=of, k=k, shortlist=shortlist, times=times_with(pace=1.0)) == tokens


@pytest.mark.parametrize(
    ("pace", "wait_s", "tokens"), [(60.0, 0.5, 150), (100.0, 1.5, 150), (100.0, 1.6, 0), (400.0, 0.5, 0)]
)
def test_a_candidate_that_would_write_more_before_the_choice_is_cut(pace: float, wait_s: float, tokens: int) -> None:
    assert held_tokens(candidate(written=4), times=times_with(pace=pace, wait_s=wait_s)) == tokens


def test_a_judge_takes_longer() -> None:
    # 60 tokens a second: 30 while a selector counts, 120 while a judge writes.
    assert held_tokens(candidate(written=6), 600) == 100
    assert held_tokens(candidate(written=6), 600, selector=SELECTOR_STRATEGY_LLM) == 0


def test_a_cached_prompt_makes_a_second_call_cheaper() -> None:
    times = times_with(pace=1.0)
    for _ in range(200):
        times.note_second_call("a", Usage(input_tokens=100, cached_input_tokens=50))
    assert held_tokens(candidate(read=2), 300, times=times) == 300
    assert held_tokens(candidate(read=2, cached=1), 300, times=times) == 450


def test_times_follow_what_is_observed() -> None:
    times = CallTimes()
    times.note_wait("a", SELECTOR_STRATEGY_CONSENSUS, 1.0)
    # No pace: without a first token, of a single token, in no time.
    times.note_call("a", GenerationResult(usage=Usage(output_tokens=9), elapsed=duration(1.0)))
    times.note_call("a", result(1, 1.0))
    times.note_call("a", result(9, 0.0))
    assert times.overshoot_tokens("a", SELECTOR_STRATEGY_CONSENSUS) == 60.0
    times.note_call("a", result(100, 1.0))
    assert times.overshoot_tokens("a", SELECTOR_STRATEGY_CONSENSUS) == pytest.approx(100)
    times.note_call("a", result(50, 1.0))
    assert times.overshoot_tokens("a", SELECTOR_STRATEGY_CONSENSUS) == pytest.approx(95)
    assert times.overshoot_tokens("b", SELECTOR_STRATEGY_CONSENSUS) == 30.0


def test_earlier_choices_predict_which_candidate_goes_on() -> None:
    times = times_with(pace=1.0)
    assert held_tokens(candidate(written=2), times=times) == 300
    for _ in range(100):
        times.note_choice("a", chosen=True, usual=0.5)
    assert held_tokens(candidate(written=2), times=times) == OUTPUT - BOOT
    for _ in range(100):
        times.note_choice("a", chosen=False, usual=0.5)
    # Some are held all the same, for the time.
    assert held_tokens(candidate(written=2), times=times) == 32


def test_the_first_choices_say_little() -> None:
    times = CallTimes()
    times.note_choice("a", chosen=True, usual=0.25)
    assert times.chance("a", 0.25) == pytest.approx(0.325)
    assert times.chance("b", 0.25) == 0.25


@pytest.mark.parametrize(
    ("of", "output", "hold", "can_continue", "boot"),
    [
        pytest.param(2, 2 * BOOT, HOLD_AUTO, True, 2 * BOOT, id="half of the answer is the whole"),
        pytest.param(2, 2 * BOOT, HOLD_NEVER, True, 2 * BOOT, id="however it would go on"),
        pytest.param(2, 2 * BOOT, HOLD_ALWAYS, True, BOOT, id="but a policy can force a checkpoint"),
        pytest.param(2, 2 * BOOT + 1, HOLD_AUTO, True, BOOT, id="less than half of it decides"),
        pytest.param(1, OUTPUT, HOLD_AUTO, True, 1, id="nobody to compare with"),
        pytest.param(1, OUTPUT, HOLD_ALWAYS, False, 1, id="held in any case"),
        pytest.param(1, OUTPUT, HOLD_NEVER, True, BOOT, id="cut where a policy forces it"),
        pytest.param(1, OUTPUT, HOLD_NEVER, False, OUTPUT, id="but nothing is written twice"),
    ],
)
def test_a_boot_with_nothing_to_decide_is_left_out(
    of: int, output: int, hold: Hold.ValueType, can_continue: bool, boot: int
) -> None:
    asked = [replace(candidate(can_continue=can_continue), output_tokens=output)] * of
    made = with_boots_that_decide(asked, Policy(hold=hold, k=2))
    assert [each.boot_tokens for each in made] == [boot] * of
    if of == 1 and hold != HOLD_NEVER:
        assert with_held_tokens(made, Policy(hold=hold, k=2), 600, CallTimes())[0].held_tokens == OUTPUT - 1
