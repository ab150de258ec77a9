"""Tool calls in replies of the OpenAI API and its many dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from lightrouter.adapter import faults
from lightrouter.adapter.tool_calls import CallPiece, ToolCallReader, TooManyCallsError
from lightrouter.v1.chat_pb2 import ToolCallDelta


def read_calls(message: Mapping[str, object], reader: ToolCallReader) -> tuple[ToolCallDelta, ...]:
    """Returns the pieces of calls in a message or an event that are settled now.

    Raises:
        UpstreamError: The API does not allow them.
    """
    try:
        return tuple(delta for piece in _pieces(message) for delta in reader.feed(piece))
    except TooManyCallsError:
        raise faults.malformed("more than 128 tool calls") from None


def _pieces(message: Mapping[str, object]) -> Iterator[CallPiece]:
    calls = message.get("tool_calls") or []
    for call in [calls] if isinstance(calls, dict) else calls if isinstance(calls, list) else [None]:
        if not isinstance(call, dict):
            raise faults.malformed("a tool call that is no object")
        function = call.get("function")
        # Some servers leave out the level of the function.
        yield _piece(function if isinstance(function, dict) else call, call)
    old = message.get("function_call")
    if isinstance(old, dict) and not calls:
        yield _piece(old, {"index": 0})


def _piece(function: Mapping[str, object], call: Mapping[str, object]) -> CallPiece:
    identity, name, extra = call.get("id"), function.get("name"), call.get("extra_content")
    return CallPiece(
        index=_index(call.get("index")),
        id=identity if isinstance(identity, str) else "",
        name=name if isinstance(name, str) else "",
        arguments=_arguments(function.get("arguments")),
        extra=extra if isinstance(extra, dict) else None,
    )


def _index(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _arguments(value: object) -> str:
    if value is None:
        return ""
    # Ollama and others send an object instead of its text.
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
