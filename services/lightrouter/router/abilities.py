"""The abilities that a prompt needs, and the candidates that lack one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lightrouter.runtime.enums import label
from lightrouter.v1.candidate_pb2 import Ability, Candidate
from lightrouter.v1.chat_pb2 import ROLE_TOOL, ChatMessage
from lightrouter.v1.router_pb2 import Prompt

_OF_PARTS: Final = {
    "image": Ability.ABILITY_IMAGES,
    "file": Ability.ABILITY_FILES,
    "audio": Ability.ABILITY_AUDIO,
}

Need = tuple[Ability.ValueType, str]
"""An ability that a prompt needs, and the field that needs it."""


def needs(prompt: Prompt) -> list[Need]:
    """Returns the abilities that a prompt needs, each once, with the first field that needs it."""
    found: dict[Ability.ValueType, str] = {}
    for ability, field in _needs(prompt):
        found.setdefault(ability, field)
    return list(found.items())


def media_needs(messages: Sequence[ChatMessage]) -> Iterator[Need]:
    """Yields the ability that each image, file and recording of a conversation needs, and its field."""
    for index, message in enumerate(messages):
        for at, part in enumerate(message.parts):
            ability = _OF_PARTS.get(part.WhichOneof("kind") or "")
            if ability:
                yield ability, f"prompt.messages[{index}].parts[{at}]"


def lacks(candidate: Candidate, needed: Sequence[Need]) -> list[Need]:
    """Returns what a candidate lacks; nothing if its abilities are not known."""
    if not candidate.HasField("abilities"):
        return []
    return [need for need in needed if need[0] not in candidate.abilities.abilities]


def named(lacking: Sequence[Need]) -> str:
    """Returns the names of abilities, for people."""
    return ", ".join(label(Ability, ability).replace("_", " ") for ability, _ in lacking)


def _needs(prompt: Prompt) -> Iterator[Need]:
    output = prompt.output
    if output.tools:
        yield Ability.ABILITY_TOOLS, "prompt.output.tools"
    if output.HasField("json_schema"):
        yield Ability.ABILITY_JSON_SCHEMA, "prompt.output.json_schema"
    if output.json_object:
        yield Ability.ABILITY_JSON_OBJECT, "prompt.output.json_object"
    for index, message in enumerate(prompt.messages):
        if message.role == ROLE_TOOL or message.tool_calls:
            yield Ability.ABILITY_TOOLS, f"prompt.messages[{index}]"
    yield from media_needs(prompt.messages)
