"""What a platform may change about pods, accounts, roles and metadata."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chart.rendered import CHART, COMPONENTS, Manifest, Manifests, candidate, render, template
from tests.chart.test_upgrade import SET

EVERY: dict[str, Any] = {"evaluator": SET["evaluator"]}


def pods(manifests: Manifests) -> dict[str, Manifest]:
    """Returns the specs of all pods: of Deployments, of the evaluator and of the test."""
    found = {name: each["spec"]["template"]["spec"] for name, each in manifests.all("Deployment").items()}
    found |= {
        name: each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for name, each in manifests.all("CronJob").items()
    }
    return found | {name: each["spec"] for name, each in manifests.all("Pod").items()}


def test_security_contexts_can_be_changed_for_every_pod() -> None:
    ids = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))
    manifests = render(
        **EVERY, workload={"podSecurityContext": ids, "securityContext": {"privileged": False, "capabilities": None}}
    )
    assert set(pods(manifests)) == {*COMPONENTS, "evaluator", "test"}
    for pod in pods(manifests).values():
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
        }
    one = render(selector={"podSecurityContext": {"runAsUser": 7}})
    assert one.pod("selector")["securityContext"]["runAsUser"] == 7
    assert one.pod("router")["securityContext"]["runAsUser"] == 65532


def test_on_openshift_the_namespace_gives_the_ids() -> None:
    values = {**EVERY, "candidates": [candidate()], "router": {"podSecurityContext": {"runAsUser": 7}}}
    manifests = template(CHART, json.dumps(values), "--api-versions=security.openshift.io/v1")
    for name, pod in pods(manifests).items():
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}} | (
            {"runAsUser": 7} if name == "router" else {}
        )


def test_every_pod_has_its_names_and_its_scheduler() -> None:
    given = {
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["provider"]}],
        "schedulerName": "ours",
    }
    for pod in pods(render(**EVERY, workload=given)).values():
        assert given.items() <= pod.items()
    assert not given.keys() & pods(render())["router"].keys()


@pytest.mark.parametrize("component", COMPONENTS)
def test_containers_before_and_beside_the_service(component: str) -> None:
    first, beside = {"name": "wait", "image": "w"}, {"name": "proxy", "image": "p"}
    family = component.partition("-")[0]
    pod = render(**{family: {"initContainers": [first], "extraContainers": [beside]}}).pod(component)
    assert pod["initContainers"] == [first]
    assert [each["name"] for each in pod["containers"]] == [family, "proxy"]
    assert pod["containers"][1] == beside


def test_accounts_can_be_made_elsewhere() -> None:
    manifests = render(**EVERY, workload={"serviceAccount": {"create": False, "name": "shared"}})
    assert not manifests.all("ServiceAccount")
    assert {pod["serviceAccountName"] for pod in pods(manifests).values()} == {"shared"}
    subjects = [subject["name"] for each in manifests.all("RoleBinding").values() for subject in each["subjects"]]
    assert subjects == ["shared", "shared"]
    default = render(workload={"serviceAccount": {"create": False}})
    assert default.pod("router")["serviceAccountName"] == "default"


def test_an_account_that_several_pods_share_is_made_once() -> None:
    account = {"name": "shared", "annotations": {"a": "1"}}
    manifests = render(workload={"serviceAccount": account, "serviceAccountAnnotations": {"a": "0", "b": "2"}})
    assert [*manifests.all("ServiceAccount")] == ["shared"]
    assert manifests.one("ServiceAccount", "shared")["metadata"]["annotations"] == {"a": "1", "b": "2"}
    own = render(candidates=[candidate(adapter={"serviceAccount": {"name": "one"}}), candidate(name="other")])
    assert own.pod("adapter-small")["serviceAccountName"] == "one"
    assert own.pod("adapter-other")["serviceAccountName"] == "lightrouter-adapter"
    assert {"one", "adapter"} <= own.all("ServiceAccount").keys()


def test_roles_can_be_made_elsewhere() -> None:
    assert set(render(**EVERY).all("Role")) == {"router", "evaluator"}
    manifests = render(**EVERY, rbac={"create": False})
    assert not manifests.all("Role") | manifests.all("RoleBinding")


def test_every_resource_has_the_common_annotations() -> None:
    manifests = render(
        **SET, commonAnnotations={"team": "a", "own": "common"}, router={"annotations": {"own": "router"}}
    )
    for manifest in manifests.manifests:
        assert manifest["metadata"]["annotations"]["team"] == "a"
    assert manifests.one("Deployment", "router")["metadata"]["annotations"]["own"] == "router"
    assert manifests.one("Pod", "test")["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_more_objects_are_rendered_too() -> None:
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-text"}'
    mapping = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-mapping"}}
    assert {"text", "mapping"} <= render(extraObjects=[text, mapping]).all("ConfigMap").keys()


TELEMETRY = {"otlpEndpoint": "http://c:4317", "resourceAttributes": {"a": "1"}}
FROM = {"fieldRef": {"fieldPath": "status.podIP"}}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("telemetry", [{}, TELEMETRY, {"otlpMetricsEndpoint": "http://m:4317"}])
@pytest.mark.parametrize(
    "extra",
    [
        {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "team=shop"},
        {"name": "OTEL_RESOURCE_ATTRIBUTES", "valueFrom": FROM},
        {"name": "POD_NAME", "value": "mine"},
        {"name": "NODE_NAME", "valueFrom": FROM},
        {"name": "CANDIDATE_API_KEY", "value": "k"},
        {"name": "HTTPS_PROXY", "value": "http://proxy"},
    ],
    ids=lambda extra: f"{extra['name']}-{'value' in extra}",
)
def test_each_variable_is_set_once(component: str, telemetry: dict[str, Any], extra: dict[str, Any]) -> None:
    small = candidate(apiKey={"secretName": "s", "mount": False})
    manifests = render(candidates=[small], telemetry=telemetry, workload={"extraEnv": [extra]})
    variables = manifests.container(component)["env"]
    names = [each["name"] for each in variables]
    assert len(names) == len(set(names))
    # Kubernetes puts in the value of a variable that stands before.
    told = manifests.environment(component)
    if not telemetry or extra["name"] != "OTEL_RESOURCE_ATTRIBUTES":
        assert extra in variables
    else:
        assert {**extra, "name": "EXTRA_RESOURCE_ATTRIBUTES"} in variables
        assert told["OTEL_RESOURCE_ATTRIBUTES"].startswith("k8s.pod.name=$(POD_NAME),")
        assert told["OTEL_RESOURCE_ATTRIBUTES"].endswith(",$(EXTRA_RESOURCE_ATTRIBUTES)")
    if telemetry:
        assert names[-1] == "OTEL_RESOURCE_ATTRIBUTES"
