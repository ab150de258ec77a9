"""Anthropic's Messages API: requests. Facts are from its reference, https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

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
    options,
    own_state,
)
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, Media, OutputSpec, Part, Role, Tool, ToolMode

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
# The API's words for efforts that have others here.
_EFFORTS: Final = {"minimal": "low", "xhigh": "max"}
_NO_TOOL: Final = {"type": "none"}
_SAME: Final = {"top_p": "top_p", "stop": "stop_sequences"}


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
        entry = self._entry
        lacking = {"seed", "response_format"} if request.output.json_object else {"seed"}
        asked, left_out = options(entry, request, lacking)
        turns = alternating_blocks(self._turns(request), _USER, _BEGIN)
        body: dict[str, Any] = {"model": entry.model, "max_tokens": asked.get("max_tokens", _MOST_TOKENS)}
        if (system := instructions(entry, request.messages)).strip():
            body["system"] = [{"type": "text", "text": system, "cache_control": _CACHED}]
        if request.is_repeated:
            _cache_last(turns)
        body["messages"] = [{"role": turn.role, "content": turn.blocks} for turn in turns]
        if "temperature" in asked:
            body["temperature"] = min(asked["temperature"], _HIGHEST_TEMPERATURE)
        body |= {name: asked[known] for known, name in _SAME.items() if known in asked}
        _write_output(request.output, asked, body)
        body |= entry.extra_body
        body["stream"] = streamed
        asked |= {name: body[name] for name in ("max_tokens", "thinking") if name in body}
        asked["messages"] = [{"role": turn.role, "content": turn.plain} for turn in turns]
        return Written(body, asked, left_out)

    def reader(self, request: ProviderRequest, info: ReplyInfo) -> AnthropicReply:
        """Returns the reader of a reply. See `Api.reader`."""
        return AnthropicReply(self._entry, request, info)

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


def _write_output(output: OutputSpec, asked: Mapping[str, Any], body: dict[str, Any]) -> None:
    """Writes the tools, the form of the text and the effort into `body`."""
    if output.tools:
        tools = [_tool(tool) for tool in output.tools]
        tools[-1]["cache_control"] = _CACHED
        body["tools"] = tools
        choice: Block = _tool_choice(output) if "tool_choice" in asked else {"type": "auto"}
        if asked.get("parallel_tool_calls") is False and choice != _NO_TOOL:
            choice["disable_parallel_tool_use"] = True
        body["tool_choice"] = choice
    config: Block = {}
    if asked.get("response_format") == "json_schema":
        config["format"] = {"type": "json_schema", "schema": json_object(output.json_schema.schema)}
    effort = asked.get("reasoning_effort")
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif effort:
        config["effort"] = _EFFORTS.get(effort, effort)
    if config:
        body["output_config"] = config


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
    if choice.HasField("name"):
        return {"type": "tool", "name": choice.name}
    kinds = {ToolMode.TOOL_MODE_NONE: "none", ToolMode.TOOL_MODE_REQUIRED: "any"}
    return {"type": kinds.get(choice.mode, "auto")}


def _cache_last(turns: Sequence[BlockTurn]) -> None:
    """Marks the end of the last user's turn: the provider keeps all up to there, and finds it there later."""
    last = next(turn for turn in reversed(turns) if turn.role == _USER)
    last.blocks[-1] = {**last.blocks[-1], "cache_control": _CACHED}
