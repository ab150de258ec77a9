"""The services' settings as values of the chart, made of their models: schemas, and comments in values.yaml."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Container, Mapping
from typing import Final

from pydantic.alias_generators import to_camel

from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.selector.settings import SelectorSettings
from tools.model_schema import Schema, model_schema

_WIDTH: Final = 120
_MODELS: Final[Mapping[str, type[ServiceSettings]]] = {
    "services": ServiceSettings,
    "telemetry": ServiceSettings,
    "router": RouterSettings,
    "selector": SelectorSettings,
    "aggregator": AggregatorSettings,
}
TELEMETRY: Final = frozenset(
    {
        "otlp_endpoint", "otlp_metrics_endpoint", "otlp_protocol", "metrics_interval_seconds", "sampling_ratio",
        "capture_text", "capture_text_characters",
    }
)  # fmt: skip
"""Settings of every service that stand under `telemetry`."""
BY_CHART: Final = frozenset(
    {
        "listen", "ready_file", "health_listen", "tls_cert_file", "tls_key_file", "tls_client_ca_file",
        "tls_allowed_identities", "tls_ca_file", "drain_delay_seconds", "grace_seconds", "pool_source", "pool",
        "namespace", "candidate_selector", "judge", "synthesizer", "selector_address", "aggregator_address",
        "adapter_address", "tokens_file", "jwt_jwks_url", "jwt_jwks_file", "jwt_jwks_ca_file", "jwt_jwks_token_file",
        "jwt_issuer", "jwt_audience", "allowed_callers", "candidate",
    }
)  # fmt: skip
"""Settings that the chart sets by other values, or by itself."""


def schema(group: str) -> Schema:
    """Returns the schemas of a group's settings by their names in the chart.

    Groups are services, telemetry, router, selector and aggregator. Each setting may be null, and each text empty: the
    service's default then applies.
    """
    model = _MODELS[group]
    chosen = TELEMETRY if group == "telemetry" else _own(model) - TELEMETRY - BY_CHART
    whole: dict[str, Schema] = model_schema(model)["properties"]
    return {to_camel(name): _value(each) for name, each in whole.items() if name in chosen}


def _own(model: type[ServiceSettings]) -> set[str]:
    """Returns the settings that a model has, or has of its own beside those of every service."""
    more = [base for base in model.__mro__ if issubclass(base, ServiceSettings) and base is not ServiceSettings]
    return {name for base in more or [model] for name in base.__annotations__}


def _value(found: Schema) -> Schema:
    made = {key: value for key, value in found.items() if key not in {"format", "default"}}
    # The image knows the paths of its files.
    default = None if found.get("format") == "path" else found.get("default")
    made["default"] = int(default) if isinstance(default, float) and default.is_integer() else default
    # What is wrong with an endpoint the chart says in words.
    made.pop("pattern", None)
    if "enum" in made:
        return {**made, "enum": [*made["enum"], "", None], "type": ["string", "null"]}
    return {**made, "type": [made["type"], "null"]}


def comments(group: str, indent: str, given: Container[str]) -> str:
    """Returns the lines of values.yaml about a group's settings, each with its default; those of `given` left out."""
    lines: list[str] = []
    for name, each in schema(group).items():
        if name not in given:
            text = re.sub(r"\s+", " ", each["description"])
            lines += [f"# {line}" for line in textwrap.wrap(text, _WIDTH - len(indent) - 2, break_on_hyphens=False)]
            default = each["default"]
            lines.append(f"# {name}: {default if isinstance(default, str) else json.dumps(default)}")
    return "".join(f"{indent}{line}\n" for line in lines)
