"""The questions of `pool check` that show what a candidate can take and give besides plain text."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Final

from lightrouter.answers.json_schema import OutputForm
from lightrouter.pool.choices import AbilityName
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation
from lightrouter.v1.chat_pb2 import (
    ROLE_USER,
    ChatMessage,
    JsonSchema,
    Media,
    OutputSpec,
    Part,
    Sampling,
    Tool,
    ToolChoice,
    ToolMode,
)
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_EMPTY_OUTPUT, ERROR_REASON_UPSTREAM_REJECTED

Ask = Callable[[Generation], Awaitable[GenerateResponse]]
"""Asks the candidate, by its adapter's own way."""

ASKED_FOR: Final = (AbilityName.TOOLS, AbilityName.JSON_SCHEMA, AbilityName.JSON_OBJECT, AbilityName.IMAGES)
"""The abilities that a question shows; no cheap question shows the others."""

# A choice: enough for a model that reasons first.
_TOKENS: Final = 512
_SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
)
_REFUSALS: Final = frozenset({ERROR_REASON_UPSTREAM_REJECTED, ERROR_REASON_EMPTY_OUTPUT})
# A choice: the side of the picture in pixels, large enough for every provider.
_SIDE: Final = 64


async def abilities(ask: Ask) -> list[AbilityName]:
    """Returns those of `ASKED_FOR` that the candidate has.

    Raises:
        ServiceError: It does not answer.
    """
    found: list[AbilityName] = []
    for ability, generation, shows in _questions():
        try:
            if shows(await ask(generation)):
                found.append(ability)
        except ServiceError as error:
            if error.reason not in _REFUSALS:
                raise
    return found


def _questions() -> list[tuple[AbilityName, Generation, Callable[[GenerateResponse], bool]]]:
    tool = Tool(name="get_weather", description="Returns the weather of a city.", parameters=_SCHEMA)
    choice = ToolChoice(mode=ToolMode.TOOL_MODE_REQUIRED)
    schema = OutputSpec(json_schema=JsonSchema(schema=_SCHEMA))
    json_object = OutputSpec(json_object=True)
    picture = Part(image=Media(data=_red_png(), mime_type="image/png", name="square.png"))
    city = "Name the capital of Norway as a JSON object with the member city."
    return [
        (
            AbilityName.TOOLS,
            _question("What is the weather in Oslo?", OutputSpec(tools=[tool], tool_choice=choice)),
            lambda answer: [call.name for call in answer.tool_calls] == ["get_weather"],
        ),
        (AbilityName.JSON_SCHEMA, _question(city, schema), lambda answer: _keeps(schema, answer)),
        (AbilityName.JSON_OBJECT, _question(city, json_object), lambda answer: _keeps(json_object, answer)),
        (
            AbilityName.IMAGES,
            _question("Which color has this square? Answer with one word.", OutputSpec(), picture),
            lambda answer: "red" in answer.text.lower(),
        ),
    ]


def _question(text: str, output: OutputSpec, *parts: Part) -> Generation:
    message = ChatMessage(role=ROLE_USER, content=text, parts=parts)
    return Generation(messages=[message], output=output, sampling=Sampling(max_output_tokens=_TOKENS))


def _keeps(output: OutputSpec, answer: GenerateResponse) -> bool:
    """Returns whether the provider took the form, and the answer has it."""
    return "response_format" not in answer.result.left_out and not OutputForm(output, "").fault(answer.text, [])


def _red_png() -> bytes:
    """Returns a red square as a PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * _SIDE for _ in range(_SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
