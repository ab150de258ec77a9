"""Tool calls as every provider API promises them: one table, held against servers that speak each of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import (
    ChatMessage,
    FinishReason,
    OutputSpec,
    Role,
    Tool,
    ToolCall,
    ToolCallDelta,
)
from tests.rpc.adapter_support import UNKNOWN, adapter, answered, generation
from tests.upstreams.dialects import DIALECTS, Call, Dialect, GeminiDialect, Said
from tests.upstreams.upstream import Upstream

pytestmark = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.provider)


CALLED = FinishReason.FINISH_REASON_TOOL_CALLS
CALLS = (Call("find", '{"city": "Oslo", "days": [1, 2]}', "call_1"), Call("stop", "{}", "call_2"))
TOOLS = OutputSpec(tools=[Tool(name="find"), Tool(name="stop")])


async def test_tool_calls_in_a_stream_and_in_a_document(dialect: Dialect) -> None:
    said = Said(("A moment.",), calls=CALLS)
    for streamed in (False, True):
        async with (
            Upstream(dialect.reply(said)) as upstream,
            adapter(upstream.base_url, provider=dialect.provider) as served,
        ):
            if streamed:
                pieces = [
                    piece
                    async for event in served.stream(generation(output=TOOLS))
                    for piece in event.chunk.tool_calls
                    if not event.HasField("result")
                ]
                calls = calls_of(pieces)
            else:
                answer = await served.generate(generation(output=TOOLS))
                assert (answer.text, answer.result.finish_reason) == ("A moment.", CALLED)
                calls = list(answer.tool_calls)
        assert [(call.name, json.loads(call.arguments or "{}")) for call in calls] == [
            (call.name, json.loads(call.arguments)) for call in CALLS
        ]
        ids = [call.id for call in calls]
        assert all(ids)
        assert len(set(ids)) == 2
        assert ids == ["call_1", "call_2"] or isinstance(dialect, GeminiDialect)


def calls_of(pieces: Sequence[ToolCallDelta]) -> list[ToolCall]:
    """Joins the pieces of tool calls."""
    calls: dict[int, ToolCall] = {}
    for piece in pieces:
        call = calls.setdefault(piece.index, ToolCall(id=piece.id, name=piece.name))
        call.arguments += piece.arguments
    return [calls[index] for index in range(len(calls))]


async def test_a_tool_call_that_was_not_offered_is_no_whole_answer(dialect: Dialect) -> None:
    answer = await answered(dialect.reply(Said(("A moment.",), calls=CALLS)), provider=dialect.provider)
    assert (answer.text, answer.result.finish_reason, len(answer.tool_calls)) == ("A moment.", UNKNOWN, 0)


SIGNED = {
    "openai": '"reasoning_content":"Look it up."',
    "anthropic": '"signature":"c2ln"',
    "gemini": '"thoughtSignature":"c2ln"',
}


@pytest.mark.parametrize("change", ["", "candidate", "content", "state"])
async def test_a_tool_loop_gives_the_author_its_state_back(dialect: Dialect, change: str) -> None:
    said = Said(("A moment.",), thoughts=("Look it up.",), calls=CALLS[:1])
    async with (
        Upstream(dialect.reply(said)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider) as served,
    ):
        first = await served.generate(generation(output=TOOLS))
        call = first.tool_calls[0]
        answer = ChatMessage(
            role=Role.ROLE_ASSISTANT,
            content=first.text,
            tool_calls=first.tool_calls,
            candidate="fast",
            state=first.result.state,
        )
        match change:
            case "candidate":
                answer.candidate = "another"
            case "content":
                answer.content = "Wait."
            case "state":
                answer.state = b"\xff[" * 100
        result = ChatMessage(role=Role.ROLE_TOOL, tool_call_id=call.id, content="Sun.")
        asked = Generation(messages=[*generation().messages, answer, result], output=TOOLS)
        upstream.then(dialect.reply(Said(("It is sunny.",))))
        assert (await served.generate(asked)).text == "It is sunny."
    body = upstream.requests[-1].raw.decode()
    assert call.id in body
    assert "Sun." in body
    assert (SIGNED[dialect.provider] in body) == (not change)
    assert "Look it up." not in body or not change
    assert answer.content in body
