"""What only Google's Gemini API has: blocked prompts, its many ends, its pauses, and its names for options."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import (
    ChatMessage,
    FinishReason,
    OutputSpec,
    ReasoningEffort,
    Role,
    Sampling,
    Tool,
    ToolCall,
)
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.rpc.adapter_support import FILTER, LENGTH, STOP, UNKNOWN, adapter, answered, failed, generation
from tests.upstreams import behaviours
from tests.upstreams.dialects import GeminiDialect, Said, event
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

DIALECT = GeminiDialect()


def replies(document: dict[str, Any]) -> Behaviour:
    """Sends one document, as a stream of one event if the request asks for a stream."""

    async def behave(exchange: Exchange) -> None:
        if not DIALECT.streams(exchange.request):
            await exchange.reply(json.dumps(document).encode())
            return
        await exchange.begin_events()
        await exchange.chunk(event(document))
        await exchange.end_chunks()

    return behave


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "JAILBREAK", "A_NEW_ONE"])
async def test_a_blocked_prompt_is_withheld(reason: str) -> None:
    blocked = {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 5}}
    error = await failed(replies(blocked), provider="gemini")
    assert (error.reason, error.finish_reason) == (ErrorReason.ERROR_REASON_EMPTY_OUTPUT, FILTER)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", STOP),
        ("MAX_TOKENS", LENGTH),
        ("CONTINUATION", LENGTH),
        ("RECITATION", FILTER),
        ("LANGUAGE", FILTER),
        ("SPII", FILTER),
        ("ESCALATION", FILTER),
        ("PUP_LIMITED_DISABLED", FILTER),
        ("MODEL_ARMOR", FILTER),
        ("OTHER", UNKNOWN),
        ("A_NEW_ONE", UNKNOWN),
    ],
)
async def test_ends(word: str, reason: FinishReason.ValueType) -> None:
    candidate = {"content": {"parts": [{"text": "Hello"}]}, "finishReason": word}
    answer = await answered(replies({"candidates": [candidate]}), provider="gemini")
    assert (answer.text, answer.result.finish_reason) == ("Hello", reason)


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"])
async def test_a_failure_of_the_model_is_no_answer(word: str) -> None:
    candidate = {"content": {"parts": [{"text": "Hello"}]}, "finishReason": word}
    error = await failed(replies({"candidates": [candidate]}), provider="gemini")
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_ERROR


async def test_the_pause_that_its_error_asks_for() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    error = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [info]}}
    # Without `alt=sse` respected, errors of a stream come in a list.
    for body in (error, [error]):
        caught = await failed(behaviours.status(429, body=json.dumps(body).encode()), provider="gemini")
        assert caught.retry_after == 34.5


async def test_a_wrong_key_says_so() -> None:
    words = "API key not valid. Please pass a valid API key."
    error = await failed(DIALECT.refuse(400, words), provider="gemini")
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-3-flash", ReasoningEffort.REASONING_EFFORT_NONE, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash", ReasoningEffort.REASONING_EFFORT_LOW, {"thinkingLevel": "LOW"}),
        ("gemini-3-flash", ReasoningEffort.REASONING_EFFORT_MAXIMUM, {"thinkingLevel": "HIGH"}),
        ("gemini-2.5-flash", ReasoningEffort.REASONING_EFFORT_NONE, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", ReasoningEffort.REASONING_EFFORT_MEDIUM, {"thinkingBudget": 8192}),
    ],
)
async def test_reasoning_efforts(model: str, effort: ReasoningEffort.ValueType, config: dict[str, object]) -> None:
    body, path = await sent(generation(sampling=Sampling(reasoning_effort=effort)), model=model)
    assert body["generationConfig"]["thinkingConfig"] == config
    assert path == f"/v1/models/{model}:generateContent"


async def sent(asked: Generation, **members: Any) -> tuple[dict[str, Any], str]:
    """Returns the body and the path of the request."""
    async with (
        Upstream(DIALECT.reply(Said())) as upstream,
        adapter(upstream.base_url, provider="gemini", **members) as served,
    ):
        await served.generate(asked)
    return upstream.requests[0].body, upstream.requests[0].path


async def test_calls_of_another_author_have_the_signature_that_stands_for_none() -> None:
    calls = [ToolCall(id="a", name="find", arguments='{"x": 1}'), ToolCall(id="b", name="stop")]
    asked = Generation(
        messages=[
            *generation().messages,
            ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=calls, candidate="another", state=b"{}"),
            ChatMessage(role=Role.ROLE_TOOL, tool_call_id="b", content="done"),
            ChatMessage(role=Role.ROLE_TOOL, tool_call_id="a", content='{"found": 2}'),
        ],
        output=OutputSpec(tools=[Tool(name="find"), Tool(name="stop")]),
    )
    body, _ = await sent(asked)
    _, model, results = body["contents"]
    assert [part.get("thoughtSignature") for part in model["parts"]] == ["skip_thought_signature_validator", None]
    assert [part["functionResponse"] for part in results["parts"]] == [
        {"id": "b", "name": "stop", "response": {"output": "done"}},
        {"id": "a", "name": "find", "response": {"found": 2}},
    ]


async def test_the_entry_s_own_members_join_the_request_s() -> None:
    extra = {"generationConfig": {"topK": 5}, "safetySettings": []}
    body, _ = await sent(generation(sampling=Sampling(temperature=0.5)), extra_body=extra)
    assert body["generationConfig"] == {"temperature": 0.5, "topK": 5}
    assert body["safetySettings"] == []


async def test_instructions_that_a_model_refuses_go_into_the_first_turn() -> None:
    async def behave(exchange: Exchange) -> None:
        refused = "systemInstruction" in exchange.request.body
        words = "Developer instruction is not enabled for models/gemma-3-27b-it"
        await (DIALECT.refuse(400, words) if refused else DIALECT.reply(Said()))(exchange)

    async with (
        Upstream(behave) as upstream,
        adapter(upstream.base_url, provider="gemini", system_prompt="Be kind.") as served,
    ):
        assert (await served.generate(generation("Hi"))).text == "Hello world"
    assert [part["text"] for part in upstream.requests[1].body["contents"][0]["parts"]] == ["Be kind.", "Hi"]


async def test_other_continuations_are_not_for_it() -> None:
    with pytest.raises(ValueError, match="knows only trailing and none"):
        async with adapter("http://localhost/v1", provider="gemini", continuation="prefix"):
            pass
