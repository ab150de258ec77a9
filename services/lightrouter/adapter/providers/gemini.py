"""Google's Gemini API: requests. Facts are from its reference, https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.providers.api import Written
from lightrouter.adapter.providers.asked import (
    NO_SIGNATURE,
    Block,
    BlockTurn,
    alternating_blocks,
    instructions,
    json_object,
    options,
    own_state,
)
from lightrouter.adapter.providers.gemini_reply import API, GeminiReply
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, Media, OutputSpec, Part, Role, Tool, ToolMode

_MODEL: Final = "model"
_USER: Final = "user"
# Strict APIs need a user's turn first. LiteLLM inserts the same text.
_BEGIN: Final = {"text": "."}
_NAMES: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "seed": "seed",
    "stop": "stopSequences",
    "max_tokens": "maxOutputTokens",
}
_MODES: Final = {ToolMode.TOOL_MODE_NONE: "NONE", ToolMode.TOOL_MODE_REQUIRED: "ANY"}
# Google's guide to OpenAI compatibility: the budgets of Gemini 2.5, in tokens, and the levels of its successors.
_BUDGETS: Final = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576}
_LEVELS: Final = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM"}
# The model decides how many calls it makes at a time.
_LACKING: Final = frozenset({"parallel_tool_calls"})


class Gemini:
    """Google's Gemini API. See `Api`."""

    key_header = "x-goog-api-key"
    headers: Mapping[str, str] = {}

    def __init__(self, entry: CandidateEntry) -> None:
        """Prepares the requests of the candidate of `entry`."""
        self._entry = entry
        model = entry.model if "/" in entry.model else f"models/{entry.model}"
        self.path = f"/{quote(model)}:generateContent"
        self.stream_path = f"/{quote(model)}:streamGenerateContent?alt=sse"

    def write(self, request: ProviderRequest, *, streamed: bool) -> Written:
        """Returns the request to send. See `Api.write`."""
        del streamed
        entry = self._entry
        asked, left_out = options(entry, request, _LACKING)
        config: dict[str, Any] = {name: asked[known] for known, name in _NAMES.items() if known in asked}
        system = instructions(entry, request.messages)
        turns = list(self._turns(request))
        body: dict[str, Any] = {}
        if system and request.quirks.merges_system:
            turns.insert(0, BlockTurn(_USER, [{"text": system}]))
        elif system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        turns = alternating_blocks(turns, _USER, _BEGIN)
        body["contents"] = [{"role": turn.role, "parts": turn.blocks} for turn in turns]
        _write_output(request.output, asked, body, config)
        if effort := asked.get("reasoning_effort"):
            config["thinkingConfig"] = _thinking(entry.model, effort)
        if config:
            body["generationConfig"] = config
        _add(entry.extra_body, body)
        plain = [{"role": "system", "content": system}] if "systemInstruction" in body else []
        roles = {_MODEL: "assistant"}
        plain += [{"role": roles.get(turn.role, turn.role), "content": turn.plain} for turn in turns]
        return Written(body, {**asked, "messages": plain}, left_out)

    def reader(self, request: ProviderRequest, info: ReplyInfo) -> GeminiReply:
        """Returns the reader of a reply. See `Api.reader`."""
        return GeminiReply(self._entry, request, info)

    def _turns(self, request: ProviderRequest) -> Iterator[BlockTurn]:
        names: dict[str, str] = {}
        for message in request.messages:
            names |= {call.id: call.name for call in message.tool_calls}
            if message.role == Role.ROLE_ASSISTANT:
                yield BlockTurn(_MODEL, list(own_state(message, self._entry, API)) or _answer(message))
            elif message.role == Role.ROLE_TOOL:
                yield BlockTurn(_USER, [*_result(message, names.get(message.tool_call_id, ""))])
            elif message.role == Role.ROLE_USER:
                yield BlockTurn(_USER, list(_said(message)))
        if request.prefill:
            yield BlockTurn(_MODEL, [{"text": request.prefill}])


def _said(message: ChatMessage) -> Iterator[Block]:
    if message.content:
        yield {"text": message.content}
    yield from map(_part, message.parts)


def _part(part: Part) -> Block:
    if part.HasField("text"):
        return {"text": part.text}
    media: Media = getattr(part, part.WhichOneof("kind") or "file")
    if media.HasField("uri"):
        return {"fileData": {"mimeType": media.mime_type, "fileUri": media.uri.removeprefix("file-id:")}}
    return {"inlineData": {"mimeType": media.mime_type, "data": base64.b64encode(media.data).decode()}}


def _answer(message: ChatMessage) -> list[Block]:
    calls: list[Block] = [
        {"functionCall": {"id": call.id, "name": call.name, "args": json_object(call.arguments)}}
        for call in message.tool_calls
    ]
    if calls:
        calls[0]["thoughtSignature"] = NO_SIGNATURE
    return [*_said(message), *calls]


def _result(message: ChatMessage, name: str) -> Iterator[Block]:
    """Yields a tool's result, then the pictures and documents that belong to it."""
    found = json_object(message.content)
    response = found or {"output": message.content}
    yield {"functionResponse": {"id": message.tool_call_id, "name": name, "response": response}}
    yield from map(_part, message.parts)


def _write_output(output: OutputSpec, asked: Mapping[str, Any], body: dict[str, Any], config: dict[str, Any]) -> None:
    """Writes the tools into `body` and the form of the text into `config`."""
    if output.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in output.tools]}]
        choice = output.tool_choice
        calling: Block = {}
        if asked.get("tool_choice") == "name":
            calling = {"mode": "ANY", "allowedFunctionNames": [choice.name]}
        elif "tool_choice" in asked and choice.mode in _MODES:
            calling = {"mode": _MODES[choice.mode]}
        if calling:
            body["toolConfig"] = {"functionCallingConfig": calling}
    if "response_format" in asked:
        config["responseMimeType"] = "application/json"
    if asked.get("response_format") == "json_schema":
        config["responseJsonSchema"] = json_object(output.json_schema.schema)


def _thinking(model: str, effort: str) -> Block:
    if "gemini-2" in model:
        return {"thinkingBudget": _BUDGETS.get(effort, _BUDGETS["xhigh"])}
    return {"thinkingLevel": _LEVELS.get(effort, "HIGH")}


def _declaration(tool: Tool) -> Block:
    made: Block = {"name": tool.name, "description": tool.description}
    if parameters := json_object(tool.parameters):
        made["parametersJsonSchema"] = parameters
    return made


def _add(extra: Mapping[str, object], body: dict[str, object]) -> None:
    """Adds the entry's own members to `body`, and merges members of objects."""
    for name, value in extra.items():
        known = body.get(name)
        body[name] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
