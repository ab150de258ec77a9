"""The kept list of public prices and context windows of hosted models; `tools/prices.py` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

_FILE: Final = "pricelist.json"
# The list's names of the companies whose own APIs gateways speak too.
_MAKERS: Final = {"anthropic": "anthropic", "gemini": "google"}


@dataclass(frozen=True, slots=True)
class ListedModel:
    """What the list says of a model.

    Attributes:
        prices: US dollars per million tokens, as the member `prices` of a pool entry.
        context_window: Tokens that it can hold; 0 if the list does not say.
        source: The list and its date.
    """

    prices: Mapping[str, Any]
    context_window: int
    source: str


def listed(api: str, base_url: str, model: str) -> ListedModel | None:
    """Returns what the list says of `model` at `base_url`, which speaks `api`; None if it is not listed.

    Behind an unknown address, Anthropic's and Google's APIs are taken for those of their makers: gateways pass on the
    makers' prices, as a rule.
    """
    document = _list()
    providers = [each for each in document["providers"] if re.match(each["address"], base_url)]
    providers += [each for each in document["providers"] if each["id"] == _MAKERS.get(api) and not providers]
    for provider in providers:
        for entry in provider["models"]:
            if _matches(entry["match"], model.lower()):
                source = f"{document['source']} of {document['taken']}"
                return ListedModel(entry["prices"], entry.get("context_window", 0), source)
    return None


def _matches(clause: Mapping[str, Any], model: str) -> bool:
    ((kind, value),) = clause.items()
    match kind:
        case "or":
            return any(_matches(each, model) for each in value)
        case "and":
            return all(_matches(each, model) for each in value)
        case "equals":
            return bool(model == value)
        case "starts_with":
            return model.startswith(value)
        case "ends_with":
            return model.endswith(value)
        case "contains":
            return value in model
        case _:
            return bool(re.search(value, model))


@cache
def _list() -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(files(__package__).joinpath(_FILE).read_text("utf-8"))
    return document
