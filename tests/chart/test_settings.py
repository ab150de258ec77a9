"""Which settings the chart renders: those that are set, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lightrouter.runtime.settings import ServiceSettings
from tests.chart.rendered import COMPONENTS, SETTINGS, render
from tools import chart_settings

GROUPS = {"services": "settings", "telemetry": "telemetry"}
OWN = ("router", "selector", "aggregator")
# A pod needs what a process on a desk does not: its clients must find new pods.
OTHER_DEFAULTS = {"max_connection_age_seconds"}
# What the chart sets in the least release, besides the settings without which a service does not start.
BY_CHART = {"LISTEN", "DRAIN_DELAY_SECONDS", "GRACE_SECONDS", "MAX_CONNECTION_AGE_SECONDS"}
NEEDED = {
    "router": {"POOL_SOURCE", "NAMESPACE", "CANDIDATE_SELECTOR", "SELECTOR_ADDRESS", "AGGREGATOR_ADDRESS"},
    "selector": set(),
    "aggregator": set(),
    "adapter": {"POOL", "CANDIDATE"},
}
ASKING = {"router", "selector", "aggregator"}


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def groups(component: str) -> dict[str, dict[str, Any]]:
    """Returns the schemas of a component's settings by name, by the group in which they stand."""
    of_all = ("services", "telemetry")
    return {group: chart_settings.schema(group) for group in (*of_all, *([component] if component in OWN else []))}


@pytest.mark.parametrize("component", SETTINGS)
def test_every_setting_is_a_value_or_the_charts_own(component: str) -> None:
    settings: type[ServiceSettings] = SETTINGS[component]
    values = {snake(name) for group in groups(component).values() for name in group}
    assert values | chart_settings.BY_CHART >= settings.model_fields.keys()
    assert not values & chart_settings.BY_CHART


@pytest.mark.parametrize("component", COMPONENTS)
def test_only_what_is_set_is_rendered(component: str) -> None:
    family = component.partition("-")[0]
    expected = BY_CHART | NEEDED[family] | ({"ADAPTER_ADDRESS"} if family in ASKING else set())
    manifests = render()
    assert set(manifests.environment(component)) == {f"LIGHTROUTER_{family.upper()}_{name}" for name in expected}
    used = manifests.settings(component).model_dump()
    for name, field in SETTINGS[family].model_fields.items():
        if name not in chart_settings.BY_CHART | OTHER_DEFAULTS:
            assert used[name] == field.default, name


def another(name: str, schema: dict[str, Any]) -> object:
    """Returns a value that the schema of a setting allows and that is not its default."""
    if "enum" in schema:
        return next(each for each in schema["enum"] if each != schema["default"])
    kind = schema["type"][0]
    if kind == "boolean":
        return not schema["default"]
    if kind == "string":
        return "http://receiver:4317" if name.endswith("Endpoint") else "/artifact"
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    most = schema.get("maximum", schema.get("exclusiveMaximum", least + 100))
    between = (least + (most - least) * share for share in (0.25, 0.5))
    return next(n for n in (int(n) if kind == "integer" else n for n in between) if n != schema["default"])


def test_every_setting_reaches_its_service() -> None:
    chosen = {
        group: {name: another(name, schema) for name, schema in chart_settings.schema(group).items()}
        for group in ("services", "telemetry", *OWN)
    }
    # Worth goes with no selector but `learned`.
    del chosen["router"]["worth"]
    values: dict[str, Any] = {GROUPS[group]: chosen[group] for group in GROUPS}
    manifests = render(**values, **{component: {"settings": chosen[component]} for component in OWN})
    for component in COMPONENTS:
        family = component.partition("-")[0]
        used = manifests.settings(component).model_dump(mode="json")
        of_all = chosen["services"] | chosen["telemetry"] | chosen.get(family, {})
        assert {name: used[snake(name)] for name in of_all} == of_all


def test_worth_reaches_the_router() -> None:
    assert render(router={"settings": {"worth": 0.5}}).settings("router").model_dump()["worth"] == 0.5


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_nothing_leave_a_setting_to_the_service(nothing: object) -> None:
    values: dict[str, Any] = {
        "settings": {"logLevel": nothing, "logFormat": nothing},
        "telemetry": {"otlpEndpoint": nothing, "otlpMetricsEndpoint": nothing},
        "router": {"settings": {"selector": nothing, "aggregator": nothing}},
        "selector": {"settings": {"strategy": nothing, "artifact": nothing}},
    }
    assert render(**values).manifests == render().manifests
    assert render(router={"settings": {"k": None}}).manifests == render().manifests


def test_the_router_keeps_its_own_bounds_of_messages() -> None:
    manifests = render(settings={"maxMessageBytes": 33554432, "maxBytesInFlight": 67108864})
    for component in COMPONENTS:
        settings = manifests.settings(component)
        own = component == "router"
        assert settings.max_message_bytes == (4 * 1024 * 1024 if own else 33554432)
        assert settings.max_bytes_in_flight == (24 * 1024 * 1024 if own else 67108864)


def test_a_default_that_is_set_is_rendered() -> None:
    assert render(router={"settings": {"k": 2}}).environment("router")["LIGHTROUTER_ROUTER_K"] == "2"
