import asyncio
import io
import json
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lightrouter.cli import ask, client
from lightrouter.cli.__main__ import run
from lightrouter.cli.access import Access
from lightrouter.cli.prompts import flag
from lightrouter.runtime.errors import Code, ServiceError, Violation
from lightrouter.v1.chat_pb2 import (
    ChatMessage,
    OutputSpec,
    Part,
    ReasoningEffort,
    Role,
    Sampling,
    ToolChoice,
    ToolMode,
)
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure
from lightrouter.v1.policy_pb2 import AggregatorStrategy, AnswerPattern, Hold, Policy, SelectorStrategy
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


# A value of each field of a policy and of a sampling: as it is typed, and as the router gets it.
FIELDS: dict[str, tuple[str, object]] = {
    "boot_tokens": ("9", 9),
    "k": ("3", 3),
    "selector": ("llm", SelectorStrategy.SELECTOR_STRATEGY_LLM),
    "aggregator": ("vote", AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE),
    "candidates": ("a, b", ["a", "b"]),
    "max_cost_nanousd": ("0.002", 2_000_000),
    "margin": ("0", 0.0),
    "agreement": ("0.5", 0.5),
    "answer_pattern": ("(\\d+)", AnswerPattern(re2="(\\d+)")),
    "quorum": ("0.5", 0.5),
    "shortlist": ("0", 0),
    "min_gain": ("1.5", 1.5),
    "category": ("law", "law"),
    "hold": ("never", Hold.HOLD_NEVER),
    "worth_nanousd": ("$0.01", 10_000_000),
    "temperature": ("0", 0.0),
    "top_p": ("0.9", 0.9),
    "stop": ("END", ["END"]),
    "seed": ("7", 7),
    "max_output_tokens": ("99", 99),
    "reasoning_effort": ("low", ReasoningEffort.REASONING_EFFORT_LOW),
}


@pytest.mark.parametrize("field", [*Policy.DESCRIPTOR.fields_by_name, *Sampling.DESCRIPTOR.fields_by_name])
def test_every_field_has_a_flag_that_reaches_it(serve: Serve, field: str) -> None:
    router = FakeRouter(events.ROUTE)
    typed, value = FIELDS[field]
    assert run(["ask", "Why?", str(flag(field)), typed, "--address", serve(router)]) == 0
    [prompt] = router.prompts
    expected = Policy() if field in Policy.DESCRIPTOR.fields_by_name else Sampling()
    if isinstance(value, list):
        getattr(expected, field).extend(value)
    elif isinstance(value, AnswerPattern):
        getattr(expected, field).CopyFrom(value)
    else:
        setattr(expected, field, value)
    assert expected in (prompt.policy, prompt.sampling)
    assert prompt.HasField("sampling") == isinstance(expected, Sampling)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("boot_tokens", "0"), ("boot_tokens", "4097"), ("k", "65"), ("margin", "1.1"), ("margin", "nan"),
        ("quorum", "0"),
        ("min_gain", "inf"), ("shortlist", "257"), ("hold", "perhaps"), ("max_cost_nanousd", "0"), ("top_p", "0"),
        ("temperature", "2.1"), ("seed", "-1"), ("max_output_tokens", "0"), ("reasoning_effort", "huge"),
    ],
)  # fmt: skip
def test_a_value_beyond_its_range_is_refused_before_a_call(
    field: str, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ask", "Why?", str(flag(field)), typed]) == 2
    assert f"Invalid value for '{flag(field)}'" in capsys.readouterr().err


def test_the_prompt_comes_from_standard_input_behind_its_instructions(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = FakeRouter(events.ROUTE)
    monkeypatch.setattr("sys.stdin", io.StringIO("Why?\n"))
    assert run(["ask", "-", "--system", "Brief.", "--address", serve(router)]) == 0
    messages = router.prompts[0].messages
    assert [(m.role, m.content) for m in messages] == [(Role.ROLE_SYSTEM, "Brief."), (Role.ROLE_USER, "Why?\n")]


@pytest.mark.parametrize("kind", [field.name for field in Part.DESCRIPTOR.fields if field.message_type])
def test_every_kind_of_part_is_sent_as_a_file_or_a_uri(serve: Serve, tmp_path: Path, kind: str) -> None:
    names = {"image": ("cat.png", "image/png"), "file": ("a.pdf", "application/pdf"), "audio": ("a.wav", "audio/x-wav")}
    name, mime = names[kind]
    (tmp_path / name).write_bytes(b"data")
    router = FakeRouter(events.ROUTE)
    uri = f"https://example.com/{name}"
    assert run(["ask", "?", f"--{kind}", str(tmp_path / name), f"--{kind}", uri, "--address", serve(router)]) == 0
    first, second = (getattr(part, kind) for part in router.prompts[0].messages[0].parts)
    assert (first.data, first.name, second.uri) == (b"data", name, uri)
    assert first.mime_type.split("/")[0] == mime.split("/")[0]


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--tool-choice", "none"], OutputSpec(tool_choice=ToolChoice(mode=ToolMode.TOOL_MODE_NONE))),
        (["--tool-choice", "weather"], OutputSpec(tool_choice=ToolChoice(name="weather"))),
        (["--no-parallel-tool-calls"], OutputSpec(parallel_tool_calls=False)),
        (["--json-object"], OutputSpec(json_object=True)),
    ],
)
def test_the_form_of_the_answer_is_sent(serve: Serve, arguments: list[str], output: OutputSpec) -> None:
    router = FakeRouter(events.ROUTE)
    assert run(["ask", "Why?", *arguments, "--address", serve(router)]) == 0
    assert router.prompts[0].output == output


def test_yaml_says_what_json_says(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    address = serve(FakeRouter(events.ROUTE))
    said = []
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert run(["ask", "Why?", "-o", form, "--address", address]) == 0
        said.append(read(capsys.readouterr().out))
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["aks"], "No such command 'aks'. Did you mean 'ask'?"),
        (["pool", "evit"], "No such command 'evit'. Did you mean 'evict'?"),
        (["ask", "Why?", "--wort", "1"], "No such option '--wort'. Did you mean '--worth'?"),
    ],
)
def test_a_slip_of_the_hand_is_answered_with_what_was_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert said in capsys.readouterr().err


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
            Violation("prompt.output.tool_choice.name", "foo is not one of the request's tools"),
            Violation("prompt.policy.answer_pattern.re2", "prompt.policy.answer_pattern.re2: not an RE2 pattern"),
            Violation("prompt.messages", "too many"),
        ],
    )
    assert failing(serve, error, capsys) == (
        2,
        (
            "lightrouter ask: --boot-tokens (prompt.policy.boot_tokens): must be 1 to 4,096\n"
            "--candidates (prompt.policy.candidates[0]): is not in the pool\n"
            "--tool-choice (prompt.output.tool_choice.name): foo is not one of the request's tools\n"
            "--answer-pattern (prompt.policy.answer_pattern.re2): not an RE2 pattern\n"
            "prompt.messages: too many\n"
        ),
    )


def test_a_failure_of_all_candidates_names_each(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_a_missing_router_is_one_sentence(
    command: str, capsys: pytest.CaptureFixture[str], serve: Serve, unused_tcp_port: int
) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    assert run([*command.split(), "--address", address]) == 1
    assert capsys.readouterr().err == (
        f"lightrouter {command.removesuffix(' Why?')}: no router answers at {address}; start one with "
        "`lightrouter up`, or give its address with --address or LIGHTROUTER_ADDRESS\n"
    )


NO_ADDRESSES = (
    "http://127.0.0.1:50051",
    "https://host:443",
    "localhost",
    ":50051",
    "host:99999",
    "host:",
    "a:b:1",
    "a b:1",
)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["  "], "the prompt is empty"),
        (["Why?", "--timeout", "0"], "Invalid value for '--timeout': '0' is not a duration above 0"),
        (["Why?", "--address", ""], "no router answers"),
        (["Why?", "--address", "dns:///127.0.0.1:1"], "no router answers"),
        (["Why?", "--address", "[::1]:1"], "no router answers"),
        *((["Why?", "--address", each], f"{each!r} must be HOST:PORT, such as 127") for each in NO_ADDRESSES),
        (["Why?", "--candidates", ""], "Invalid value for '--candidates': '' has no name"),
        (["Why?", "--candidates", " , "], "Invalid value for '--candidates': ' , ' has no name"),
        (["Why?", "--jaeger", "localhost:16686"], "'localhost:16686' must be a URL that begins with http://"),
        (["Why?", "--jaeger", "http://"], "'http://' must be a URL"),
        (["Why?", "--image", "http://example.com/cat.png"], "is no URI of a kind that models take: https, gs or s3"),
    ],
)
def test_an_invalid_question_is_refused(
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
