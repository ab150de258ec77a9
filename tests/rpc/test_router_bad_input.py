"""Bad input, one test a rule: refused with the field's name, and nothing spent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from lightrouter.router.__main__ import main
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.chat_pb2 import ROLE_ASSISTANT, ROLE_USER, ChatMessage, OutputSpec, Part, Sampling, Tool, ToolCall
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CONTEXT_WINDOW_EXCEEDED,
    ERROR_REASON_COST_CEILING_TOO_LOW,
    ERROR_REASON_INVALID_REQUEST,
    ERROR_REASON_POOL_EMPTY,
    ERROR_REASON_UNKNOWN_CANDIDATE,
    ErrorReason,
)
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_VOTE, AnswerPattern
from lightrouter.v1.router_pb2 import CompleteRequest, Prompt
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import prompt

PRICES = {"input": "0.001", "output": "0.001"}
ENTRIES = (
    {"name": "a", "prices": PRICES, "context_window": 100},
    {"name": "b", "prices": PRICES, "context_window": 60},
    {"name": "out", "prices": PRICES, "state": "evicted"},
)


@pytest.fixture
async def suite() -> AsyncIterator[RouterSuite]:
    async with RouterSuite(entries=[dict(entry) for entry in ENTRIES], max_message_bytes=65536) as running:
        yield running


def with_sampling(**values: object) -> Prompt:
    request = prompt()
    for name, value in values.items():
        setattr(request.sampling, name, value)
    return request


def talk(*messages: ChatMessage) -> Prompt:
    return Prompt(messages=messages)


INVALID = ERROR_REASON_INVALID_REQUEST
CASES = {
    "no messages": (talk(), "prompt.messages", INVALID),
    "an empty message": (talk(ChatMessage(role=ROLE_USER)), "prompt.messages[0]", INVALID),
    "a message of nobody": (talk(ChatMessage(content="Hi")), "prompt.messages[0].role", INVALID),
    "the assistant last": (talk(ChatMessage(role=ROLE_ASSISTANT, content="Hi")), "prompt.messages", INVALID),
    "boot tokens 0": (prompt(boot_tokens=0), "prompt.policy.boot_tokens", INVALID),
    "too many boot tokens": (prompt(boot_tokens=4097), "prompt.policy.boot_tokens", INVALID),
    "k 0": (prompt(k=0), "prompt.policy.k", INVALID),
    "a margin over 1": (prompt(margin=1.5), "prompt.policy.margin", INVALID),
    "a quorum of 0": (prompt(quorum=0.0), "prompt.policy.quorum", INVALID),
    "a ceiling of 0": (prompt(max_cost_nanousd=0), "prompt.policy.max_cost_nanousd", INVALID),
    "a candidate twice": (prompt(candidates=["a", "a"]), "prompt.policy.candidates", INVALID),
    "an unknown strategy": (prompt(selector=99), "prompt.policy.selector", INVALID),
    "voting without a pattern": (prompt(aggregator=AGGREGATOR_STRATEGY_VOTE), "prompt.policy", INVALID),
    "no RE2": (prompt(answer_pattern=AnswerPattern(re2="(")), "prompt.policy.answer_pattern.re2", INVALID),
    "no JSON pointer": (
        prompt(answer_pattern=AnswerPattern(json_pointer="x")),
        "prompt.policy.answer_pattern.json_pointer",
        INVALID,
    ),
    "a temperature over 2": (with_sampling(temperature=2.5), "prompt.sampling.temperature", INVALID),
    "top_p 0": (with_sampling(top_p=0.0), "prompt.sampling.top_p", INVALID),
    "output tokens 0": (with_sampling(max_output_tokens=0), "prompt.sampling.max_output_tokens", INVALID),
    "an unknown candidate": (prompt(candidates=["nobody"]), "prompt.policy.candidates", ERROR_REASON_UNKNOWN_CANDIDATE),
    "an evicted candidate": (prompt(candidates=["out"]), "prompt.policy.candidates", ERROR_REASON_UNKNOWN_CANDIDATE),
    "a ceiling below the cheapest route": (
        prompt(max_cost_nanousd=1),
        "prompt.policy.max_cost_nanousd",
        ERROR_REASON_COST_CEILING_TOO_LOW,
    ),
    "a prompt beyond every window": (prompt("word " * 100), "prompt.messages", ERROR_REASON_CONTEXT_WINDOW_EXCEEDED),
}


@pytest.mark.parametrize(("request_", "field", "reason"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("streaming", [False, True])
async def test_bad_input_is_named_and_nothing_spent(
    suite: RouterSuite, request_: Prompt, field: str, reason: ErrorReason.ValueType, streaming: bool
) -> None:
    with pytest.raises(ServiceError) as caught:
        await (suite.stream(request_) if streaming else suite.complete(request_))
    error = caught.value
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, reason)
    assert error.violations[0].field == field
    assert not suite.models.calls


USER = ChatMessage(role=ROLE_USER, content="Hi")
CALLING = ChatMessage(role=ROLE_ASSISTANT, tool_calls=[ToolCall(id="a", name="b")] * 128)
TOOL = Tool(name="a")
# Each once took up to a minute, in which nothing else of the service ran.
MANY_FIELDS = {
    "empty turns": (talk(*[ChatMessage()] * 100_000), "fields"),
    "turns": (talk(*[USER] * 20_000), "fields"),
    "parts": (talk(*[ChatMessage(role=ROLE_USER, parts=[Part(text="a")] * 256)] * 100), "fields"),
    "empty parts": (talk(ChatMessage(role=ROLE_USER, parts=[Part()] * 50_000)), "fields"),
    "calls": (talk(*[CALLING] * 99, USER), "fields"),
    "tools": (Prompt(messages=[USER], output=OutputSpec(tools=[TOOL] * 20_000)), "fields"),
    "stop sequences": (Prompt(messages=[USER], sampling=Sampling(stop=["a"] * 20_000)), "fields"),
    "candidates": (prompt(candidates=["a"] * 20_000), "fields"),
    "turns below the maximum of fields": (talk(*[ChatMessage()] * 8_000), "no more than 1000"),
    "tools below the maximum of fields": (Prompt(messages=[USER], output=OutputSpec(tools=[TOOL] * 4_000)), "128"),
    "empty tools below the maximum of fields": (
        Prompt(messages=[USER], output=OutputSpec(tools=[Tool()] * 8_000)),
        "128",
    ),
    "calls below the maximum of fields": (
        talk(ChatMessage(role=ROLE_ASSISTANT, tool_calls=[ToolCall()] * 8_000), USER),
        "a tool call needs an id and a name",
    ),
}


@pytest.mark.parametrize(("request_", "fault"), MANY_FIELDS.values(), ids=MANY_FIELDS)
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_request_of_very_many_fields_is_refused_before_it_is_read(
    request_: Prompt, fault: str, streaming: bool
) -> None:
    async with RouterSuite() as suite:
        with pytest.raises(ServiceError) as caught:
            await (suite.stream(request_) if streaming else suite.complete(request_))
        assert (caught.value.code, caught.value.reason) == (Code.INVALID_ARGUMENT, INVALID)
        assert fault in caught.value.violations[0].message
        assert len(caught.value.violations) == 1
        assert not suite.models.calls


async def test_a_request_without_a_prompt_is_refused(suite: RouterSuite) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await suite.stub.Complete(CompleteRequest())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_that_is_too_large(suite: RouterSuite) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await suite.stub.Complete(CompleteRequest(prompt=prompt("x" * 100_000)))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not suite.models.calls


async def test_metadata_that_are_too_large(suite: RouterSuite) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await suite.stub.Complete(CompleteRequest(prompt=prompt()), metadata=(("x-note", "x" * 50_000),))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not suite.models.calls


async def test_a_pool_in_which_nobody_may_answer() -> None:
    async with RouterSuite(entries=[{"name": "a", "state": "evicted"}]) as suite:
        with pytest.raises(ServiceError) as caught:
            await suite.complete(prompt())
    assert (caught.value.code, caught.value.reason) == (Code.FAILED_PRECONDITION, ERROR_REASON_POOL_EMPTY)


async def test_a_broken_pool_file_is_refused_and_the_last_good_one_stays(suite: RouterSuite) -> None:
    await suite.change_entry("a", prior=7)
    assert (await suite.complete(prompt(candidates=["a"]))).answer.text


def test_a_broken_pool_file_stops_the_start(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    pool = f"{tmp_path}/missing.yaml"
    with pytest.raises(SystemExit) as caught:
        main(["--pool", pool, "--selector-address", "unix:/s", "--aggregator-address", "unix:/a"])
    assert caught.value.code == 2
    assert f"{pool}: cannot be read" in capsys.readouterr().err
