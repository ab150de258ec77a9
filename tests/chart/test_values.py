"""What the chart accepts, and what it says to the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lightrouter.pool.schema import CandidateEntry
from tests.chart.rendered import CHART, SMALL, RefusedError, candidate, example, examples, render
from tools import chart
from tools.chart_values import Value, read

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


ENTRY = {key: value for key, value in SMALL.items() if key != "name"}
EVALUATED = {"enabled": True, "validationSet": {"configMap": "questions"}}


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def test_the_schema_and_the_readme_are_those_of_the_comments() -> None:
    for path, text in chart.outputs().items():
        assert path.read_text() == text, f"run make chart for {path.name}"


def test_the_candidates_are_those_of_the_pool() -> None:
    item = SCHEMA["definitions"]["candidates.entry"]["properties"]
    own = {"apiKey", "adapter"}
    # Keys come from Secrets, and no adapter of the chart answers from a recording.
    desk = {"api_key_env", "api_key_file", "recording", "pace"}
    assert {snake(name) for name in item.keys() - own} == CandidateEntry.model_fields.keys() - desk
    for section in ("sampling", "prices", "limits", "circuit"):
        known = type(CandidateEntry.model_fields[section].default)
        assert {snake(name) for name in item[section]["properties"]} == known.model_fields.keys()


def opened(schema: dict[str, Any], path: str) -> list[str]:
    """Returns the places of the objects that take any key."""
    found = []
    if schema.get("type") == "object" and schema.get("additionalProperties", {}) == {}:
        found.append(path)
    for key, inner in schema.get("properties", {}).items():
        found += opened(inner, f"{path}.{key}")
    if isinstance(schema.get("items"), dict):
        found += opened(schema["items"], f"{path}[]")
    return found


def chart_values() -> Iterator[Value]:
    """Yields every value of values.yaml."""
    waiting = [read((CHART / "values.yaml").read_text(encoding="utf-8"))]
    while waiting:
        yield (value := waiting.pop())
        waiting += [*value.children.values(), *([value.item] if value.item else [])]


def test_every_object_is_closed() -> None:
    # A parent chart's globals, a Collector of older values, and what the provider's own API takes, are not this
    # chart's to know. What is in Kubernetes' own types, the API server checks.
    found = opened(SCHEMA, "")
    found += [place for name, each in SCHEMA["definitions"].items() for place in opened(each, name)]
    kubernetes = {value.path for value in chart_values() if value.hints.keys() & {"k8s", "k8sItems"}}
    containers = {"workload.initContainers", "workload.extraContainers"}
    assert {place.strip(".").removesuffix("[]") for place in found} - kubernetes == containers | {
        "global", "collector", "candidates.entry.extraBody",
    }  # fmt: skip


def test_candidates_stand_by_name_or_in_a_list() -> None:
    by_name = render(candidates={"small": ENTRY, "gone": None})
    assert by_name.manifests == render(candidates=[SMALL]).manifests
    assert set(render(candidates={"b": ENTRY, "a": ENTRY}).all("Candidate")) == {"a", "b"}
    with pytest.raises(RefusedError, match="/candidates/0/name': 'Small' does not match"):
        render(candidates=[candidate(name="Small")])
    with pytest.raises(RefusedError, match="name"):
        render(candidates=[ENTRY])


def test_a_file_of_values_may_hold_anchors() -> None:
    assert render(**{"x-anchors": {"any": [1]}}).manifests == render().manifests


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"routr": {}}, "routr"),
        ({"router": {"replica": 1}}, "replica"),
        ({"router": {"autoscaling": {"keda": {"enable": True}}}}, "enable"),
        ({"candidates": [candidate(baseURL="http://x")]}, "baseURL"),
        ({"candidates": [candidate(prices={"inputs": 1})]}, "inputs"),
        ({"candidates": [candidate(adapter={"replicaz": 1})]}, "replicaz"),
        ({"candidates": {"small": {"model": "m", "baseURL": "http://x"}}}, "baseURL"),
        ({"router": {"settings": {"maximumKs": 1}}}, "maximumKs"),
        ({"telemetry": {"logLevel": "info"}}, "logLevel"),
        ({"selector": {"settings": {"judge_orders": 3}}}, "judge_orders"),
        ({"auth": {"jwt": {"issuers": "x"}}}, "issuers"),
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
        (
            {"candidates": {"gpt-4.1": ENTRY}},
            "The candidate gpt-4.1 has a name that a Service cannot have: name it like gpt-4-1",
        ),
        ({"candidates": {"Qwen/Qwen3_8B": ENTRY}}, "name it like qwen-qwen3-8b; model keeps the provider's name"),
        ({"candidates": {"模型": ENTRY}}, "name it like small"),
        (
            {"fullnameOverride": "My_Router"},
            "names like My_Router-router, but a Service's name has only a-z, 0-9 and -",
        ),
        ({"nameOverride": "a b"}, "names like lightrouter-a b-router"),
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
        ({"workload": {"extraEnv": [{"name": "A", "value": "1"}] * 2}}, "For router extraEnv has A twice"),
        ({"collector": {"enabled": True, "endpoint": "t:4317"}}, "set telemetry.otlpEndpoint to its address"),
    ],
)
def test_a_contradiction_is_refused_in_a_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        render(**values)


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (
            {"workload": {"extraEnv": [{"name": "A", "value": 1}]}},
            "/workload/extraEnv/0/value': got number, want string",
        ),
        (
            {"router": {"extraEnv": [{"name": "A", "value": True}]}},
            "/router/extraEnv/0/value': got boolean, want string",
        ),
        ({"adapter": {"extraEnv": [{"value": "1"}]}}, "/adapter/extraEnv/0': missing property 'name'"),
        ({"networkPolicy": {"apiServer": {"cidrs": ["34.1.2.3"]}}}, "/networkPolicy/apiServer/cidrs/0"),
        ({"global": {"imageRegistry": "https://registry.example.com"}}, "/global/imageRegistry"),
        *(
            ({"evaluator": {**EVALUATED, "schedule": each}}, "/schedule")
            for each in ("daily", "0 3 * *", "0 3 * * * *")
        ),
        *(({"evaluator": {"budget": {"maxCostUsd": each}}}, "/maxCostUsd") for each in (0, -1, True, "1e3", "$2")),
    ],
)
def test_a_value_that_kubernetes_would_refuse_is_refused_at_its_place(values: dict[str, object], place: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(place)):
        render(**values)


@pytest.mark.parametrize("schedule", ["@daily", "@every 6h", "*/5 * * * *", "0  3 * * MON-FRI"])
@pytest.mark.parametrize("cost", [5, 0.5, "2.50"])
def test_a_schedule_and_a_budget_may_have_their_usual_forms(schedule: str, cost: object) -> None:
    manifests = render(evaluator={**EVALUATED, "schedule": schedule, "budget": {"maxCostUsd": cost}})
    spec = manifests.one("CronJob", "evaluator")["spec"]
    assert spec["schedule"] == schedule
    assert f"--max-cost={cost}" in spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("collector:4317", "give http://HOST:PORT or https://HOST:PORT"),
        ("grpc://collector:4317", "give http://HOST:PORT"),
        ("http://collector:4317/v1/traces", "OTLP over gRPC has no path"),
        ("http://user:key@collector:4317", "a user or a query"),
        ("http://collector:4317?a=b", "a user or a query"),
        ("http://", "give http://HOST:PORT"),
        ("http://:4317", "give http://HOST:PORT"),
        ("http://collector:", "give http://HOST:PORT"),
        ("http://collector:otlp", "give http://HOST:PORT"),
        ("http://fd00::1:4317", "give http://HOST:PORT"),
        ("http://collector:4318", "port 4318, that of OTLP over HTTP"),
        ("https://[fd00::1]:4318", "port 4318, that of OTLP over HTTP"),
        ("http://collector:0", "port 0, which no server can have"),
        ("http://collector:65536", "port 65536, which no server can have"),
    ],
)
def test_an_otlp_endpoint_that_cannot_work_is_refused_in_a_sentence(endpoint: str, sentence: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render(telemetry={"otlpEndpoint": endpoint, "otlpMetricsEndpoint": endpoint})
    for key in ("otlpEndpoint", "otlpMetricsEndpoint"):
        assert re.search(f"telemetry.{key} (is|has) .*{re.escape(sentence)}", str(refused.value))


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("http://collector:4317", "port 4317, that of OTLP over gRPC"),
        ("https://langfuse.example/api?x=y", "a user or a query"),
        ("https://me:key@langfuse.example/api", "a user or a query"),
    ],
)
def test_an_http_endpoint_that_cannot_work_is_refused_in_a_sentence(endpoint: str, sentence: str) -> None:
    with pytest.raises(RefusedError, match=f"telemetry.otlpEndpoint (is|has) .*{sentence}"):
        render(telemetry={"otlpEndpoint": endpoint, "otlpProtocol": "http/protobuf"})


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://collector:4317",
        "https://otlp.example.com",
        "http://[fd00::1]:4317",
        "https://1.2.3.4:443",
        "http://c:4317/",
    ],
)
def test_an_otlp_endpoint_that_can_work_is_taken(endpoint: str) -> None:
    assert render(telemetry={"otlpEndpoint": endpoint}).settings("router").otlp_endpoint == endpoint


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(RefusedError, match=r"(?s)Two candidates.*tls\.enabled needs"):
        render(candidates=[SMALL, SMALL], tls={"enabled": True})


@pytest.mark.parametrize("name", examples())
def test_the_services_take_the_settings_of_every_example(name: str) -> None:
    manifests = example(name)
    for deployment in manifests.all("Deployment"):
        if deployment != "collector":
            assert manifests.settings(deployment).listen == "[::]:50051"
