import asyncio
import io
import json

import pytest
from rich.console import Console

from lightrouter.cli import ask, client
from lightrouter.cli.__main__ import run
from lightrouter.cli.access import Access
from lightrouter.runtime.errors import Code, ServiceError, Violation
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Prompt
from tests.unit.cli import events
from tests.unit.cli.conftest import Serve
from tests.unit.cli.fake_router import FakeRouter


def test_the_text_goes_to_the_pipe_and_the_cost_beside_it(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", "--address", serve(router)]) == 0
    captured = capsys.readouterr()
    assert captured.out == "The sky is blue.\n"
    assert captured.err.startswith("$0.000006000 | ")
    assert router.prompts == [Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content="Why?")], policy=Policy())]


def test_json_is_the_whole_answer(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", "Why?", "-o", "json", "--address", serve(FakeRouter(events.ROUTE))]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["text"] == "The sky is blue."
    assert answer["ledger"]["costNanousd"] == "6000"
    assert answer["aggregator"] == "AGGREGATOR_STRATEGY_SYNTHESIZE"


def test_the_environment_names_the_router(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIGHTROUTER_ADDRESS", serve(FakeRouter(events.ROUTE)))
    assert run(["ask", "Why?"]) == 0


@pytest.mark.parametrize(
    ("given", "worth"),
    [("0.01", 10_000_000), ("$0.01", 10_000_000), ("0", 0), ("0.000000001", 1), ("999999", 999_999 * 10**9)],
)
def test_worth_is_in_dollars(serve: Serve, given: str, worth: int) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", "--worth", given, "--address", serve(router)]) == 0
    assert router.prompts[0].policy == Policy(worth_nanousd=worth)


@pytest.mark.parametrize("given", ["-0.01", "nan", "inf", "much", "1000000", "0.0000000001", ""])
@pytest.mark.parametrize("command", ["ask", "quote"])
def test_a_worth_that_is_none_is_refused_in_a_sentence(
    command: str, given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "Why?", "--worth", given]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"lightrouter {command}: Invalid value for '--worth': '{given}' must be ")
    assert said.endswith(f"\nTry 'lightrouter {command} --help'.\n")


def test_every_flag_reaches_its_field(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    router = FakeRouter(events.ROUTE)
    monkeypatch.setattr("sys.stdin", io.StringIO("Why?\n"))
    flags = "--system Brief. --boot-tokens 9 --k 3 --selector llm --aggregator vote --candidates a,b --max-cost 0.002"
    flags += " --margin 0 --agreement 0.5 --answer-pattern (\\d+) --max-output-tokens 99 --temperature 0 --seed 7"
    assert run(["ask", "-", *flags.split(), "--address", serve(router)]) == 0
    [prompt] = router.prompts
    assert [(m.role, m.content) for m in prompt.messages] == [(Role.ROLE_SYSTEM, "Brief."), (Role.ROLE_USER, "Why?\n")]
    assert prompt.policy == Policy(
        boot_tokens=9,
        k=3,
        selector=SelectorStrategy.SELECTOR_STRATEGY_LLM,
        aggregator=AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE,
        candidates=["a", "b"],
        max_cost_nanousd=2_000_000,
        margin=0.0,
        agreement=0.5,
        answer_pattern=AnswerPattern(re2="(\\d+)"),
    )
    sampling = prompt.sampling
    assert (sampling.max_output_tokens, sampling.temperature, sampling.seed) == (99, 0.0, 7)
    assert sampling.HasField("temperature")


def test_a_json_pointer_is_a_pattern_too(serve: Serve) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", "--answer-pointer", "/answer", "--address", serve(router)]) == 0
    assert router.prompts[0].policy.answer_pattern.json_pointer == "/answer"


def failing(serve: Serve, error: ServiceError, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["ask", "Why?", "--address", serve(FakeRouter(error=error))])
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "pattern"),
    [("number", AnswerPattern(number=True)), ("choices:10", AnswerPattern(choices=10))],
)
def test_a_kind_of_answer_is_a_pattern_too(serve: Serve, word: str, pattern: AnswerPattern) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", "--answer-pattern", word, "--address", serve(router)]) == 0
    assert router.prompts[0].policy.answer_pattern == pattern


def test_bad_input_names_flag_and_field(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    error = ServiceError(
        Code.INVALID_ARGUMENT,
        ErrorReason.ERROR_REASON_INVALID_REQUEST,
        "bad",
        violations=[
            Violation("prompt.policy.boot_tokens", "must be 1 to 4,096"),
            Violation("prompt.policy.candidates[0]", "is not in the pool"),
            Violation("prompt.messages", "too many"),
        ],
    )
    assert failing(serve, error, capsys) == (
        2,
        (
            "lightrouter ask: --boot-tokens (prompt.policy.boot_tokens): must be 1 to 4,096\n"
            "--candidates (prompt.policy.candidates[0]): is not in the pool\n"
            "prompt.messages: too many\n"
        ),
    )


def test_when_all_candidates_fail_each_is_named(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    failures = {
        "fast": Failure(reason=ErrorReason.ERROR_REASON_UPSTREAM_ERROR, message="HTTP 500"),
        "slow": Failure(reason=ErrorReason.ERROR_REASON_UPSTREAM_TIMEOUT, message="nothing came"),
    }
    error = ServiceError(
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED,
        "no candidate delivered",
        failures=failures,
        retry_after=1.5,
    )
    assert failing(serve, error, capsys) == (
        1,
        (
            "lightrouter ask: no candidate delivered (all candidates failed)\n"
            "  fast: HTTP 500 (upstream error)\n"
            "  slow: nothing came (upstream timeout)\n"
            "try again in 1.5 s\n"
        ),
    )


@pytest.mark.parametrize("command", ["ask Why?", "quote Why?", "pool list"])
def test_no_router_is_one_sentence(
    command: str, capsys: pytest.CaptureFixture[str], serve: Serve, unused_tcp_port: int
) -> None:
    assert run([*command.split(), "--address", f"127.0.0.1:{unused_tcp_port}"]) == 1
    assert capsys.readouterr().err == (
        f"lightrouter {command.removesuffix(' Why?')}: no router answers at 127.0.0.1:{unused_tcp_port}; start one with `lightrouter up`, "
        "or give its address with --address or LIGHTROUTER_ADDRESS\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["  "], "the prompt is empty"),
        (["Why?", "--timeout", "0"], "Invalid value for '--timeout': '0' is not a duration above 0"),
        (["Why?", "--address", ""], "no router answers"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTROUTER_ADDRESS", "unix:/nowhere.sock")
    assert run(["ask", *arguments]) in {1, 2}
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--k", "two"],
        ["--max-cost", "-1"],
        ["--selector", "magic"],
        ["--answer-pattern", "x", "--answer-pointer", "/x"],
    ],
)
def test_arguments_of_the_wrong_kind_are_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "Why?", *arguments]) == 2
    assert arguments[-2] in capsys.readouterr().err


def test_on_a_terminal_the_route_is_drawn_live(serve: Serve) -> None:
    address = serve(FakeRouter(events.ROUTE))
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, height=50)

    async def watched() -> str:
        async with client.router(Access(address)) as stub:
            progress = await ask.watch(stub, Prompt(), 30, console)
        return progress.whole_answer().text

    assert asyncio.run(watched()) == "The sky is blue."
    assert "candidate" in file.getvalue()
