"""What a model can take and give, as an endpoint's list says, by the pool's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# Anthropic's guide to its models: all that are still served have these. Gemini's guides say the same of its models.
_CLAUDE: Final = ("tools", "parallel_tools")
_GEMINI: Final = ("tools", "parallel_tools", "json_schema", "json_object", "images", "files", "audio")
# Members of Anthropic's `capabilities`, and members of OpenRouter's `supported_parameters` and `input_modalities`.
_CAPABILITIES: Final = {"structured_outputs": "json_schema", "image_input": "images", "pdf_input": "files"}
_PARAMETERS: Final = {
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "structured_outputs": "json_schema",
    "response_format": "json_object",
}
_MODALITIES: Final = {"image": "images", "file": "files", "audio": "audio"}
_EFFORTS: Final = {"low": "low", "medium": "medium", "high": "high", "max": "maximum"}
# Anthropic's error reference: Claude 4.6 and later refuse a prefill. Gemini refuses one from 3.6 on.
_GOES_ON: Final = re.compile(
    r"(?i)claude-(?:[23]|instant|(?:opus|sonnet|haiku)-4(?:-[0-5])?(?:-(?:\d{8}|latest))?$)"
    r"|gemini-(?:1|2|3(?:\.[0-5])?)(?![.\d])|gemini-[12]\."
)


def abilities(name: str, item: Mapping[str, object], api: str) -> tuple[str, ...] | None:
    """Returns the abilities of the model `name`, which a list of `api` describes by `item`; None if it says nothing."""
    found: list[str] = []
    if api == "anthropic":
        found += _CLAUDE
        found += [ability for said, ability in _CAPABILITIES.items() if _supported(item.get("capabilities"), said)]
    elif api == "gemini":
        if not name.startswith("gemini-"):
            return None
        found += _GEMINI
    else:
        parameters, architecture = item.get("supported_parameters"), item.get("architecture")
        listed = architecture.get("input_modalities") if isinstance(architecture, dict) else None
        modalities = listed if isinstance(listed, list) else []
        if not isinstance(parameters, list):
            return None
        found += [ability for said, ability in _PARAMETERS.items() if said in parameters]
        found += [ability for said, ability in _MODALITIES.items() if said in modalities]
        return tuple(found)
    return (*found, "prefill") if goes_on(name) else tuple(found)


def efforts(item: Mapping[str, object]) -> tuple[str, ...]:
    """Returns the reasoning efforts of a model; empty if the list does not say."""
    capabilities = item.get("capabilities")
    effort = capabilities.get("effort") if isinstance(capabilities, dict) else None
    return tuple(word for said, word in _EFFORTS.items() if _supported(effort, said))


def goes_on(name: str) -> bool:
    """Returns whether a model of Anthropic or Google goes on from a text that it has begun."""
    return bool(_GOES_ON.search(name))


def _supported(capabilities: object, name: str) -> bool:
    said = capabilities.get(name) if isinstance(capabilities, dict) else None
    return isinstance(said, dict) and said.get("supported") is True
