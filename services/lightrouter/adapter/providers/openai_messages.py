"""Messages and output forms in requests of the OpenAI API."""

from __future__ import annotations

import base64
import json
from typing import Final

from lightrouter.adapter.providers.turns import Turn
from lightrouter.runtime.enums import label
from lightrouter.v1.chat_pb2 import ChatMessage, Media, OutputSpec, Part, Role, Tool, ToolMode

_ANY_OBJECT: Final = {"type": "object", "properties": {}}
_TOOL_MODES: Final = {
    ToolMode.TOOL_MODE_AUTO: "auto",
    ToolMode.TOOL_MODE_NONE: "none",
    ToolMode.TOOL_MODE_REQUIRED: "required",
}


def turn_of(message: ChatMessage) -> Turn:
    """Returns a message as the API takes it; plain text stays a string, which every server takes."""
    turn: dict[str, object] = {"role": label(Role, message.role), "content": message.content}
    if message.parts:
        texts = [part.text for part in message.parts if part.HasField("text")]
        if len(texts) == len(message.parts):
            turn["content"] = "\n\n".join(filter(None, [message.content, *texts]))
        else:
            begin = [{"type": "text", "text": message.content}] if message.content else []
            turn["content"] = [*begin, *map(_part, message.parts)]
    if message.tool_calls:
        # An empty text beside calls is refused by some servers.
        turn["content"] = turn["content"] or None
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.tool_calls
        ]
    if message.role == Role.ROLE_TOOL:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def output_members(output: OutputSpec) -> dict[str, object]:
    """Returns the members of a request that state its tools and the form of its text."""
    members: dict[str, object] = {}
    if output.tools:
        members["tools"] = [{"type": "function", "function": _function(tool)} for tool in output.tools]
        choice = output.tool_choice.WhichOneof("choice")
        if choice == "name":
            members["tool_choice"] = {"type": "function", "function": {"name": output.tool_choice.name}}
        elif mode := _TOOL_MODES.get(output.tool_choice.mode):
            members["tool_choice"] = mode
        if output.HasField("parallel_tool_calls"):
            members["parallel_tool_calls"] = output.parallel_tool_calls
    if output.HasField("json_schema"):
        form = output.json_schema
        schema: dict[str, object] = {"name": form.name or "answer", "schema": json.loads(form.schema)}
        if form.description:
            schema["description"] = form.description
        if form.strict:
            schema["strict"] = True
        members["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif output.json_object:
        members["response_format"] = {"type": "json_object"}
    return members


def _function(tool: Tool) -> dict[str, object]:
    function: dict[str, object] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = json.loads(tool.parameters) if tool.parameters else _ANY_OBJECT
    if tool.strict:
        function["strict"] = True
    return function


def _part(part: Part) -> dict[str, object]:
    kind = part.WhichOneof("kind")
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": _url(part.image)}}
    if kind == "audio":
        data = base64.b64encode(part.audio.data).decode()
        return {"type": "input_audio", "input_audio": {"data": data, "format": _sound(part.audio.mime_type)}}
    if kind == "file":
        return {"type": "file", "file": _file(part.file)}
    return {"type": "text", "text": part.text}


def _file(file: Media) -> dict[str, object]:
    if file.uri.startswith("file-id:"):
        return {"file_id": file.uri.removeprefix("file-id:")}
    name = file.name or f"file.{file.mime_type.rpartition('/')[2]}"
    return {"filename": name, "file_data": _url(file)}


def _url(media: Media) -> str:
    return media.uri or f"data:{media.mime_type};base64,{base64.b64encode(media.data).decode()}"


def _sound(mime_type: str) -> str:
    kind = mime_type.rpartition("/")[2].removeprefix("x-").removeprefix("vnd.")
    return {"mpeg": "mp3", "wave": "wav"}.get(kind, kind)
