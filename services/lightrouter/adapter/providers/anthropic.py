"""Anthropic's Messages API: requests. Facts are from its reference, https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.providers.anthropic_reply import API, AnthropicReply
from lightrouter.adapter.providers.api import Written
from lightrouter.adapter.providers.asked import (
    Block,
    BlockTurn,
    alternating_blocks,
    instructions,
    json_object,
    own_state,
    sampling,
)
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, Media, OutputSpec, Part, ReasoningEffort, Role, Tool, ToolMode

_ASSISTANT: Final = "assistant"
_USER: Final = "user"
# Strict APIs need a user's turn first. LiteLLM inserts the same text.
_BEGIN: Final = {"type": "text", "text": "."}
_CACHED: Final = {"type": "ephemeral"}
# The API has no default. A choice: within the limit of every model that the API still serves.
_MOST_TOKENS: Final = 4096
_HIGHEST_TEMPERATURE: Final = 1.0
# The next version, 2026-10-21, only takes members away, among them `temperature` and `top_p`, which older models know.
_VERSION: Final = "2023-06-01"
_EFFORTS: Final = {
    ReasoningEffort.REASONING_EFFORT_MINIMAL: "low",
    ReasoningEffort.REASONING_EFFORT_LOW: "low",
    ReasoningEffort.REASONING_EFFORT_MEDIUM: "medium",
    ReasoningEffort.REASONING_EFFORT_HIGH: "high",
    ReasoningEffort.REASONING_EFFORT_MAXIMUM: "max",
}


class Anthropic:
    """Anthropic's Messages API. See `Api`."""

    path = stream_path = "/messages"
    key_header = "x-api-key"
    headers: Mapping[str, str] = {"anthropic-version": _VERSION}

    def __init__(self, entry: CandidateEntry) -> None:
        """Prepares the requests of the candidate of `entry`."""
        self._entry = entry

    def write(self, request: ProviderRequest, *, streamed: bool) -> Written:
        """Returns the request to send. See `Api.write`.

        Instructions and tools get a place in the provider's cache, because most callers send the same ones each time;
        the conversation gets one if it is likely to be read again.
        """
        entry, output = self._entry, request.output
        asked = sampling(entry, request)
        asked.pop("seed", None)
        turns = alternating_blocks(self._turns(request), _USER, _BEGIN)
        body: dict[str, object] = {"model": entry.model, "max_tokens": asked.get("max_tokens", _MOST_TOKENS)}
        if (system := instructions(entry, request.messages)).strip():
            body["system"] = [{"type": "text", "text": system, "cache_control": _CACHED}]
        body["messages"] = [{"role": turn.role, "content": turn.blocks} for turn in turns]
        if request.is_repeated:
            _cache_last(turns)
        if "temperature" in asked:
            body["temperature"] = min(float(str(asked["temperature"])), _HIGHEST_TEMPERATURE)
        if "top_p" in asked:
            body["top_p"] = asked["top_p"]
        if "stop" in asked:
            body["stop_sequences"] = asked["stop"]
        _write_output(output, body)
        if request.sampling.reasoning_effort == ReasoningEffort.REASONING_EFFORT_NONE:
            body["thinking"] = {"type": "disabled"}
        elif effort := _EFFORTS.get(request.sampling.reasoning_effort):
            body["output_config"] = {**_object(body.get("output_config")), "effort": effort}
        body |= entry.extra_body
        body["stream"] = streamed
        asked["max_tokens"] = body["max_tokens"]
        if "thinking" in body:
            asked["thinking"] = body["thinking"]
        asked["messages"] = [{"role": turn.role, "content": turn.plain} for turn in turns]
        return Written(body, asked)

    def reader(self, request: ProviderRequest, info: ReplyInfo) -> AnthropicReply:
        """Returns the reader of a reply. See `Api.reader`."""
        kept = request.prefill.rstrip()
        return AnthropicReply(self._entry, info, cut_blanks=request.prefill[len(kept) :])

    def _turns(self, request: ProviderRequest) -> Iterator[BlockTurn]:
        for message in request.messages:
            if message.role == Role.ROLE_ASSISTANT:
                yield BlockTurn(_ASSISTANT, list(own_state(message, self._entry, API)) or _answer(message))
            elif message.role == Role.ROLE_TOOL:
                result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": list(_said(message))}
                yield BlockTurn(_USER, [result])
            elif message.role == Role.ROLE_USER:
                yield BlockTurn(_USER, list(_said(message)))
        # The API refuses a last turn that ends with white space.
        if prefill := request.prefill.rstrip():
            yield BlockTurn(_ASSISTANT, [{"type": "text", "text": prefill}])


def _said(message: ChatMessage) -> Iterator[Block]:
    """Yields the blocks of a message, without the empty texts that the API refuses."""
    if message.content.strip():
        yield {"type": "text", "text": message.content}
    for part in message.parts:
        if block := _part(part):
            yield block


def _part(part: Part) -> Block | None:
    if part.HasField("image"):
        return {"type": "image", "source": _source(part.image)}
    if part.HasField("file"):
        named = {"title": part.file.name} if part.file.name else {}
        return {"type": "document", "source": _source(part.file), **named}
    if part.HasField("audio"):
        raise faults.rejected(None, "Anthropic's API takes no audio")
    return {"type": "text", "text": part.text} if part.text.strip() else None


def _source(media: Media) -> Block:
    if media.HasField("uri"):
        scheme, _, name = media.uri.partition(":")
        return {"type": "file", "file_id": name} if scheme == "file-id" else {"type": "url", "url": media.uri}
    if media.mime_type == "text/plain":
        return {"type": "text", "media_type": media.mime_type, "data": media.data.decode("utf-8", "replace")}
    return {"type": "base64", "media_type": media.mime_type, "data": base64.b64encode(media.data).decode()}


def _answer(message: ChatMessage) -> list[Block]:
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json_object(call.arguments)}
        for call in message.tool_calls
    ]
    return [*_said(message), *calls]


def _write_output(output: OutputSpec, body: dict[str, object]) -> None:
    """Writes the tools and the form of the text into `body`."""
    if output.tools:
        tools = [_tool(tool) for tool in output.tools]
        tools[-1]["cache_control"] = _CACHED
        body["tools"] = tools
        body["tool_choice"] = _tool_choice(output)
    if output.HasField("json_schema"):
        schema = json_object(output.json_schema.schema)
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}


def _tool(tool: Tool) -> Block:
    schema = {"type": "object", **json_object(tool.parameters)}
    made: Block = {"name": tool.name, "input_schema": schema}
    if tool.description:
        made["description"] = tool.description
    if tool.strict:
        made["strict"] = True
    return made


def _tool_choice(output: OutputSpec) -> Block:
    choice = output.tool_choice
    if choice.mode == ToolMode.TOOL_MODE_NONE:
        return {"type": "none"}
    made: Block = {"type": "auto"}
    if choice.mode == ToolMode.TOOL_MODE_REQUIRED:
        made = {"type": "tool", "name": choice.name} if choice.name else {"type": "any"}
    if output.HasField("parallel_tool_calls") and not output.parallel_tool_calls:
        made["disable_parallel_tool_use"] = True
    return made


def _cache_last(turns: Sequence[BlockTurn]) -> None:
    """Marks the end of the last user's turn: the provider keeps all up to there, and finds it there later."""
    last = next(turn for turn in reversed(turns) if turn.role == _USER)
    last.blocks[-1] = {**last.blocks[-1], "cache_control": _CACHED}


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
