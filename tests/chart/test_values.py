"""What the chart accepts, and what it says to the rest."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.settings import ServiceSettings
from tests.chart.rendered import CHART, SETTINGS, SMALL, RefusedError, candidate, example, examples, render
from tools import chart

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# What the chart sets by other values, or by itself.
ELSEWHERE = {
    "listen", "ready_file", "health_listen", "tls_cert_file", "tls_key_file", "tls_client_ca_file", "tls_ca_file",
    "drain_delay_seconds", "grace_seconds", "otlp_endpoint", "otlp_metrics_endpoint", "metrics_interval_seconds",
    "sampling_ratio", "capture_text", "capture_text_characters", "pool", "candidate", "pool_source",
    "namespace", "candidate_selector", "judge", "synthesizer", "selector_address", "aggregator_address",
    "adapter_address", "tokens_file", "jwt_jwks_url", "jwt_jwks_file", "jwt_jwks_ca_file", "jwt_jwks_token_file",
    "jwt_issuer", "jwt_audience", "allowed_callers", "tls_allowed_identities",
}  # fmt: skip
# A pod needs what a process on a desk does not, and where the image has its files is the image's to know.
OTHER_DEFAULTS = {"max_connection_age_seconds", "artifact"}


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def test_the_schema_and_the_readme_are_those_of_the_comments() -> None:
    for path, text in chart.outputs().items():
        assert path.read_text() == text, f"run make chart for {path.name}"


@pytest.mark.parametrize("component", SETTINGS)
def test_the_settings_are_those_of_the_service(component: str) -> None:
    settings: type[ServiceSettings] = SETTINGS[component]
    given = VALUES["settings"] | VALUES[component].get("settings", {})
    by_name = {snake(name): value for name, value in given.items()}
    assert by_name.keys() == settings.model_fields.keys() - ELSEWHERE
    defaults = {name: field.default for name, field in settings.model_fields.items()}
    for name, value in by_name.items():
        assert name in OTHER_DEFAULTS or value == defaults[name], name


def test_the_candidates_are_those_of_the_pool() -> None:
    item = SCHEMA["properties"]["candidates"]["items"]["properties"]
    own = {"apiKey", "adapter"}
    # Keys come from Secrets, and no adapter of the chart answers from a recording.
    desk = {"api_key_env", "api_key_file", "recording", "pace"}
    assert {snake(name) for name in item.keys() - own} == CandidateEntry.model_fields.keys() - desk
    for section in ("sampling", "prices", "limits", "circuit"):
        known = type(CandidateEntry.model_fields[section].default)
        assert {snake(name) for name in item[section]["properties"]} == known.model_fields.keys()


def closed(schema: dict[str, Any], path: str) -> list[str]:
    found = []
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        found.append(path)
    for key, inner in schema.get("properties", {}).items():
        found += closed(inner, f"{path}.{key}")
    if isinstance(schema.get("items"), dict):
        found += closed(schema["items"], f"{path}[]")
    return found


def test_every_object_is_closed() -> None:
    # A parent chart's globals, and what the provider's own API takes, are not this chart's to know.
    assert closed(SCHEMA, "") == [".candidates[].extraBody", ".global"]


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"routr": {}}, "routr"),
        ({"router": {"replica": 1}}, "replica"),
        ({"router": {"autoscaling": {"keda": {"enable": True}}}}, "enable"),
        ({"workload": {"tolerations": [{"kee": "x"}]}}, "kee"),
        ({"candidates": [candidate(baseURL="http://x")]}, "baseURL"),
        ({"candidates": [candidate(prices={"inputs": 1})]}, "inputs"),
        ({"candidates": [candidate(adapter={"replicaz": 1})]}, "replicaz"),
        ({"selector": {"settings": {"judge_orders": 3}}}, "judge_orders"),
        ({"auth": {"jwt": {"issuers": "x"}}}, "issuers"),
        ({"networkPolicy": {"callers": [{"podselector": {}}]}}, "podselector"),
    ],
)
def test_an_unknown_key_is_refused_by_name(values: dict[str, object], key: str) -> None:
    with pytest.raises(RefusedError, match=key):
        render(**values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"candidates": []}, "There is no candidate: give at least one entry"),
        ({"candidates": [SMALL, SMALL]}, "Two candidates are named small"),
        ({"candidates": [{"name": "a", "model": "m"}]}, "The candidate a has neither baseUrl nor address"),
        ({"candidates": [candidate(name="a" * 63)]}, "more than 63 characters"),
        ({"candidates": [candidate(address="a:1", apiKey={"secretName": "s"})]}, "leave out adapter and apiKey"),
        (
            {"candidates": [{"name": "a", "model": "m", "address": "a:1"}], "pool": {"source": "file"}},
            "The candidate a needs a baseUrl",
        ),
        ({"candidates": [candidate(continuation="raw")]}, "needs a chatTemplate"),
        ({"router": {"autoscaling": {"enabled": True, "keda": {"enabled": True}}}}, "For router both autoscaling"),
        (
            {"candidates": [candidate(adapter={"autoscaling": {"enabled": True, "keda": {"enabled": True}}})]},
            "For the adapter of small both",
        ),
        ({"selector": {"autoscaling": {"minReplicas": 11}}}, "minReplicas is 11, more than maxReplicas, 10"),
        (
            {"router": {"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": 0}}},
            "autoscaling has nothing to go by",
        ),
        (
            {"workload": {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}}},
            "set resources.requests.cpu",
        ),
        (
            {"router": {"extraEnv": [{"name": "LIGHTROUTER_ROUTER_K", "value": "3"}]}},
            "must not set LIGHTROUTER_ROUTER_K",
        ),
        ({"pool": {"source": "file", "judge": "who"}}, "pool.judge is who"),
        ({"pool": {"source": "file", "selector": "a=b"}}, "pool.selector selects Candidate resources"),
        ({"tls": {"enabled": True}}, "tls.enabled needs certificates"),
        ({"tls": {"secretName": "s"}}, "tls.enabled is false"),
        ({"tls": {"enabled": True, "certManager": {"enabled": True}}}, "set tls.certManager.issuerRef.name"),
        (
            {"tls": {"enabled": True, "secretName": "s", "certManager": {"enabled": True, "issuerRef": {"name": "i"}}}},
            "both secretName and certManager",
        ),
        ({"auth": {"jwt": {"issuer": "https://i"}}}, "needs the issuer's keys"),
        ({"auth": {"jwt": {"jwksUrl": "https://i/k"}}}, "keys but no issuer"),
        ({"auth": {"jwt": {"issuer": "i", "jwksUrl": "https://i/k", "jwksConfigMap": "c"}}}, "more than one of"),
        ({"auth": {"jwt": {"issuer": "i", "jwksConfigMap": "c", "audience": ""}}}, "needs auth.jwt.audience"),
        ({"auth": {"allowedCallers": ["a"]}}, "no caller has a name"),
        ({"grpcRoute": {"enabled": True}}, "grpcRoute.enabled needs a Gateway"),
        ({"ingress": {"enabled": True}}, "ingress.enabled needs a host name"),
        (
            {"collector": {"enabled": True}, "telemetry": {"otlpEndpoint": "http://a:1"}},
            "contradict each other",
        ),
    ],
)
def test_a_contradiction_is_refused_in_a_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        render(**values)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(RefusedError, match=r"(?s)Two candidates.*tls\.enabled needs"):
        render(candidates=[SMALL, SMALL], tls={"enabled": True})


@pytest.mark.parametrize("name", examples())
def test_the_services_take_the_settings_of_every_example(name: str) -> None:
    manifests = example(name)
    for deployment in manifests.all("Deployment"):
        if deployment != "collector":
            assert manifests.settings(deployment).listen == "[::]:50051"
