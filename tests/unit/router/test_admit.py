"""Admission fills in what a request leaves out, and refuses bad requests before anything is spent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lightrouter.router.context import Admission
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.rules import Defaults, Maxima
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_EVICTED, CANDIDATE_STATE_PROBATION, Candidate
from lightrouter.v1.chat_pb2 import ROLE_USER, ChatMessage, Media, Part, Sampling
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_COST_CEILING_TOO_LOW,
    ERROR_REASON_INVALID_REQUEST,
    ERROR_REASON_POOL_EMPTY,
    ERROR_REASON_UNKNOWN_CANDIDATE,
)
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_CONTEXT_WINDOW, DEGRADED_REASON_COST_CEILING
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    AGGREGATOR_STRATEGY_VOTE,
    SELECTOR_STRATEGY_CONSENSUS,
    SELECTOR_STRATEGY_LLM,
    AnswerPattern,
    Policy,
)
from lightrouter.v1.router_pb2 import Prompt
from tests.unit.router import builders
from tests.unit.router.builders import defaults, pool_candidate, prompt, snapshot


def admitted(
    request: Prompt, pool: PoolSnapshot, with_defaults: Defaults | None = None, ledger: RouteLedger | None = None
) -> Admission:
    return builders.admitted(request, pool, with_defaults or defaults(), 7, ledger or RouteLedger())[0]


def names(admission: Admission) -> list[str]:
    return [candidate.name for candidate in admission.candidates]


def refused(request: Prompt, pool: PoolSnapshot) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        admitted(request, pool)
    return caught.value


def test_missing_fields_of_a_request_come_from_the_defaults() -> None:
    request = prompt(k=5, selector=SELECTOR_STRATEGY_LLM)
    admission = admitted(request, snapshot(pool_candidate("a"), pool_candidate("b")))
    assert admission.policy == Policy(
        boot_tokens=2,
        k=5,
        selector=SELECTOR_STRATEGY_LLM,
        aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE,
        margin=0.3,
        agreement=0.95,
        quorum=0.75,
    )
    assert admission.sampling == Sampling(max_output_tokens=8)
    assert admission.seed == 7
    assert names(admission) == ["a", "b"]


def test_set_fields_of_a_request_stay() -> None:
    pattern = AnswerPattern(re2=r"answer: (\d+)")
    request = prompt(boot_tokens=1, margin=0.0, agreement=0.0, quorum=1.0, answer_pattern=pattern)
    request.policy.aggregator = AGGREGATOR_STRATEGY_VOTE
    request.sampling.max_output_tokens = 3
    request.sampling.seed = 0
    request.sampling.stop.append("END")
    admission = admitted(request, snapshot(pool_candidate("a")))
    assert admission.policy == Policy(
        boot_tokens=1,
        k=2,
        selector=SELECTOR_STRATEGY_CONSENSUS,
        aggregator=AGGREGATOR_STRATEGY_VOTE,
        margin=0.0,
        agreement=0.0,
        quorum=1.0,
        answer_pattern=pattern,
    )
    assert admission.sampling == Sampling(max_output_tokens=3, seed=0, stop=["END"])
    assert admission.seed == 0


def test_the_request_is_not_changed() -> None:
    request = prompt()
    before = request.SerializeToString()
    admitted(request, snapshot(pool_candidate("a")))
    assert request.SerializeToString() == before


def test_boot_tokens_are_the_entrys_where_it_has_some_and_never_more_than_the_answer_may_have() -> None:
    pool = snapshot(
        pool_candidate("plain"),
        pool_candidate("thinker", max_boot_tokens=3),
        pool_candidate("long", max_boot_tokens=100),
    )
    assert [candidate.boot_tokens for candidate in admitted(prompt(), pool).candidates] == [2, 3, 8]


def test_named_candidates_come_in_the_order_of_the_pool() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b"), pool_candidate("c", state=CANDIDATE_STATE_PROBATION))
    assert names(admitted(prompt(candidates=["c", "a"]), pool)) == ["a", "c"]


def test_evicted_candidates_never_take_part() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("out", state=CANDIDATE_STATE_EVICTED))
    assert names(admitted(prompt(), pool)) == ["a"]


@pytest.mark.parametrize("name", ["nobody", "out"])
def test_a_candidate_that_may_not_answer_is_refused_by_name(name: str) -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("out", state=CANDIDATE_STATE_EVICTED))
    error = refused(prompt(candidates=["a", name]), pool)
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, ERROR_REASON_UNKNOWN_CANDIDATE)
    assert [violation.field for violation in error.violations] == ["prompt.policy.candidates"]
    assert name in error.message


@pytest.mark.parametrize("pool", [snapshot(), snapshot(pool_candidate("out", state=CANDIDATE_STATE_EVICTED))])
def test_an_empty_pool_is_no_fault_of_the_request(pool: PoolSnapshot) -> None:
    error = refused(prompt(), pool)
    assert (error.code, error.reason) == (Code.FAILED_PRECONDITION, ERROR_REASON_POOL_EMPTY)


def test_a_candidate_on_probation_takes_part_in_its_share_of_requests() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("new", state=CANDIDATE_STATE_PROBATION))
    few = Defaults(defaults().policy, 8, probation_share=0.1)
    taken = sum("new" in names(builders.admitted(prompt(), pool, few, seed, RouteLedger())[0]) for seed in range(1000))
    assert 60 < taken < 150
    assert names(admitted(prompt(), pool, Defaults(defaults().policy, 8, probation_share=0.0))) == ["a"]


@pytest.mark.parametrize(
    ("helper", "named"),
    [
        (pool_candidate("helper"), True),
        # Probation concerns only its own answers, so that the pool may name it.
        (pool_candidate("helper", state=CANDIDATE_STATE_PROBATION), True),
        (pool_candidate("helper", state=CANDIDATE_STATE_EVICTED), False),
        (None, False),
    ],
)
def test_an_evicted_candidate_neither_judges_nor_merges(helper: Candidate | None, named: bool) -> None:
    candidates = [pool_candidate("a", prior=0.2), pool_candidate("b", prior=0.4), *([helper] if helper else [])]
    admission = admitted(prompt(candidates=["a", "b"]), snapshot(*candidates, judge="helper", synthesizer="helper"))
    assert admission.judge.name == ("helper" if named else "b")
    assert (admission.synthesizer is not None) == named


@pytest.mark.parametrize(("kind", "merges"), [("image", False), ("file", False), ("audio", False), ("text", True)])
def test_a_model_that_cannot_read_the_prompt_s_media_does_not_merge_but_judges(kind: str, merges: bool) -> None:
    part = Part(text="x")
    if kind != "text":
        getattr(part, kind).CopyFrom(Media(data=b"x", mime_type="image/png"))
    helper = pool_candidate("helper")
    helper.abilities.SetInParent()
    asked = Prompt(messages=[ChatMessage(role=ROLE_USER, parts=[part])])
    admission = admitted(asked, snapshot(pool_candidate("a"), helper, judge="helper", synthesizer="helper"))
    assert admission.judge.name == "helper"
    assert (admission.synthesizer is not None) == merges


@pytest.mark.parametrize("seed", [None, 0, 3, 2**31 - 1])
def test_a_caller_s_fixed_seed_leaves_probation_its_share(seed: int | None) -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("new", state=CANDIDATE_STATE_PROBATION))
    half = Defaults(defaults().policy, 8, probation_share=0.5)
    request = prompt()
    if seed is not None:
        request.sampling.seed = seed
    admissions = [builders.admitted(request, pool, half, draw, RouteLedger())[0] for draw in range(200)]
    assert 70 < sum("new" in names(admission) for admission in admissions) < 130
    # The seed of generation and ranking is still the caller's.
    assert {admission.seed for admission in admissions} == (set(range(200)) if seed is None else {seed})


def test_a_pool_on_probation_answers_as_a_whole() -> None:
    pool = snapshot(pool_candidate("new", state=CANDIDATE_STATE_PROBATION))
    assert names(admitted(prompt(), pool)) == ["new"]


def test_a_pattern_that_re2_refuses_is_named() -> None:
    error = refused(prompt(answer_pattern=AnswerPattern(re2="(")), snapshot(pool_candidate("a")))
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, ERROR_REASON_INVALID_REQUEST)
    assert [violation.field for violation in error.violations] == ["prompt.policy.answer_pattern.re2"]


def test_a_window_too_small_leaves_the_candidate_out() -> None:
    ledger = RouteLedger()
    pool = snapshot(pool_candidate("small", window=20), pool_candidate("large", window=200), pool_candidate("unknown"))
    assert names(admitted(prompt("word " * 30), pool, ledger=ledger)) == ["large", "unknown"]
    assert [(each.reason, each.candidate) for each in ledger.degraded] == [(DEGRADED_REASON_CONTEXT_WINDOW, "small")]


def test_a_window_bounds_the_answer() -> None:
    request = prompt("word " * 10)  # 10 tokens and a space, 4 for the message
    candidate = admitted(request, snapshot(pool_candidate("a", window=19))).candidates[0]
    assert (candidate.boot_tokens, candidate.output_tokens) == (2, 4)


def test_a_prompt_beyond_every_window_is_refused() -> None:
    error = refused(prompt("word " * 30), snapshot(pool_candidate("a", window=20), pool_candidate("b", window=30)))
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, ERROR_REASON_CONTEXT_WINDOW_EXCEEDED)
    assert [violation.field for violation in error.violations] == ["prompt.messages"]


def test_a_ceiling_below_the_cheapest_route_is_refused_and_the_least_named() -> None:
    # 12 bytes and 16 for the message in, 2 boot tokens out: 30 tokens.
    pool = snapshot(pool_candidate("cheap", price=1_000_000), pool_candidate("dear", price=5_000_000))
    error = refused(prompt("x" * 12, max_cost_nanousd=29), pool)
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, ERROR_REASON_COST_CEILING_TOO_LOW)
    assert [violation.field for violation in error.violations] == ["prompt.policy.max_cost_nanousd"]
    assert "30" in error.message
    assert names(admitted(prompt("x" * 12, max_cost_nanousd=30), pool)) == ["cheap"]


def test_a_ceiling_leaves_out_who_it_does_not_pay_for() -> None:
    ledger = RouteLedger()
    pool = snapshot(
        pool_candidate("cheap"), pool_candidate("dear", price=10_000_000, prior=0.9), pool_candidate("also", prior=0.8)
    )
    # Cheap boots for 30 and completes for 28 + 2 + 16 + 6; also boots for 30.
    assert names(admitted(prompt("x" * 12, max_cost_nanousd=112), pool, ledger=ledger)) == ["cheap", "also"]
    assert [(each.reason, each.candidate) for each in ledger.degraded] == [(DEGRADED_REASON_COST_CEILING, "dear")]


def test_the_judge_is_the_pools_or_the_best_prior() -> None:
    candidates = (pool_candidate("a", prior=0.2), pool_candidate("b", prior=0.9), pool_candidate("c"))
    assert admitted(prompt(), snapshot(*candidates)).judge.name == "b"
    named = admitted(prompt(candidates=["a"]), snapshot(*candidates, judge="c", synthesizer="b"))
    assert named.judge.name == "c"
    assert named.synthesizer is not None
    assert named.synthesizer.name == "b"


@pytest.mark.parametrize(
    ("asked", "maxima", "held"),
    [
        ({}, Maxima(), (2, 2, 8, None)),
        ({}, Maxima(cost_nanousd=500), (2, 2, 8, 500)),
        ({"max_cost_nanousd": 400}, Maxima(cost_nanousd=500), (2, 2, 8, 400)),
        ({"max_cost_nanousd": 10**12}, Maxima(cost_nanousd=500), (2, 2, 8, 500)),
        ({"boot_tokens": 4096}, Maxima(boot_tokens=3), (3, 2, 8, None)),
        ({"boot_tokens": 1}, Maxima(boot_tokens=3), (1, 2, 8, None)),
        ({"k": 64}, Maxima(k=3), (2, 3, 8, None)),
        ({"k": 1}, Maxima(k=3), (2, 1, 8, None)),
        ({"output": 131_072}, Maxima(output_tokens=20), (2, 2, 20, None)),
        ({"output": 5}, Maxima(output_tokens=20), (2, 2, 5, None)),
        ({}, Maxima(500, 1, 1, 4), (1, 1, 4, 500)),
    ],
)
def test_requests_are_held_to_the_operators_maxima(
    asked: dict[str, int], maxima: Maxima, held: tuple[int, int, int, int | None]
) -> None:
    policy = {name: value for name, value in asked.items() if name != "output"}
    request = prompt("hi", **policy)
    if "output" in asked:
        request.sampling.max_output_tokens = asked["output"]
    admission = admitted(request, snapshot(pool_candidate("a")), replace(defaults(), maxima=maxima))
    found = admission.policy
    ceiling = found.max_cost_nanousd if found.HasField("max_cost_nanousd") else None
    assert (found.boot_tokens, found.k, admission.sampling.max_output_tokens, ceiling) == held
    assert admission.candidates[0].boot_tokens <= found.boot_tokens
    assert admission.candidates[0].output_tokens == held[2]


def test_a_candidates_own_instructions_take_room_in_its_window() -> None:
    told = pool_candidate("a", window=19)
    told.fixed_input_tokens = 2
    candidate = admitted(prompt("word " * 10), snapshot(told)).candidates[0]
    assert candidate.output_tokens == 2
    told.fixed_input_tokens = 4
    assert refused(prompt("word " * 10), snapshot(told)).reason == ERROR_REASON_CONTEXT_WINDOW_EXCEEDED


@pytest.mark.parametrize("text", ["\U00020000" * 50, "?!" * 100, "xq" * 100, "7" * 200, "ሰው" * 60, "\n \t" * 70])
def test_a_ceiling_holds_for_prompts_in_which_each_byte_is_a_token(text: str) -> None:
    each_byte = len(text.encode()) + 16 + 2
    error = refused(prompt(text, max_cost_nanousd=each_byte - 1), snapshot(pool_candidate("a")))
    assert error.reason == ERROR_REASON_COST_CEILING_TOO_LOW
    assert names(admitted(prompt(text, max_cost_nanousd=each_byte), snapshot(pool_candidate("a")))) == ["a"]
