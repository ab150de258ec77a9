"""The JSON schema of a candidate, made of the pool's models: for the chart's values and for the Candidate resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import yaml

from lightrouter.pool.schema import PROVIDERS, REPLAY, CandidateEntry, PublicEntry
from lightrouter.pool.status import CandidateStatus
from tools.model_schema import Schema, model_schema

BEGIN: Final = "# {}: made by `make chart`\n"
END: Final = "# end of {}\n"

# Keys come from Secrets in a cluster, and no adapter of the chart answers from a recording.
_NOT_IN_CHART: Final = frozenset({"apiKeyEnv", "apiKeyFile", "recording", "pace"})
_IN_CHART: Final[Mapping[str, Schema]] = {
    "provider": {"enum": sorted(PROVIDERS - {REPLAY})},
    "baseUrl": {"description": "The provider's root URL; /chat/completions is below it. Required without `address`."},
    "address": {"description": "gRPC target of an adapter that runs elsewhere; the chart then renders none."},
    "prices": {"description": "US dollars per million tokens. Default: 0."},
    "limits": {"description": "Limits of calls to its provider, for each replica of its adapter."},
}
_PRICE: Final[Schema] = {"type": "string", "maxLength": 17, "pattern": "^-?[0-9]{1,6}([.][0-9]{1,9})?$"}
# What the resource's definition says otherwise: an API server checks text alone, and only the router knows the rest.
_IN_RESOURCE: Final[Mapping[str, Schema]] = {
    "name": {"description": "Its name in the pool. Default: the resource's own name."},
    "provider": {"minLength": 1, "maxLength": 63},
    "baseUrl": {
        "description": "The provider's root URL, for people to read. It must hold no credentials.",
        "maxLength": 2048,
        "pattern": "^https?://[^@?#\\s]+$",
    },
    "address": {"maxLength": 512, "pattern": "^\\S+$"},
    "state": {"description": "Whether it may answer, until status.state says more."},
    "fixedInputTokens": {
        "description": "Tokens of its own instructions, which its adapter puts before every conversation. Default: 0."
    },
}


def chart_schema() -> Schema:
    """Returns the schema of an entry of the chart's `candidates`, with defaults and descriptions."""
    made = model_schema(CandidateEntry)
    known = {key: value for key, value in made["properties"].items() if key not in _NOT_IN_CHART}
    made["properties"] = {key: value | _IN_CHART.get(key, {}) for key, value in known.items()}
    return made


def resource_properties() -> dict[str, Schema]:
    """Returns the properties of a Candidate resource's spec, as OpenAPI in Kubernetes' structural form."""
    found: dict[str, Schema] = model_schema(PublicEntry)["properties"]
    prices = found["prices"]
    prices["description"] = "US dollars per million tokens, as text, so that money is never a binary float. Default: 0."
    for name, price in prices["properties"].items():
        prices["properties"][name] = {"description": price["description"], **_PRICE}
    prices["x-kubernetes-validations"] = [
        {
            "rule": f"!has(self.{name}) || !self.{name}.startsWith('-')",
            "message": f"prices.{name} must not be negative.",
        }
        for name in prices["properties"]
    ]
    return {name: _structural(value | _IN_RESOURCE.get(name, {})) for name, value in found.items()}


def status_properties() -> dict[str, Schema]:
    """Returns the properties of a Candidate resource's status, in the same form."""
    found: dict[str, Schema] = model_schema(CandidateStatus)["properties"]
    return {name: _structural(value) for name, value in found.items()}


def definition(text: str) -> str:
    """Returns the text of the resource's definition with the properties of spec and status as the models have them."""
    for part, properties in (("spec", resource_properties()), ("status", status_properties())):
        begin, end = BEGIN.format(part), END.format(part)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        indent = " " * (len(before) - len(before.rstrip(" ")))
        made = yaml.safe_dump(properties, sort_keys=False, width=10_000, allow_unicode=True)
        text = f"{before}{begin}{''.join(indent + line for line in made.splitlines(keepends=True))}{indent}{end}{after}"
    return text


def _structural(node: Schema) -> Schema:
    made = {key: value for key, value in node.items() if key not in {"default", "additionalProperties"}}
    if node.get("default", []) != [] and "description" in node:
        made["description"] = f"{node['description']} Default: {node['default']}."
    if made.get("type") == "integer" and made.get("maximum", 0) > 2**31:
        made["format"] = "int64"
    if "properties" in made:
        made["properties"] = {name: _structural(value) for name, value in made["properties"].items()}
    if "items" in made:
        made["items"] = _structural(made["items"])
    return made
