"""`lightrouter quote`: what a router says that an answer would cost."""

from __future__ import annotations

import json

import pytest

from lightrouter.cli.__main__ import run
from lightrouter.runtime.errors import Code, ServiceError, Violation
from lightrouter.v1.candidate_pb2 import ACTION_ASK, ACTION_BOOT, ActionValue, RankedCandidate
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_INVALID_REQUEST
from lightrouter.v1.ledger_pb2 import Degradation, NotAsked
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import QuoteResponse
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter


def asked(name: str, gain: float, cost: int) -> RankedCandidate:
    action = ActionValue(action=ACTION_ASK, gain=gain, cost_nanousd=cost, output_tokens=120)
    return RankedCandidate(candidate=name, score=gain, actions=[action])


QUOTE = QuoteResponse(
    first=[asked("a", 0.61, 210_000)],
    others=[asked("b", 0.55, 30_000)],
    expected_quality=0.61,
    expected_cost_nanousd=210_000,
    worst_cost_nanousd=1_500_000,
    degraded=[Degradation(message="the selector was too slow")],
    not_asked=[NotAsked(candidate="c", message="c is on probation")],
)


def test_it_says_who_would_be_asked_and_what_that_costs(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    router = FakeRouter(quote=QUOTE)
    assert run(["quote", "Why?", "--worth", "0.05", "--candidates", "a,b", "--address", serve(router)]) == 0
    assert router.prompts[0].policy == Policy(worth_nanousd=50_000_000, candidates=["a", "b"])
    assert capsys.readouterr().out == (
        "first: a, expected quality 0.61 for $0.000210000, 120 tokens written\n"
        "else: b, expected quality 0.55 for $0.000030000, 120 tokens written\n"
        "expected cost: $0.000210000, and more if one more is worth it\n"
        "at most: $0.001500000\n"
        "not asked: c (c is on probation)\n"
        "degraded: the selector was too slow\n"
    )


@pytest.mark.parametrize(
    ("further", "said"),
    [
        ((0.0, 0), "expected cost: $0.000210000\n"),
        (
            (0.052, 120_000),
            "expected cost: $0.000210000, $0.000120000 of it for further answers, which are expected to add 0.05\n",
        ),
    ],
)
def test_it_says_what_further_answers_are_expected_to_come_to(
    further: tuple[float, int], said: str, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    first = asked("a", 0.61, 90_000)
    first.actions[0].further_gain, first.actions[0].further_cost_nanousd = further
    quote = QuoteResponse(first=[first], expected_cost_nanousd=210_000)
    assert run(["quote", "Why?", "--address", serve(FakeRouter(quote=quote))]) == 0
    assert said in capsys.readouterr().out


def test_it_says_who_would_boot(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    plan = ActionValue(action=ACTION_BOOT, gain=0.68, cost_nanousd=260_000, output_tokens=20)
    first = [RankedCandidate(candidate=name, actions=[plan]) for name in ("a", "b")]
    quote = QuoteResponse(first=first, others=QUOTE.others, expected_cost_nanousd=260_000)
    assert run(["quote", "Why?", "--address", serve(FakeRouter(quote=quote))]) == 0
    assert capsys.readouterr().out.startswith(
        "first: 20 boot tokens of a, b, and the whole answer of the one that began best, "
        "expected quality 0.68 for $0.000260000\n"
        "else: b, expected quality 0.55 for $0.000030000, 120 tokens written\n"
        "expected cost: $0.000260000, and more if one more is worth it\n"
    )


def test_a_quote_without_prices_names_no_cost(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    quote = QuoteResponse(first=[asked("a", 0.61, 0)], expected_cost_nanousd=0)
    assert run(["quote", "Why?", "--address", serve(FakeRouter(quote=quote))]) == 0
    said = capsys.readouterr().out
    assert "quality 0.61 for no known price" in said
    assert "at most: no known price" in said


def test_a_boot_stage_is_said(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    quote = QuoteResponse(first=[RankedCandidate(candidate="a"), RankedCandidate(candidate="b")])
    assert run(["quote", "Why?", "--address", serve(FakeRouter(quote=quote))]) == 0
    assert capsys.readouterr().out.startswith("first: the boot tokens of a, b\nexpected cost: not known, ")


def test_json_is_the_whole_quote(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quote", "Why?", "-o", "json", "--address", serve(FakeRouter(quote=QUOTE))]) == 0
    assert json.loads(capsys.readouterr().out)["worstCostNanousd"] == "1500000"


def test_a_refusal_names_the_flag(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    violation = Violation("prompt.policy.worth_nanousd", "must be 0 or more")
    error = ServiceError(
        Code.INVALID_ARGUMENT, ERROR_REASON_INVALID_REQUEST, "the request is invalid", violations=[violation]
    )
    assert run(["quote", "Why?", "--address", serve(FakeRouter(error=error))]) == 2
    assert "--worth (prompt.policy.worth_nanousd): must be 0 or more" in capsys.readouterr().err
