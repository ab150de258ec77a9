"""Tools, parts and output forms on their way from a caller to a provider of the OpenAI API, and its calls back."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.chat_pb2 import (
    REASONING_EFFORT_HIGH,
    ROLE_ASSISTANT,
    ROLE_TOOL,
    ROLE_USER,
    ChatMessage,
    FinishReason,
    JsonSchema,
    Media,
    OutputSpec,
    Part,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
)
from tests.rpc.adapter_support import LENGTH, STOP, UNKNOWN, adapter, asked, generation
from tests.rpc.test_adapter_learns import refusing
from tests.rpc.test_adapter_replies import DONE, lines
from tests.upstreams import behaviours
from tests.upstreams.behaviours import completion, delta, reply
from tests.upstreams.upstream import Behaviour, Upstream

TOOL_CALLS = FinishReason.FINISH_REASON_TOOL_CALLS
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool(name="get_weather", description="The weather of a city.", parameters=json.dumps(SCHEMA))
TOOLS = OutputSpec(tools=[WEATHER, Tool(name="stop")])
ARGUMENTS = '{"city": "Oslo"}'


def called(*pieces: dict[str, object], **members: Any) -> dict[str, Any]:
    return delta(message={"content": None, "tool_calls": list(pieces)}, **members)


def piece(arguments: object = None, name: str | None = None, **members: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": arguments}, **members}


BEGUN = called(piece("", "get_weather", index=0, id="call-1"))
STREAMS: list[tuple[str, Sequence[object], list[ToolCall], FinishReason.ValueType]] = [
    (
        "as OpenAI",
        (BEGUN, *(called(piece(part, index=0)) for part in ('{"city": ', '"Oslo"}')), delta(finish="tool_calls"), DONE),
        [ToolCall(id="call-1", name="get_weather", arguments=ARGUMENTS)],
        TOOL_CALLS,
    ),
    (
        "ends with stop",
        (called(piece(ARGUMENTS, "get_weather", index=0, id="call-1")), delta(finish="stop"), DONE),
        [ToolCall(id="call-1", name="get_weather", arguments=ARGUMENTS)],
        TOOL_CALLS,
    ),
    (
        "ends in the event of the call",
        (called(piece(ARGUMENTS, "get_weather", index=0, id="call-1"), finish="tool_calls"), DONE),
        [ToolCall(id="call-1", name="get_weather", arguments=ARGUMENTS)],
        TOOL_CALLS,
    ),
    (
        "two calls interleaved, with a gap",
        (
            called(piece("", "get_weather", index=1, id="call-1"), piece("", "stop", index=4, id="call-2")),
            called(piece("{", index=4), piece('{"city": ', index=1)),
            called(piece('"Oslo"}', index=1), piece("}", index=4)),
            delta(finish="tool_calls"),
            DONE,
        ),
        [
            ToolCall(id="call-1", name="get_weather", arguments=ARGUMENTS),
            ToolCall(id="call-2", name="stop", arguments="{}"),
        ],
        TOOL_CALLS,
    ),
    (
        "cut by the limit",
        (BEGUN, called(piece('{"ci', index=0)), delta(finish="length"), DONE),
        [ToolCall(id="call-1", name="get_weather", arguments='{"ci')],
        LENGTH,
    ),
    (
        "arguments that are not whole",
        (BEGUN, called(piece('{"ci', index=0)), delta(finish="tool_calls"), DONE),
        [ToolCall(id="call-1", name="get_weather", arguments='{"ci')],
        UNKNOWN,
    ),
    (
        "no reason",
        (BEGUN, called(piece(ARGUMENTS, index=0)), DONE),
        [ToolCall(id="call-1", name="get_weather", arguments=ARGUMENTS)],
        UNKNOWN,
    ),
]  # fmt: skip


async def answer(behaviour: Behaviour, request: Generation, *, streamed: bool, **members: Any) -> GenerateResponse:
    """Returns the answer of one call, with the tool calls of its pieces joined."""
    async with Upstream(behaviour) as server, adapter(server.base_url, limits={"retries": 0}, **members) as served:
        return await asked(served, request, streamed=streamed)


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(("name", "events", "calls", "finish"), STREAMS, ids=[row[0] for row in STREAMS])
async def test_calls_in_a_stream(
    name: str, events: Sequence[object], calls: list[ToolCall], finish: FinishReason.ValueType, streamed: bool
) -> None:
    body = lines(*events)
    for cuts in ((), range(len(body))):
        behaviour = behaviours.in_bytes(body, cuts)
        response = await answer(behaviour, generation(output=TOOLS), streamed=streamed, always_stream=True)
        assert list(response.tool_calls) == calls
        assert response.result.finish_reason == finish
        assert not response.text


async def test_calls_in_a_document_without_ids() -> None:
    document = completion(None, "stop", message={"tool_calls": [piece({"city": "Oslo"}, "get_weather", id=None)]})
    response = await answer(behaviours.raw(json.dumps(document).encode()), generation(output=TOOLS), streamed=False)
    [call] = response.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Oslo"})
    assert call.id
    assert response.result.finish_reason == TOOL_CALLS
    assert response.result.usage.output_tokens


async def test_the_request_states_tools_and_history() -> None:
    history = [
        ChatMessage(role=ROLE_USER, content="Weather?"),
        ChatMessage(role=ROLE_ASSISTANT, tool_calls=[ToolCall(id="1", name="get_weather", arguments=ARGUMENTS)]),
        ChatMessage(role=ROLE_TOOL, tool_call_id="1", content="rain"),
    ]
    output = OutputSpec(tools=TOOLS.tools, tool_choice=ToolChoice(name="get_weather"), parallel_tool_calls=False)
    async with Upstream(reply("It rains.")) as server, adapter(server.base_url) as served:
        request = Generation(messages=history, output=output, sampling=Sampling(reasoning_effort=REASONING_EFFORT_HIGH))
        response = await served.generate(request)
    assert response.result.finish_reason == STOP
    sent = server.requests[0].body
    function = {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA}
    stop = {"name": "stop", "parameters": {"type": "object", "properties": {}}}
    assert sent["tools"] == [{"type": "function", "function": each} for each in (function, stop)]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert sent["parallel_tool_calls"] is False
    assert sent["reasoning_effort"] == "high"
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
    assert sent["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "1"},
    ]


async def test_the_request_states_parts_and_the_form() -> None:
    parts = [
        Part(image=Media(data=b"png", mime_type="image/png")),
        Part(image=Media(uri="https://example.org/a.png", mime_type="image/png")),
        Part(file=Media(data=b"pdf", mime_type="application/pdf", name="a.pdf")),
        Part(audio=Media(data=b"mp3", mime_type="audio/mpeg")),
        Part(text="and this?"),
    ]
    form = JsonSchema(schema=json.dumps(SCHEMA), name="city", strict=True)
    message = ChatMessage(role=ROLE_USER, content="What is this", parts=parts)
    async with Upstream(reply(ARGUMENTS)) as server, adapter(server.base_url) as served:
        await served.generate(Generation(messages=[message], output=OutputSpec(json_schema=form)))
    sent = server.requests[0].body
    assert sent["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "city", "schema": SCHEMA, "strict": True},
    }

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "What is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded(b"png")}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64," + encoded(b"pdf")}},
        {"type": "input_audio", "input_audio": {"data": encoded(b"mp3"), "format": "mp3"}},
        {"type": "text", "text": "and this?"},
    ]


REFUSED = [
    ("temperature", {"sampling": Sampling(temperature=0.5)}),
    ("reasoning_effort", {"sampling": Sampling(reasoning_effort=REASONING_EFFORT_HIGH)}),
    ("parallel_tool_calls", {"output": OutputSpec(tools=[WEATHER], parallel_tool_calls=True)}),
    ("tool_choice", {"output": OutputSpec(tools=[WEATHER], tool_choice=ToolChoice(name="get_weather"))}),
    ("response_format", {"output": OutputSpec(json_object=True)}),
]


@pytest.mark.parametrize(("name", "members"), REFUSED, ids=[row[0] for row in REFUSED])
async def test_a_refused_parameter_is_left_out_and_remembered(name: str, members: dict[str, Any]) -> None:
    words = f"Unsupported parameter: '{name}' is not supported with this model."

    async with (
        Upstream(refusing(lambda body: name in body, words)) as server,
        adapter(server.base_url, limits={"retries": 0}) as served,
    ):
        for _ in range(2):
            response = await served.generate(generation(**members))
            assert response.text == "Hello there"
            assert list(response.result.left_out) == [name]
        described = served.live.engine.describe()
    bodies = [request.body for request in server.requests]
    assert [name in body for body in bodies] == [True, False, False]
    assert name in described.refuses


async def test_members_that_the_entry_refuses_are_never_sent() -> None:
    async with (
        Upstream(reply("Hi")) as server,
        adapter(server.base_url, refuses=["temperature", "system role"]) as served,
    ):
        response = await served.generate(generation(sampling=Sampling(temperature=0.5)))
        assert list(served.live.engine.describe().refuses) == ["system role", "temperature"]
    assert "temperature" not in server.requests[0].body
    assert list(response.result.left_out) == ["temperature"]
