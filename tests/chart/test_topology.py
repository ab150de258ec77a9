"""The topologies: a Deployment per service, all services in the router's pods, and the step between the two."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from lightrouter.pool import file as pool_file
from lightrouter.suite.settings import SuiteSettings
from tests.chart.rendered import (
    COMPONENTS,
    SMALL,
    TLS,
    Manifests,
    RefusedError,
    candidate,
    components,
    egress,
    render,
)

KEYS: list[dict[str, Any]] = [
    {**SMALL, "name": "by-file", "apiKey": {"secretName": "keys", "key": "one"}},
    {**SMALL, "name": "by-variable", "apiKey": {"secretName": "keys", "mount": False}},
    {**SMALL, "name": "free"},
    {**SMALL, "name": "far", "address": "dns:///far:50051"},
]


def settings(manifests: Manifests) -> SuiteSettings:
    """Returns what the process makes of its environment; it refuses what it does not know."""
    found = manifests.settings("router")
    assert isinstance(found, SuiteSettings)
    return found


def test_each_service_has_its_pods_by_default() -> None:
    assert render().manifests == render(topology="services").manifests
    assert set(render().all("Deployment")) == set(COMPONENTS)
    assert set(render().one("ConfigMap", "pool")["data"]) == {"pool.yaml"}


def test_one_process_is_the_routers_deployment_and_no_other() -> None:
    single, services = render(topology="single", tls=TLS), render(tls=TLS)
    for kind in ("Deployment", "PodDisruptionBudget", "NetworkPolicy", "Role"):
        assert set(single.all(kind)) == {"router"}, kind
    assert set(single.all("ServiceAccount")) == {"router", "test"}
    assert single.container("router")["args"] == ["serve", "all"]
    # What callers see and what the cluster does with the pods is the same.
    for kind, name in (("Service", "router"), ("Service", "router-headless"), ("PodDisruptionBudget", "router")):
        assert single.one(kind, name) == services.one(kind, name)
    one, many = single.container("router"), services.container("router")
    differ = {"args", "env", "volumeMounts"}
    assert {key: one[key] for key in one.keys() - differ} == {key: many[key] for key in many.keys() - differ}
    assert single.one("Candidate", "small") == services.one("Candidate", "small")


def test_it_scales_as_the_router_does() -> None:
    scaling = {"autoscaling": {"enabled": True}}
    assert set(render(topology="single", workload=scaling).all("HorizontalPodAutoscaler")) == {"router"}
    keda = render(topology="single", workload={"autoscaling": {"keda": {"enabled": True}}})
    (trigger,) = keda.one("ScaledObject", "router")["spec"]["triggers"]
    assert 'service_name="lightrouter"' in trigger["metadata"]["query"]


def test_it_has_the_settings_of_all_services() -> None:
    manifests = render(
        topology="single",
        router={"settings": {"k": 3, "agreement": 0.7}},
        selector={"settings": {"judgeOrders": 4, "strategy": "prior"}},
        aggregator={"settings": {"stallSeconds": 7, "agreement": 0.6, "strategy": "best"}},
        settings={"logLevel": "debug"},
    )
    found = settings(manifests)
    assert (found.router_settings.k, found.router_settings.agreement, found.log_level) == (3, 0.7, "debug")
    assert found.selector_settings.judge_limits.orders == 4
    assert (found.aggregator_settings.agreement, found.aggregator_settings.synthesis_limits.stall_seconds) == (0.6, 7)


@pytest.mark.parametrize("source", ["kubernetes", "file"])
def test_its_pool_has_the_adapters_of_this_process_and_their_keys(source: str) -> None:
    manifests = render(topology="single", candidates=KEYS, pool={"source": source, "judge": "free"})
    found = settings(manifests)
    assert (found.pool_source, str(found.pool)) == (source, "/etc/lightrouter/pool/all.yaml")
    assert found.router_settings.judge == (None if source == "file" else "free")
    text = manifests.one("ConfigMap", "pool")["data"]["all.yaml"]
    entries = pool_file.parse(text.encode(), found.pool).entries
    assert {name: entry.address for name, entry in entries.items()} == {
        "by-file": None,
        "by-variable": None,
        "free": None,
        "far": "dns:///far:50051",
    }
    key = entries["by-file"].api_key_file
    secret = manifests.files("router")[str(key.parent)]["secret"] if key else {}
    assert (secret["secretName"], secret["items"]) == ("keys", [{"key": "one", "path": "api-key"}])
    variables = {each["name"]: each for each in manifests.container("router")["env"]}
    variable = variables[str(entries["by-variable"].api_key_env)]
    assert variable["valueFrom"] == {"secretKeyRef": {"name": "keys", "key": "api-key"}}
    assert (yaml.safe_load(text).get("judge") == "free") is (source == "file")


def test_resources_name_its_adapters_by_the_addresses_of_their_services() -> None:
    manifests = render(topology="single")
    address = manifests.one("Candidate", "small")["spec"]["address"]
    assert settings(manifests).adapter_address.replace("{name}", "small") == address


def test_it_reaches_providers_and_no_service() -> None:
    rules = egress(render(topology="single"), "router")
    assert all(not components(rule["to"]) for rule in rules)
    providers = render().one("NetworkPolicy", "adapter")["spec"]["egress"][-1]
    assert providers in rules


def test_the_step_between_has_the_pods_of_both() -> None:
    between, single, services = (render(topology=each) for each in ("switching", "single", "services"))
    assert set(between.all("Deployment")) == set(COMPONENTS)
    # Neither the step to one process nor the step from it starts its pods anew.
    assert between.one("Deployment", "router") == single.one("Deployment", "router")
    for name in set(COMPONENTS) - {"router"}:
        assert between.one("Deployment", name) == services.one("Deployment", name)
    assert between.pool() == services.pool()


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"topology": "one"}, "topology"),
        ({"candidates": [candidate(address="far:1")]}, "every candidate has an address"),
        ({"evaluator": {"enabled": True, "validationSet": {"configMap": "set"}}}, "evaluator.enabled needs topology"),
    ],
)
def test_impossible_values_are_refused_in_a_sentence(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(RefusedError, match=fault):
        render(**{"topology": "single", **values})
