"""The evaluator's CronJob: its arguments, permissions and network access."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightrouter.cli.pool_evaluate import evaluate
from tests.chart.rendered import TLS, Manifest, Manifests, RefusedError, components, egress, ports, render

ON = {"enabled": True, "validationSet": {"configMap": "validation"}}


def pod(manifests: Manifests) -> Manifest:
    spec: Manifest = manifests.one("CronJob", "evaluator")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def told(manifests: Manifests) -> SimpleNamespace:
    """Returns what the command itself makes of the container's arguments; it refuses what it does not know."""
    [container] = pod(manifests)["containers"]
    group, name, *arguments = container["args"]
    assert (group, name) == ("pool", "evaluate")
    return SimpleNamespace(**evaluate.make_context(name, arguments).params)


def test_the_evaluator_is_off_by_default() -> None:
    manifests = render()
    assert not manifests.all("CronJob")
    assert "evaluator" not in manifests.all("ServiceAccount") | manifests.all("Role") | manifests.all("NetworkPolicy")


def test_the_values_reach_the_command() -> None:
    arguments = told(render(evaluator=ON, pool={"judge": "small", "selector": "team=a"}))
    assert arguments.namespace == "here"
    assert str(arguments.set) == "/etc/lightrouter/validation/validation.jsonl"
    assert str(arguments.journal) == "/var/lib/lightrouter/evaluation.jsonl"
    assert arguments.adapter_address == "dns:///lightrouter-adapter-{name}.here.svc.cluster.local:50051"
    assert (arguments.judge, arguments.candidate_selector) == ("small", "team=a")
    assert (arguments.nanousd, arguments.tokens, arguments.seconds) == (10**9, None, 3600)
    assert (arguments.margin, arguments.floor, arguments.minimum, arguments.error_rate) == (0.2, None, 2, 0.05)
    budget = {
        "maxCostUsd": "0.25", "maxTokens": 5_000_000, "maxSeconds": 60, "concurrency": 3, "callSeconds": 9,
        "maxOutputTokens": 77,
    }  # fmt: skip
    rules = {"floor": 0.4, "minimum": 3, "errorRate": 0.01}
    arguments = told(render(evaluator={**ON, "budget": budget, "rules": rules}))
    assert (arguments.nanousd, arguments.tokens, arguments.seconds) == (250_000_000, 5_000_000, 60)
    assert (arguments.concurrency, arguments.call_seconds, arguments.max_output_tokens) == (3, 9, 77)
    assert (arguments.floor, arguments.minimum, arguments.error_rate) == (0.4, 3, 0.01)


def test_it_may_read_candidates_and_write_their_status_and_nothing_else() -> None:
    manifests = render(evaluator=ON)
    group = {"apiGroups": ["lightrouter.dev"]}
    assert manifests.one("Role", "evaluator")["rules"] == [
        {**group, "resources": ["candidates"], "verbs": ["get", "list"]},
        {**group, "resources": ["candidates/status"], "verbs": ["patch"]},
    ]
    binding = manifests.one("RoleBinding", "evaluator")
    assert binding["roleRef"]["name"] == "lightrouter-evaluator"
    assert [subject["name"] for subject in binding["subjects"]] == [pod(manifests)["serviceAccountName"]]
    assert pod(manifests)["automountServiceAccountToken"] is True
    assert manifests.one("ServiceAccount", "evaluator")["automountServiceAccountToken"] is False


def test_it_is_restricted_and_never_two_at_once() -> None:
    manifests = render(evaluator={**ON, "schedule": "*/5 * * * *", "timeZone": "Etc/UTC", "suspend": True})
    spec = manifests.one("CronJob", "evaluator")["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["suspend"]) == ("*/5 * * * *", "Etc/UTC", True)
    assert spec["concurrencyPolicy"] == "Forbid"
    found = pod(manifests)
    assert found["restartPolicy"] == "OnFailure"
    assert found["enableServiceLinks"] is False
    assert found["securityContext"]["runAsNonRoot"] is True
    [container] = found["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]


PLACE = {
    "podLabels": {"l": "1"},
    "podAnnotations": {"a": "1"},
    "nodeSelector": {"disk": "fast"},
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "priorityClassName": "low",
}


@pytest.mark.parametrize("values", [{"workload": PLACE}, {"evaluator": PLACE}, {"workload": {"tolerations": []}}])
def test_its_pod_is_placed_as_all_pods_are_or_as_it_says_itself(values: dict[str, Manifest]) -> None:
    manifests = render(**{**values, "evaluator": {**ON, **values.get("evaluator", {})}})
    template = manifests.one("CronJob", "evaluator")["spec"]["jobTemplate"]["spec"]["template"]
    placed = values != {"workload": {"tolerations": []}}
    assert (template["metadata"]["labels"].get("l"), template["metadata"].get("annotations")) == (
        ("1", {"a": "1"}) if placed else (None, None)
    )
    keys = PLACE.keys() - {"podLabels", "podAnnotations"}
    assert {key: template["spec"].get(key) for key in keys} == {key: PLACE[key] if placed else None for key in keys}


def test_its_own_place_goes_before_that_of_all_pods() -> None:
    own = {"nodeSelector": {"disk": "slow"}, "tolerations": [], "affinity": {}, "priorityClassName": ""}
    spec = pod(render(workload=PLACE, evaluator={**ON, **own}))
    assert spec["nodeSelector"] == {"disk": "slow"}
    # Affinities add up, as all mappings do; an empty list or name is one.
    assert not spec.keys() & {"tolerations", "priorityClassName"}


def test_set_and_journal_are_where_the_values_say() -> None:
    volumes = {volume["name"]: volume for volume in pod(render(evaluator=ON))["volumes"]}
    assert volumes["validation"]["configMap"] == {"name": "validation"}
    assert volumes["journal"]["emptyDir"] == {}
    elsewhere = {"enabled": True, "validationSet": {"claim": "sets", "key": "sets/a.jsonl"}, "journalClaim": "journal"}
    manifests = render(evaluator=elsewhere)
    volumes = {volume["name"]: volume for volume in pod(manifests)["volumes"]}
    assert volumes["validation"]["persistentVolumeClaim"] == {"claimName": "sets", "readOnly": True}
    assert volumes["journal"]["persistentVolumeClaim"] == {"claimName": "journal"}
    assert str(told(manifests).set) == "/etc/lightrouter/validation/sets/a.jsonl"


def test_it_reaches_adapters_and_the_api_and_nobody_reaches_it() -> None:
    manifests = render(evaluator=ON)
    assert manifests.one("NetworkPolicy", "evaluator")["spec"]["ingress"] == []
    [rule] = manifests.one("NetworkPolicy", "adapter")["spec"]["ingress"]
    assert components(rule["from"]) == {"router", "selector", "aggregator", "evaluator"}
    reach = [rule for rule in egress(manifests, "evaluator") if 53 not in ports(rule)]
    assert components(reach[0]["to"]) == {"adapter"}
    assert [ports(rule) for rule in reach] == [{50051}, {443, 6443}]


def test_the_evaluator_calls_adapters_over_tls() -> None:
    manifests = render(evaluator=ON, tls=TLS)
    arguments = told(manifests)
    assert str(arguments.tls_ca_file) == "/etc/lightrouter/tls/ca.crt"
    assert str(arguments.tls_cert_file) == "/etc/lightrouter/tls/tls.crt"
    assert told(render(evaluator=ON, tls={**TLS, "mutual": False})).tls_cert_file is None
    made = render(evaluator=ON, tls={"enabled": True, "certManager": {"enabled": True, "issuerRef": {"name": "ours"}}})
    volumes = {volume["name"]: volume for volume in pod(made)["volumes"]}
    secret = made.one("Certificate", "evaluator")["spec"]["secretName"]
    assert volumes["tls"]["secret"]["secretName"] == secret


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"evaluator": {"enabled": True}}, "evaluator.enabled needs a validation set"),
        ({"evaluator": ON, "pool": {"source": "file"}}, "evaluator.enabled needs pool.source kubernetes"),
        (
            {"evaluator": {"enabled": True, "validationSet": {"configMap": "a", "claim": "b"}}},
            "has both configMap and claim",
        ),
    ],
)
def test_a_contradiction_is_refused_in_a_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        render(**values)
