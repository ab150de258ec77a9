"""The official SDKs read what the tests' servers send, and their types accept what the adapter sends.

So the servers speak the providers' real wire formats. The SDKs are test clients: no service imports them.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pydantic
import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import (
    ChatMessage,
    JsonSchema,
    Media,
    OutputSpec,
    Part,
    ReasoningEffort,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
)
from lightrouter.v1.ledger_pb2 import Stage
from tests.rpc.adapter_support import adapter
from tests.upstreams.dialects import AnthropicDialect, Call, Counts, GeminiDialect, Said
from tests.upstreams.upstream import Upstream

SAID = Said(
    ("Hello", " wor", "ld"),
    thoughts=("I", " think"),
    counts=Counts(read=100, cached=50, stored=20, written=30, thought=10),
    calls=(Call("find", '{"city": "Oslo", "days": [1, 2]}', "call_1"),),
)
ASKED = [
    Generation(
        messages=[
            ChatMessage(role=Role.ROLE_SYSTEM, content="Be brief."),
            ChatMessage(
                role=Role.ROLE_USER,
                content="Look:",
                parts=[
                    Part(text="What is this?"),
                    Part(image=Media(data=b"\x89PNG", mime_type="image/png")),
                    Part(image=Media(uri="https://example.com/a.png", mime_type="image/png")),
                    Part(file=Media(data=b"%PDF", mime_type="application/pdf", name="a.pdf")),
                    Part(file=Media(data=b"text", mime_type="text/plain")),
                ],
            ),
            ChatMessage(
                role=Role.ROLE_ASSISTANT,
                content="A moment.",
                tool_calls=[ToolCall(id="c1", name="find", arguments='{"city": "Oslo"}')],
            ),
            ChatMessage(role=Role.ROLE_TOOL, tool_call_id="c1", content='{"sun": true}'),
        ],
        sampling=Sampling(
            max_output_tokens=10,
            temperature=0.5,
            top_p=0.5,
            stop=["END"],
            reasoning_effort=ReasoningEffort.REASONING_EFFORT_LOW,
        ),
        output=OutputSpec(
            tools=[Tool(name="find", description="Finds.", parameters='{"type": "object", "properties": {}}')],
            tool_choice=choice,
            parallel_tool_calls=False,
            json_schema=JsonSchema(schema='{"type": "object", "properties": {"a": {"type": "string"}}}'),
        ),
        stage=Stage.STAGE_BOOT,
    )
    for choice in (
        ToolChoice(),
        ToolChoice(mode=ToolMode.TOOL_MODE_NONE),
        ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED),
        ToolChoice(name="find"),
    )
]


async def sent(provider: str, model: str, asked: Generation) -> dict[str, Any]:
    """Returns the body of the adapter's request."""
    dialect = AnthropicDialect() if provider == "anthropic" else GeminiDialect()
    async with (
        Upstream(dialect.reply(Said())) as upstream,
        adapter(upstream.base_url, provider=provider, model=model) as served,
    ):
        await served.generate(asked)
    return upstream.requests[0].body


async def test_anthropic_s_client_reads_the_server() -> None:
    anthropic: Any = import_module("anthropic")
    async with (
        Upstream(AnthropicDialect().reply(SAID)) as upstream,
        anthropic.AsyncAnthropic(
            base_url=upstream.base_url.removesuffix("/v1"), api_key="key", max_retries=0
        ) as client,
    ):
        asked = {"model": "tiny", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
        document = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
    assert upstream.requests[0].path == "/v1/messages"
    for message in (document, streamed):
        anthropic.types.Message.model_validate_json(message.model_dump_json())
        thinking, text, call = message.content
        assert (thinking.thinking, text.text) == ("I think", "Hello world")
        assert (call.id, call.name, call.input) == ("call_1", "find", {"city": "Oslo", "days": [1, 2]})
        assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 30)
    events: Any = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)
    for event in AnthropicDialect().events(SAID):
        document = json.loads(event.partition(b"data: ")[2])
        if document["type"] != "ping":
            events.validate_python(document)


@pytest.mark.parametrize("asked", ASKED, ids=["auto", "none", "required", "named"])
async def test_anthropic_s_types_accept_the_request(asked: Generation) -> None:
    anthropic: Any = import_module("anthropic")
    body = await sent("anthropic", "claude-opus-4-6", asked)
    # These are no longer in the SDK's types, though older models take them.
    assert (body.pop("temperature"), body.pop("top_p")) == (0.5, 0.5)
    types: Any = pydantic.TypeAdapter(anthropic.types.message_create_params.MessageCreateParamsStreaming)
    assert set(types.validate_python(body)) == set(body)
    # The members that a type does not know are lost.
    block: Any = pydantic.TypeAdapter(anthropic.types.ContentBlockParam)
    for each in [part for message in body["messages"] for part in message["content"]]:
        assert json.loads(block.dump_json(block.validate_python(each))) == each
    tool: Any = pydantic.TypeAdapter(anthropic.types.ToolParam)
    assert [json.loads(tool.dump_json(tool.validate_python(each))) for each in body["tools"]] == body["tools"]
    config: Any = pydantic.TypeAdapter(anthropic.types.OutputConfigParam)
    assert config.validate_python(body["output_config"]) == body["output_config"]


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_gemini_s_client_reads_the_server() -> None:
    genai: Any = import_module("google.genai")
    async with Upstream(GeminiDialect().reply(SAID)) as upstream:
        options = {"base_url": upstream.base_url.removesuffix("/v1"), "api_version": "v1"}
        client = genai.Client(api_key="key", http_options=options)
        try:
            document = await client.aio.models.generate_content(model="tiny", contents="Hi")
            chunks = [
                chunk async for chunk in await client.aio.models.generate_content_stream(model="tiny", contents="Hi")
            ]
        finally:
            await client.aio.aclose()
    assert [request.path for request in upstream.requests] == [
        "/v1/models/tiny:generateContent",
        "/v1/models/tiny:streamGenerateContent?alt=sse",
    ]
    assert upstream.requests[0].headers["x-goog-api-key"] == "key"
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    for given in (document.candidates[0].content.parts, parts):
        assert "".join(part.text or "" for part in given if part.thought) == "I think"
        assert "".join(part.text or "" for part in given if not part.thought) == "Hello world"
        (call,) = [part for part in given if part.function_call]
        assert call.function_call.args == {"city": "Oslo", "days": [1, 2]}
        assert call.thought_signature
    for last in (document, chunks[-1]):
        usage = last.usage_metadata
        assert (usage.prompt_token_count, usage.cached_content_token_count) == (100, 50)
        assert (usage.candidates_token_count, usage.thoughts_token_count) == (20, 10)
        assert last.candidates[0].finish_reason.name == "STOP"


@pytest.mark.parametrize("asked", ASKED, ids=["auto", "none", "required", "named"])
async def test_gemini_s_types_accept_the_request(asked: Generation) -> None:
    genai: Any = import_module("google.genai")
    types = genai.types
    body = await sent("gemini", "gemini-3-flash", asked)
    for content in [*body.pop("contents"), body.pop("systemInstruction")]:
        types.Content.model_validate(content)
    types.GenerationConfig.model_validate(body.pop("generationConfig"))
    for tool in body.pop("tools"):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.pop("toolConfig", {}))
    assert not body
