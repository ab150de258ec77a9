"""Tool calls, schemas and pictures through the whole suite, over upstreams that misbehave on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.toolcalls import ToolCalls
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_STOP,
    FINISH_REASON_TOOL_CALLS,
    FINISH_REASON_UNKNOWN,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    ChatMessage,
    JsonSchema,
    Media,
    OutputSpec,
    Part,
    Tool,
    ToolChoice,
    ToolMode,
)
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_ABILITY_MISSING, ERROR_REASON_INVALID_REQUEST
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_ACTION_DISPUTED,
    DEGRADED_REASON_FORM_NOT_MET,
    NOT_ASKED_REASON_ABILITY,
    DegradedReason,
)
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_VOTE,
    HOLD_ALWAYS,
    HOLD_NEVER,
    SELECTOR_STRATEGY_PRIOR,
    Policy,
)
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_ACTION,
    SELECTION_REASON_ACTION_DISPUTED,
    SELECTION_REASON_NO_BOOT,
    Answer,
    Prompt,
    StreamCompleteResponse,
)
from tests.suite.rig import Suite, entry, running
from tests.upstreams.behaviours import completion, delta
from tests.upstreams.behaviours import stream as events_of
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool(name="get_weather", description="The weather of a city.", parameters=json.dumps(SCHEMA))
TIME = Tool(name="get_time", parameters=json.dumps(SCHEMA))
TOOLS = OutputSpec(tools=[WEATHER, TIME])
FORM = OutputSpec(json_schema=JsonSchema(schema=json.dumps(SCHEMA)))
QUESTION = ChatMessage(role=ROLE_USER, content="What is the weather in Oslo?")
OSLO = '{"city": "Oslo"}'
Piece = dict[str, Any]
Writes = Callable[[Mapping[str, Any]], list[Piece]]


def call(arguments: str, name: str = "get_weather", *, shape: str = "pieces") -> list[Piece]:
    """Returns the events of a call, in one of the shapes that providers send."""
    if shape == "pieces":
        pieces = [{"index": 0, "id": "a", "function": {"name": name, "arguments": ""}}]
        pieces += [
            {"index": 0, "function": {"arguments": arguments[at : at + 4]}} for at in range(0, len(arguments), 4)
        ]
    elif shape == "null ids":
        pieces = [{"index": 0, "id": None, "function": {"name": name, "arguments": arguments}}]
    elif shape == "gap":
        pieces = [{"index": 3, "id": "", "type": "function", "function": {"name": name, "arguments": arguments}}]
    else:
        pieces = [{"id": "b", "function": {"name": name, "arguments": json.loads(arguments)}}]
    finish = "stop" if shape in {"gap", "object"} else "tool_calls"
    return [*(delta(message={"tool_calls": [piece]}) for piece in pieces), delta(finish=finish)]


def text(words: str) -> list[Piece]:
    """Returns the events of a text, a word each."""
    return [*(delta(word) for word in words.split(" ")), delta(finish="stop")] if " " in words else [
        *(delta(words[at : at + 3]) for at in range(0, len(words), 3)),
        delta(finish="stop"),
    ]  # fmt: skip


def writes(of: Writes) -> Behaviour:
    """Answers each request with the events that `of` makes of it, or with a document of the same."""

    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        found = of(body)
        if body.get("stream"):
            await events_of(found)(exchange)
            return
        deltas = [each["choices"][0]["delta"] for each in found]
        calls = document_calls([piece for each in deltas for piece in each.get("tool_calls", ())])
        whole = "".join(each.get("content") or "" for each in deltas)
        finish = found[-1]["choices"][0]["finish_reason"]
        members = {"tool_calls": calls} if calls else {}
        await exchange.reply(json.dumps(completion(whole or None, finish, message=members)).encode())

    return behave


def document_calls(pieces: Sequence[Piece]) -> list[Piece]:
    """Returns the pieces of one call as a document has them: one call, or none."""
    if len(pieces) < 2:
        return list(pieces)
    arguments = "".join(piece["function"]["arguments"] for piece in pieces)
    return [{**pieces[0], "function": {**pieces[0]["function"], "arguments": arguments}}]


def always(found: list[Piece]) -> Behaviour:
    return writes(lambda _: found)


def agent(shape: str) -> Behaviour:
    """Calls the tool, and says its result once it has it."""

    def of(body: Mapping[str, Any]) -> list[Piece]:
        last = body["messages"][-1]
        return text(f"It is {last['content']} there.") if last["role"] == "tool" else call(OSLO, shape=shape)

    return writes(of)


async def suite_of(
    stack: AsyncExitStack, folder: Path, *behaviours: Behaviour, **fields: Any
) -> tuple[Suite, list[Upstream]]:
    """Runs a suite with a candidate a behaviour, named a, b, c; `fields` are further members of entries by name."""
    upstreams = [await stack.enter_async_context(Upstream(behaviour)) for behaviour in behaviours]
    entries = [
        entry(name, each.base_url, prior=0.9 - at / 10, **fields.get(name, {}))
        for at, (name, each) in enumerate(zip("abc", upstreams, strict=False))
    ]
    settings = {"aggregator": "synthesize", "selector": "consensus", "boot_grace_seconds": 5.0}
    suite = await stack.enter_async_context(running(folder, *entries, router=settings))
    return suite, upstreams


def asked(*messages: ChatMessage, output: OutputSpec = TOOLS, **policy: Any) -> Prompt:
    policy.setdefault("boot_tokens", 4)
    return Prompt(messages=messages or [QUESTION], output=output, policy=Policy(**policy))


async def answered(suite: Suite, prompt: Prompt, *, streamed: bool) -> Answer:
    """Returns the answer; that of a stream with its text, after a check that its pieces are the answer."""
    if not streamed:
        return await suite.complete(prompt)
    events = await suite.stream(prompt)
    answer = events[-1].answer
    answer.text, calls = joined(events)
    assert calls == list(answer.tool_calls)
    return answer


def joined(events: Sequence[StreamCompleteResponse]) -> tuple[str, list[Any]]:
    said, calls = "", ToolCalls()
    for event in events:
        if event.HasField("chunk"):
            if event.chunk.restart:
                said, calls = "", ToolCalls()
            said += event.chunk.text
            calls.add(event.chunk.tool_calls)
    return said, calls.calls()


def reasons(answer: Answer) -> list[DegradedReason.ValueType]:
    return [each.reason for each in answer.degraded]


@pytest.mark.parametrize("hold", [HOLD_ALWAYS, HOLD_NEVER, 0])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_loop_of_two_turns(folder: Path, streamed: bool, hold: Any) -> None:
    shapes = ("pieces", "null ids", "object")
    async with AsyncExitStack() as stack:
        suite, upstreams = await suite_of(stack, folder, *map(agent, shapes))
        first = await answered(suite, asked(hold=hold), streamed=streamed)
        [called] = first.tool_calls
        assert (called.name, json.loads(called.arguments)) == ("get_weather", {"city": "Oslo"})
        assert called.id
        assert first.finish_reason == FINISH_REASON_TOOL_CALLS
        assert first.selection.reason == SELECTION_REASON_ACTION
        assert not first.degraded
        turns = [
            QUESTION,
            ChatMessage(role=ROLE_ASSISTANT, tool_calls=first.tool_calls, candidate=first.candidate, state=first.state),
            ChatMessage(role=ROLE_TOOL, tool_call_id=called.id, content="rainy"),
        ]
        before = [len(upstream.requests) for upstream in upstreams]
        second = await answered(suite, asked(*turns, hold=hold), streamed=streamed)
    assert second.text.replace(" ", "") == "Itisrainythere."
    assert second.finish_reason == FINISH_REASON_STOP
    assert second.selection.reason == SELECTION_REASON_NO_BOOT
    assert list(second.candidates) == [first.candidate] == [second.candidate]
    asked_now = [len(upstream.requests) - count for upstream, count in zip(upstreams, before, strict=True)]
    assert sum(asked_now) == asked_now["abc".index(first.candidate)]
    answers = {entry.candidate for entry in second.ledger.entries}
    assert answers == {first.candidate}


@pytest.mark.parametrize("shape", ["pieces", "null ids", "gap", "object"])
async def test_calls_of_every_shape_are_one_call(folder: Path, shape: str) -> None:
    async with AsyncExitStack() as stack:
        suite, _ = await suite_of(stack, folder, agent(shape))
        answer = await answered(suite, asked(), streamed=True)
    assert [(each.name, json.loads(each.arguments)) for each in answer.tool_calls] == [
        ("get_weather", {"city": "Oslo"})
    ]
    assert answer.finish_reason == FINISH_REASON_TOOL_CALLS


RAIN = "It rains in Oslo, as it does on most days of the year."
DISPUTES = [
    ("two want the same", [call(OSLO), call(OSLO, "get_time"), call('{ "city":"Oslo" }')], "get_weather", False),
    ("the best is outvoted", [call(OSLO, "get_time"), call(OSLO), call('{"city":"Oslo"}')], "get_weather", False),
    ("each wants another", [call(OSLO), call(OSLO, "get_time")], "get_weather", True),
    ("a call against text", [call(OSLO), text(RAIN)], "get_weather", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "written", "chosen", "disputed"), DISPUTES, ids=[row[0] for row in DISPUTES])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_dispute_is_voted_on(
    folder: Path, name: str, written: list[list[Piece]], chosen: str, disputed: bool, streamed: bool
) -> None:
    async with AsyncExitStack() as stack:
        suite, upstreams = await suite_of(stack, folder, *map(always, written))
        answer = await answered(suite, asked(selector=SELECTOR_STRATEGY_PRIOR, k=3), streamed=streamed)
        bodies = [request for upstream in upstreams for request in upstream.requests]
    assert answer.selection.reason == SELECTION_REASON_ACTION_DISPUTED
    assert reasons(answer) == [DEGRADED_REASON_ACTION_DISPUTED] * disputed
    assert [each.name for each in answer.tool_calls] == [chosen]
    assert answer.aggregator == (AGGREGATOR_STRATEGY_BEST if disputed else AGGREGATOR_STRATEGY_VOTE)
    # Nobody synthesizes.
    assert len(bodies) == len(written)


async def test_a_call_that_breaks_its_schema_is_out(folder: Path) -> None:
    broken = [call('{"town": "Oslo", "days": 3}'), call('{"city": 3, "days": 3}'), call(OSLO)]
    async with AsyncExitStack() as stack:
        suite, _ = await suite_of(stack, folder, *map(always, broken))
        answer = await suite.complete(asked())
    assert [each.arguments for each in answer.tool_calls] == [OSLO]
    assert list(answer.candidates) == ["c"]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "bad", ["Oslo is a city.", '{"town": "Oslo"}', '{"city": 3}', '["Oslo"]', '{"city": "Oslo"', "```json\n{}\n```"]
)
async def test_a_schema_answer_with_one_candidate_that_breaks_it(folder: Path, bad: str, streamed: bool) -> None:
    async with AsyncExitStack() as stack:
        suite, _ = await suite_of(stack, folder, always(text(bad)), always(text(OSLO)))
        answer = await answered(suite, asked(output=FORM, k=1, margin=0.0), streamed=streamed)
    assert json.loads(answer.text) == {"city": "Oslo"}
    assert list(answer.candidates) == ["b"]
    assert answer.finish_reason == FINISH_REASON_STOP


@pytest.mark.parametrize("streamed", [False, True])
async def test_one_that_breaks_the_schema_is_asked_once_more_with_the_fault(folder: Path, streamed: bool) -> None:
    def of(body: Mapping[str, Any]) -> list[Piece]:
        return text(OSLO if "does not fit" in body["messages"][-1]["content"] else '{"city": 3}')

    async with AsyncExitStack() as stack:
        suite, [upstream] = await suite_of(stack, folder, writes(of))
        answer = await answered(suite, asked(output=FORM), streamed=streamed)
    assert json.loads(answer.text) == {"city": "Oslo"}
    assert DEGRADED_REASON_FORM_NOT_MET not in reasons(answer)
    assert len(upstream.requests) == 2
    assert len(answer.ledger.entries) == 2


PROSE = "I would rather tell you a story about Oslo, which is a long one."
REQUIRED = OutputSpec(tools=[WEATHER, TIME], tool_choice=ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED))
# Each fits so far, and shows its fault only at its end.
LATE = '{"city": "Oslo, which is the capital of Norway", "days": 3.5}'
UNFORMED = [
    ("prose", FORM, text(PROSE)),
    ("not a number", FORM, text('{"city": "Oslo", "days": NaN}')),
    ("text in place of a call", REQUIRED, text(PROSE)),
    ("arguments with a fault at their end", TOOLS, call(LATE)),
    ("arguments without an end", TOOLS, [*call(OSLO)[:-2], delta(finish="tool_calls")]),
    ("arguments with a fault, where one is required", REQUIRED, call(LATE)),
]


@pytest.mark.parametrize(("name", "output", "bad"), UNFORMED, ids=[row[0] for row in UNFORMED])
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_lacks_the_form_is_never_a_whole_answer(
    folder: Path, name: str, output: OutputSpec, bad: list[Piece], streamed: bool
) -> None:
    async with AsyncExitStack() as stack:
        suite, _ = await suite_of(stack, folder, always(bad), always(bad))
        answer = await answered(suite, asked(output=output), streamed=streamed)
    assert DEGRADED_REASON_FORM_NOT_MET in reasons(answer) or name == "arguments without an end"
    assert answer.finish_reason == FINISH_REASON_UNKNOWN


@pytest.mark.parametrize(("name", "output", "bad"), UNFORMED, ids=[row[0] for row in UNFORMED])
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_lacks_the_form_is_replaced_by_what_has_it(
    folder: Path, name: str, output: OutputSpec, bad: list[Piece], streamed: bool
) -> None:
    good = text(OSLO) if output is FORM else call(OSLO)
    async with AsyncExitStack() as stack:
        suite, _ = await suite_of(stack, folder, always(bad), always(good))
        answer = await answered(suite, asked(output=output, k=1, margin=0.0), streamed=streamed)
    said = answer.text if output is FORM else answer.tool_calls[0].arguments
    assert json.loads(said) == {"city": "Oslo"}
    assert answer.finish_reason in {FINISH_REASON_STOP, FINISH_REASON_TOOL_CALLS}
    assert list(answer.candidates) == ["b"]
    assert DEGRADED_REASON_FORM_NOT_MET not in reasons(answer)


IMAGE = ChatMessage(
    role=ROLE_USER, content="What is this?", parts=[Part(image=Media(data=b"x", mime_type="image/png"))]
)


async def test_a_picture_goes_to_those_who_read_pictures(folder: Path) -> None:
    fields = {"a": {"abilities": ["tools"]}, "b": {"abilities": ["images"]}}
    async with AsyncExitStack() as stack:
        said = [always(text("A large cat."))] * 2
        suite, [text_only, reader] = await suite_of(stack, folder, *said, **fields)
        answer = await suite.complete(asked(IMAGE, output=OutputSpec()))
    assert not text_only.requests
    assert reader.requests[0].body["messages"][0]["content"][1]["type"] == "image_url"
    [not_asked] = answer.ledger.not_asked
    assert (not_asked.candidate, not_asked.reason) == ("a", NOT_ASKED_REASON_ABILITY)
    assert "images" in not_asked.message


REFUSED = [
    ("a picture", asked(IMAGE, output=OutputSpec()), ERROR_REASON_ABILITY_MISSING, "prompt.messages[0].parts[0]"),
    ("tools", asked(), ERROR_REASON_ABILITY_MISSING, "prompt.output.tools"),
    ("a schema", asked(output=FORM), ERROR_REASON_ABILITY_MISSING, "prompt.output.json_schema"),
    (
        "no JSON",
        asked(output=OutputSpec(json_schema=JsonSchema(schema="{"))),
        ERROR_REASON_INVALID_REQUEST,
        "prompt.output.json_schema.schema",
    ),
    (
        "no schema",
        asked(output=OutputSpec(json_schema=JsonSchema(schema='{"type": 3}'))),
        ERROR_REASON_INVALID_REQUEST,
        "prompt.output.json_schema.schema",
    ),
    (
        "parameters that are no object",
        asked(output=OutputSpec(tools=[Tool(name="f", parameters="[]")])),
        ERROR_REASON_INVALID_REQUEST,
        "prompt.output.tools[0].parameters",
    ),
    (
        "an unknown tool",
        asked(output=OutputSpec(tools=[Tool(name="f")], tool_choice=ToolChoice(name="g"))),
        ERROR_REASON_INVALID_REQUEST,
        "prompt.output.tool_choice.name",
    ),
    (
        "a result of no call",
        asked(QUESTION, ChatMessage(role=ROLE_TOOL, tool_call_id="1", content="x")),
        ERROR_REASON_INVALID_REQUEST,
        "prompt.messages[1].tool_call_id",
    ),
]


@pytest.mark.parametrize(("name", "prompt", "reason", "field"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_a_request_that_no_candidate_can_take_is_refused(
    folder: Path, name: str, prompt: Prompt, reason: Any, field: str
) -> None:
    fields = {"a": {"abilities": ["prefill"]}}
    async with AsyncExitStack() as stack:
        suite, [upstream] = await suite_of(stack, folder, always(text("no")), **fields)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await suite.complete(prompt)
    error = from_rpc_error(caught.value)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == reason
    assert [each.field for each in error.violations] == [field]
    assert not upstream.requests
