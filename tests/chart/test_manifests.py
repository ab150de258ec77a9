"""Each value has the effect that its comment promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightrouter.pool.file import parse
from lightrouter.pool.resource import parse as parse_resource
from tests.chart.rendered import (
    COMPONENTS,
    SMALL,
    TLS,
    Manifest,
    Manifests,
    candidate,
    egress,
    example,
    examples,
    ports,
    render,
)

SCALED = {"autoscaling": {"enabled": True}}
KEDA = {"autoscaling": {"keda": {"enabled": True}}}


def pods(manifests: Manifests) -> list[Manifest]:
    of_deployments = [manifest["spec"]["template"]["spec"] for manifest in manifests.all("Deployment").values()]
    return [*of_deployments, *(pod["spec"] for pod in manifests.all("Pod").values())]


@pytest.mark.parametrize("name", examples())
def test_pods_are_restricted_and_have_what_they_need_alone(name: str) -> None:
    for pod in pods(example(name)):
        assert pod["enableServiceLinks"] is False
        assert pod["serviceAccountName"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", examples())
def test_no_secret_is_rendered_and_nothing_is_cluster_wide(name: str) -> None:
    kinds = {manifest["kind"] for manifest in example(name).manifests}
    assert not kinds & {"Secret", "ClusterRole", "ClusterRoleBinding"}
    assert all(manifest["metadata"]["namespace"] == "here" for manifest in example(name).manifests)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_service_finds_its_pods(component: str) -> None:
    manifests = render()
    labels = manifests.one("Deployment", component)["spec"]["template"]["metadata"]["labels"]
    for name, service in manifests.all("Service").items():
        if name.startswith(component):
            assert service["spec"]["selector"].items() <= labels.items()
            assert service["spec"]["ports"][0]["appProtocol"] == "kubernetes.io/h2c"
    headless = "router-headless" if component == "router" else component
    assert manifests.one("Service", headless)["spec"]["clusterIP"] == "None"


def test_the_router_has_a_service_for_callers() -> None:
    spec = render(router={"service": {"type": "NodePort", "port": 80, "nodePort": 30051}}).one("Service", "router")[
        "spec"
    ]
    assert spec["type"] == "NodePort"
    assert (spec["ports"][0]["port"], spec["ports"][0]["nodePort"]) == (80, 30051)


def test_the_addresses_are_those_of_the_services() -> None:
    manifests = render(clusterDomain="example.test")
    settings = manifests.environment("router")
    assert settings["LIGHTROUTER_ROUTER_SELECTOR_ADDRESS"] == "dns:///lightrouter-selector.here.svc.example.test:50051"
    template = settings["LIGHTROUTER_ROUTER_ADAPTER_ADDRESS"]
    address = manifests.one("Candidate", "small")["spec"]["address"]
    assert address == template.replace("{name}", "small")
    assert f"lightrouter-{'adapter-small'}.here.svc" in address
    assert "adapter-small" in manifests.all("Service")


def test_an_image_is_named_by_tag_or_digest() -> None:
    assert render().container("router")["image"] == "lightrouter:0.2.0"
    digest = "sha256:" + "0" * 64
    image = {"repository": "r/l", "tag": "1", "pullPolicy": "Always", "pullSecrets": [{"name": "s"}]}
    assert render(image=image).container("selector")["image"] == "r/l:1"
    assert render(image=image).container("selector")["imagePullPolicy"] == "Always"
    assert render(image=image).pod("selector")["imagePullSecrets"] == [{"name": "s"}]
    assert render(image={**image, "digest": digest}).container("adapter-small")["image"] == f"r/l@{digest}"


def test_names_and_labels_can_be_set() -> None:
    manifests = render(fullnameOverride="lightrouter-x", commonLabels={"team": "a"})
    assert "x-router" in manifests.all("Deployment")
    assert all(manifest["metadata"]["labels"]["team"] == "a" for manifest in manifests.manifests)
    assert "app-router" in render(nameOverride="app").all("Deployment")


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_workloads_values_hold_for_all_and_a_components_over_them(component: str) -> None:
    family = component.partition("-")[0]
    assert render(workload={"replicas": 5}).one("Deployment", component)["spec"]["replicas"] == 5
    changed = render(workload={"replicas": 5}, **{family: {"replicas": 0}})
    assert changed.one("Deployment", component)["spec"]["replicas"] == 0
    if family == "adapter":
        one = render(adapter={"replicas": 4}, candidates=[candidate(adapter={"replicas": 7})])
        assert one.one("Deployment", component)["spec"]["replicas"] == 7


@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_get_the_further_values(component: str) -> None:
    given: dict[str, Any] = {
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "nodeSelector": {"disk": "fast"},
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "tolerations": [{"key": "a", "operator": "Exists"}],
    }
    more: dict[str, Any] = {
        "podLabels": {"l": "1"},
        "podAnnotations": {"a": "1"},
        "annotations": {"d": "1"},
        "serviceAnnotations": {"s": "1"},
        "serviceAccountAnnotations": {"i": "1"},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
        "extraVolumes": [{"name": "tmp", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "topologySpread": [{"topologyKey": "rack", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}],
        "resources": {"requests": {"cpu": "3"}},
        "rollout": {"maxSurge": "50%", "minReadySeconds": 9, "revisionHistoryLimit": 1},
        "probes": {"liveness": {"periodSeconds": 77}},
    }
    family = component.partition("-")[0]
    manifests = render(**{family: {**given, **more}})
    deployment, pod = manifests.one("Deployment", component), manifests.pod(component)
    container = manifests.container(component)
    assert given.items() <= pod.items()
    template = deployment["spec"]["template"]["metadata"]
    assert (template["labels"]["l"], template["annotations"], deployment["metadata"]["annotations"]) == (
        "1",
        {"a": "1"},
        {"d": "1"},
    )
    service = "router-headless" if component == "router" else component
    assert manifests.one("Service", service)["metadata"]["annotations"] == {"s": "1"}
    assert manifests.one("ServiceAccount", family)["metadata"]["annotations"] == {"i": "1"}
    assert manifests.environment(component)["HTTPS_PROXY"] == "http://proxy"
    assert manifests.files(component)["/tmp"] == {"name": "tmp", "emptyDir": {}}
    [spread] = pod["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["maxSkew"], spread["whenUnsatisfiable"]) == ("rack", 2, "DoNotSchedule")
    assert spread["labelSelector"] == deployment["spec"]["selector"]
    assert container["resources"]["requests"]["cpu"] == "3"
    assert container["livenessProbe"]["periodSeconds"] == 77
    spec = deployment["spec"]
    assert (spec["minReadySeconds"], spec["revisionHistoryLimit"]) == (9, 1)
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "50%"}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_pod_stops_in_order(component: str) -> None:
    manifests = render(workload={"drain": {"preStopSeconds": 3, "delaySeconds": 4, "graceSeconds": 50}})
    assert manifests.container(component)["lifecycle"]["preStop"] == {"sleep": {"seconds": 3}}
    settings = manifests.settings(component)
    assert (settings.drain_delay_seconds, settings.grace_seconds) == (4, 50)
    assert manifests.pod(component)["terminationGracePeriodSeconds"] == 62
    at_once = render(workload={"drain": {"preStopSeconds": 0}})
    assert "lifecycle" not in at_once.container(component)


def test_a_disruption_budget_is_for_more_than_one_pod() -> None:
    assert render().one("PodDisruptionBudget", "router")["spec"]["maxUnavailable"] == 1
    budget = {"maxUnavailable": "30%"}
    assert (
        render(router={"podDisruptionBudget": budget}).one("PodDisruptionBudget", "router")["spec"]["maxUnavailable"]
        == "30%"
    )
    assert "router" not in render(router={"replicas": 1}).all("PodDisruptionBudget")
    assert "router" in render(router={"replicas": 1, **SCALED}).all("PodDisruptionBudget")
    assert not render(workload={"podDisruptionBudget": {"enabled": False}}).all("PodDisruptionBudget")


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_autoscaler_has_the_replicas(component: str) -> None:
    family = component.partition("-")[0]
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "5"}},
    }
    scaling = {
        "enabled": True,
        "minReplicas": 3,
        "maxReplicas": 9,
        "targetCPUUtilizationPercentage": 55,
        "metrics": [metric],
    }
    manifests = render(**{family: {"autoscaling": scaling}})
    assert set(manifests.all("HorizontalPodAutoscaler")) == {component}
    spec = manifests.one("HorizontalPodAutoscaler", component)["spec"]
    assert spec["scaleTargetRef"]["name"] == f"lightrouter-{component}"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 55
    assert spec["metrics"][1] == metric
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert "replicas" not in manifests.one("Deployment", component)["spec"]
    by_metric_alone = render(**{family: {"autoscaling": {**scaling, "targetCPUUtilizationPercentage": 0}}})
    assert by_metric_alone.one("HorizontalPodAutoscaler", component)["spec"]["metrics"] == [metric]


@pytest.mark.parametrize("component", COMPONENTS)
def test_keda_has_them_instead(component: str) -> None:
    keda = {"enabled": True, "serverAddress": "http://p:9090", "query": "q({namespace},{service})", "threshold": 7}
    more = {"authenticationRef": "a", "pollingInterval": 5, "fallbackReplicas": 6}
    manifests = render(workload={"autoscaling": {"keda": {**keda, **more}}})
    assert not manifests.all("HorizontalPodAutoscaler")
    assert "replicas" not in manifests.one("Deployment", component)["spec"]
    spec = manifests.one("ScaledObject", component)["spec"]
    assert spec["scaleTargetRef"]["name"] == f"lightrouter-{component}"
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["pollingInterval"]) == (2, 10, 5)
    assert spec["fallback"]["replicas"] == 6
    [trigger] = spec["triggers"]
    assert trigger["metadata"] == {
        "serverAddress": "http://p:9090",
        "query": f"q(here,lightrouter-{component})",
        "threshold": "7",
    }
    assert trigger["authenticationRef"] == {"name": "a"}


def test_one_component_may_go_without_what_all_have() -> None:
    manifests = render(workload=KEDA, aggregator={"autoscaling": {"enabled": True, "keda": {"enabled": False}}})
    assert set(manifests.all("HorizontalPodAutoscaler")) == {"aggregator"}
    assert "aggregator" not in manifests.all("ScaledObject")


def test_settings_reach_the_services() -> None:
    manifests = render(
        settings={"maxMetadataBytes": 33554, "reflection": False, "maxConnectionAgeSeconds": 0},
        router={"settings": {"k": 3, "maxCostNanousd": 5000000000, "margin": 0}},
        selector={"settings": {"strategy": "llm"}},
        aggregator={"settings": {"strategy": "vote", "stallSeconds": 2.5}},
    )
    for component in COMPONENTS:
        settings = manifests.settings(component)
        assert (settings.max_metadata_bytes, settings.reflection) == (33554, False)
        assert settings.max_connection_age_seconds == 0
        assert manifests.container(component)["args"] == ["serve", component.partition("-")[0]]
    assert manifests.environment("router")["LIGHTROUTER_ROUTER_MAX_COST_NANOUSD"] == "5000000000"
    router = manifests.settings("router").model_dump()
    assert (router["k"], router["margin"]) == (3, 0)
    assert manifests.settings("selector").model_dump()["strategy"] == "llm"
    assert manifests.settings("aggregator").model_dump()["stall_seconds"] == 2.5


FULL = candidate(
    continuation="raw", chatTemplate="chatml", echoesPrefix=True, alwaysStream=True, thinking="off",
    apiKeyHeader="api-key", thinkingTags=["[THINK]", "[/THINK]"],
    maxTokensField="max_completion_tokens", systemPrompt="Be brief.", contextWindow=131072, maxBootTokens=400,
    prior=0.7, state="probation", extraBody={"topK": 4, "nested": {"keepThis": 1}},
    sampling={"temperature": 0.5, "topP": 0.9, "stop": ["END"], "seed": 1, "maxOutputTokens": 512},
    prices={"input": 0.15, "cachedInput": "0.075", "output": 3},
    limits={"concurrency": 2, "queue": 3, "connectTimeoutS": 1.5, "requestTimeoutS": 9,
            "maxResponseBytes": 16777216, "retries": 0},
    circuit={"failures": 2, "cooldownS": 1.5, "silenceS": 2},
)  # fmt: skip


def test_the_pool_file_has_the_whole_entry() -> None:
    pool = parse(
        render(candidates=[FULL]).one("ConfigMap", "pool")["data"]["pool.yaml"].encode(), Path("/etc/pool.yaml")
    )
    entry = pool.entries["small"]
    assert (entry.chat_template, entry.echoes_prefix, entry.thinking.value) == ("chatml", True, "off")
    assert entry.thinking_tags == ("[THINK]", "[/THINK]")
    assert (entry.prices.input, entry.prices.cached_input, entry.prices.output) == (150000000, 75000000, 3000000000)
    assert (entry.limits.connect_timeout_s, entry.limits.max_response_bytes, entry.limits.retries) == (1.5, 16777216, 0)
    assert (entry.circuit.cooldown_s, entry.sampling.top_p, entry.sampling.max_output_tokens) == (1.5, 0.9, 512)
    assert entry.extra_body == {"topK": 4, "nested": {"keepThis": 1}}
    assert entry.state.value == "probation"


def test_the_resource_has_the_public_part() -> None:
    manifest = render(candidates=[{**FULL, "apiKey": {"secretName": "s"}}]).one("Candidate", "small")
    entry = parse_resource(manifest)
    assert (entry.name, entry.model, entry.prices.output, entry.max_boot_tokens) == (
        "small",
        "llama3.2",
        3000000000,
        400,
    )
    assert set(manifest["spec"]) == {
        "address", "provider", "baseUrl", "model", "continuation", "prices", "contextWindow", "maxBootTokens", "prior",
        "state", "fixedInputTokens", "name",
    } - {"provider"}  # fmt: skip


@pytest.mark.parametrize(
    ("members", "tokens"),
    [
        ({}, 0),
        ({"systemPrompt": "Answer briefly."}, 4),
        ({"systemPrompt": "短く答えて"}, 4),
        ({"systemPrompt": "Answer briefly.", "fixedInputTokens": 0}, 0),
        ({"systemPrompt": "Answer briefly.", "fixedInputTokens": 70_000_000}, 70_000_000),
    ],
)
def test_the_router_knows_how_many_tokens_a_candidates_own_instructions_take(
    members: dict[str, object], tokens: int
) -> None:
    minimal = {"name": "small", "baseUrl": "http://h/v1", "model": "m", "contextWindow": 2_000_000}
    entry = parse_resource(render(candidates=[{**minimal, **members}]).one("Candidate", "small"))
    assert entry.to_proto("x").fixed_input_tokens == tokens
    assert entry.context_window == 2_000_000


def test_the_pool_comes_from_resources_or_from_the_file() -> None:
    watched = render(pool={"judge": "small", "synthesizer": "small", "selector": "a=b"})
    settings = watched.settings("router").model_dump()
    assert (settings["pool_source"], settings["namespace"], settings["pool"]) == ("kubernetes", "here", None)
    assert (settings["judge"], settings["synthesizer"], settings["candidate_selector"]) == ("small", "small", "a=b")
    assert watched.pod("router")["automountServiceAccountToken"] is True
    file = render(pool={"source": "file", "judge": "small"})
    assert not file.all("Candidate")
    assert not file.all("Role")
    assert file.pod("router")["automountServiceAccountToken"] is False
    assert file.pool()["judge"] == "small"
    assert file.settings("router").model_dump()["pool"] == Path("/etc/lightrouter/pool/pool.yaml")
    assert "/etc/lightrouter/pool" in file.files("router")


def test_an_adapter_elsewhere_is_not_rendered() -> None:
    manifests = render(candidates=[SMALL, {"name": "far", "model": "m", "address": "dns:///a.b.svc:1234"}])
    assert "adapter-far" not in manifests.all("Deployment")
    assert manifests.one("Candidate", "far")["spec"]["address"] == "dns:///a.b.svc:1234"
    assert [entry["name"] for entry in manifests.pool()["candidates"]] == ["small"]
    for name in ("router", "selector", "aggregator"):
        assert any(ports(rule) == {1234} for rule in egress(manifests, name))


def test_ways_in_from_outside() -> None:
    route = render(
        grpcRoute={"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["h"], "annotations": {"a": "b"}}
    )
    spec = route.one("GRPCRoute", "router")["spec"]
    assert (spec["parentRefs"], spec["hostnames"]) == ([{"name": "g"}], ["h"])
    assert spec["rules"][0]["backendRefs"] == [{"name": "lightrouter-router", "port": 50051}]
    ingress = render(ingress={"enabled": True, "className": "c", "hosts": ["h"], "tlsSecretName": "t"}).one(
        "Ingress", "router"
    )
    assert ingress["spec"]["ingressClassName"] == "c"
    assert ingress["spec"]["tls"] == [{"secretName": "t", "hosts": ["h"]}]
    assert ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "lightrouter-router"


def test_the_test_makes_a_call() -> None:
    manifests = render(test={"prompt": "Hi?", "timeoutSeconds": 9, "tokenSecretName": "t"}, tls=TLS)
    pod = manifests.one("Pod", "test")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    [container] = pod["spec"]["containers"]
    assert container["args"][:2] == ["ask", "Hi?"]
    assert "--address=lightrouter-router.here.svc.cluster.local:50051" in container["args"]
    assert {
        "--timeout=9",
        "--tls-ca-file=/etc/lightrouter/tls/ca.crt",
        "--token-file=/etc/lightrouter/token/token",
    } <= set(container["args"])
    assert {mount["name"] for mount in container["volumeMounts"]} == {"tls", "token"}
