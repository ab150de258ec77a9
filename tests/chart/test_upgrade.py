"""Values of older releases render."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendered import CHART, COMPONENTS, Manifest, Manifests, render, reuse

OLDER = sorted((Path(__file__).parent / "older").glob("*.yaml"))
SET: dict[str, Any] = {
    "evaluator": {"enabled": True, "validationSet": {"configMap": "validation"}},
    "monitoring": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}},
    "workload": {"autoscaling": {"enabled": True}},
    "ingress": {"enabled": True, "hosts": ["h"]},
    "grpcRoute": {"enabled": True, "parentRefs": [{"name": "g"}]},
    "tls": {"enabled": True, "certManager": {"enabled": True, "issuerRef": {"name": "i"}}},
    "auth": {"tokens": {"secretName": "t"}},
}


def without_environment(manifests: Manifests) -> list[Manifest]:
    """Returns the manifests with Deployments that have no environment."""
    found = copy.deepcopy(manifests.manifests)
    for manifest in found:
        if manifest["kind"] == "Deployment":
            for container in manifest["spec"]["template"]["spec"]["containers"]:
                container["env"] = []
    return found


def reach(known: dict[str, Any]) -> dict[str, Any]:
    """Returns what older values say about the addresses of the API server; the default is another one now."""
    return {"apiServer": known["networkPolicy"]["apiServer"]}


@pytest.mark.parametrize("values", [{}, SET], ids=["least", "all"])
def test_values_of_a_release_that_knew_none_of_the_keys_render_like_the_defaults(values: dict[str, Any]) -> None:
    assert reuse("{}", **values).manifests == render(**values).manifests


@pytest.mark.parametrize("left_out", ["evaluator", "workload", "settings", "telemetry", "networkPolicy", "auth", "tls"])
def test_values_of_a_release_that_knew_all_but_one_key_render(left_out: str) -> None:
    known = yaml.safe_load(OLDER[-1].read_text(encoding="utf-8"))
    policy = {} if left_out == "networkPolicy" else reach(known)
    del known[left_out]
    expected = render(pool={"selector": ""}, networkPolicy=policy)
    assert without_environment(reuse(yaml.safe_dump(known))) == without_environment(expected)


@pytest.mark.parametrize("older", OLDER, ids=[path.stem for path in OLDER])
def test_all_values_of_an_older_release_mean_what_they_meant(older: Path) -> None:
    text = older.read_text(encoding="utf-8")
    values = {key: value for key, value in yaml.safe_load(text).items() if key != "candidates"}
    # The service's own default, which older values gave as a number.
    telemetry = {"samplingRatio": values["telemetry"]["samplingRatio"]}
    expected = render(pool={"selector": ""}, networkPolicy=reach(values), telemetry=telemetry)
    for manifests in (reuse(text), render(**values)):
        for component in COMPONENTS:
            assert manifests.settings(component) == expected.settings(component)
        assert without_environment(manifests) == without_environment(expected)


def test_a_null_still_takes_a_default_out_of_resources() -> None:
    resources = {"limits": {"memory": None}}
    for manifests in (render(workload={"resources": resources}), reuse("{}", workload={"resources": resources})):
        assert not manifests.container("selector")["resources"].get("limits", {}).get("memory")


def test_the_values_of_the_readme_take_all_limits_away() -> None:
    [shown] = re.findall(r"```yaml\n(workload: .*?)```", (CHART / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    manifests = render(**yaml.safe_load(shown))
    for component in COMPONENTS:
        assert set(manifests.container(component)["resources"]) == {"requests"}


def test_the_definition_of_candidates_is_a_resource_if_it_is_to_be() -> None:
    given = yaml.safe_load((CHART / "crds" / "candidates.lightrouter.dev.yaml").read_text(encoding="utf-8"))
    assert not render().all("CustomResourceDefinition")
    for keep in (True, False):
        [made] = render(crds={"enabled": True, "keep": keep}).all("CustomResourceDefinition").values()
        assert made["spec"] == given["spec"]
        assert made["metadata"]["name"] == given["metadata"]["name"]
        assert made["metadata"].get("annotations", {}) == ({"helm.sh/resource-policy": "keep"} if keep else {})


def test_candidates_stay_after_the_release_if_they_are_to() -> None:
    annotations = {"commonAnnotations": {"team": "a"}}
    [goes] = render(**annotations).all("Candidate").values()
    [stays] = render(pool={"keep": True}, **annotations).all("Candidate").values()
    assert goes["metadata"]["annotations"] == {"team": "a"}
    assert stays["metadata"]["annotations"] == {"team": "a", "helm.sh/resource-policy": "keep"}
