"""The chart as a part of another, and beside another release of itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendered import CHART, SMALL, Manifests, render, template
from tests.chart.test_pods import pods
from tests.chart.test_upgrade import SET

VALUES: dict[str, Any] = {"candidates": {"small": SMALL}}


def parent(folder: Path, values: dict[str, Any], *aliases: str) -> Manifests:
    """Returns what a chart renders that depends on this one, once or by aliases, each with a condition."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    names = aliases or ("lightrouter",)
    needed = [
        {"name": "lightrouter", "version": version, "repository": "", "condition": f"{name}.enabled"}
        | ({"alias": name} if aliases else {})
        for name in names
    ]
    about = {"apiVersion": "v2", "name": "shop", "version": "1.0.0", "dependencies": needed}
    shutil.copytree(CHART, folder / "charts" / "lightrouter", ignore=shutil.ignore_patterns("examples"))
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about), encoding="utf-8")
    (folder / "values.yaml").write_text("{}", encoding="utf-8")
    return template(folder, json.dumps(values), release="shop")


def identities(manifests: Manifests) -> set[tuple[str, str]]:
    return {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests.manifests}


def test_a_condition_turns_it_on_and_off(tmp_path: Path) -> None:
    assert not parent(tmp_path / "off", {"lightrouter": {"enabled": False}}).manifests
    on = parent(tmp_path / "on", {"lightrouter": {"enabled": True, **VALUES}})
    assert ("Deployment", "shop-lightrouter-router") in identities(on)


def test_it_takes_the_registry_and_the_secrets_of_its_parent(tmp_path: Path) -> None:
    shared = {"imageRegistry": "registry.example.com", "imagePullSecrets": ["a", {"name": "b"}], "storageClass": "fast"}
    own = {
        **VALUES,
        "evaluator": SET["evaluator"],
        "image": {"pullSecrets": [{"name": "b"}]},
    }
    manifests = parent(tmp_path, {"global": shared, "lightrouter": own})
    kinds = {manifest["kind"] for manifest in manifests.manifests}
    assert {"Deployment", "CronJob", "Pod"} <= kinds
    found = set()
    for spec in pods(manifests).values():
        assert spec["imagePullSecrets"] == [{"name": "b"}, {"name": "a"}]
        found |= {container["image"].partition(":")[0] for container in spec["containers"]}
    assert found == {"registry.example.com/lightrouter"}


@pytest.mark.parametrize(
    ("repository", "rest"),
    [
        ("lightrouter", "lightrouter"),
        ("team/lightrouter", "team/lightrouter"),
        ("docker.io/team/lightrouter", "team/lightrouter"),
        ("localhost/lightrouter", "lightrouter"),
        ("host:5000/team/lightrouter", "team/lightrouter"),
    ],
)
def test_a_registry_takes_the_place_of_a_registry_and_of_nothing_else(repository: str, rest: str) -> None:
    manifests = render(**{"global": {"imageRegistry": "r:5000/"}, "image": {"repository": repository, "tag": "1"}})
    assert manifests.container("router")["image"] == f"r:5000/{rest}:1"


def test_two_aliases_of_one_parent_do_not_collide(tmp_path: Path) -> None:
    values: dict[str, Any] = {name: {**SET, **VALUES} for name in ("fast", "best")}
    manifests = parent(tmp_path, values, "fast", "best")
    assert len(identities(manifests)) == len(manifests.manifests)
    apart(
        *(
            Manifests([each for each in manifests.manifests if f"-{name}-" in f"{each['metadata']['name']}-"])
            for name in values
        )
    )


def test_two_releases_in_one_namespace_do_not_collide() -> None:
    values = json.dumps({**SET, **VALUES})
    apart(template(CHART, values, release="one"), template(CHART, values, release="two"))


def apart(one: Manifests, two: Manifests) -> None:
    """Checks that no resource is in both, and that the routers and evaluators use their own Candidates alone."""
    assert one.manifests
    assert not identities(one) & identities(two)
    for own, other in ((one, two), (two, one)):
        wanted = selector(own)
        assert all(wanted.items() <= each["metadata"]["labels"].items() for each in own.all("Candidate").values())
        assert not any(wanted.items() <= each["metadata"]["labels"].items() for each in other.all("Candidate").values())
        assert {each["spec"]["name"] for each in own.all("Candidate").values()} == {"small"}
        [router] = [each for name, each in own.all("Deployment").items() if name.endswith("router")]
        labels = router["spec"]["selector"]["matchLabels"]
        pods = [each["spec"]["template"]["metadata"]["labels"] for each in other.all("Deployment").values()]
        assert not any(labels.items() <= each.items() for each in pods)


def selector(manifests: Manifests) -> dict[str, str]:
    """Returns the label by which a release's router and evaluator know their Candidates."""
    [cron] = manifests.all("CronJob").values()
    arguments = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    [told] = [each.partition("=")[2] for each in arguments if each.startswith("--candidate-selector=")]
    environment = [
        variable
        for each in manifests.all("Deployment").values()
        for variable in each["spec"]["template"]["spec"]["containers"][0]["env"]
    ]
    [used] = [each["value"] for each in environment if each["name"] == "LIGHTROUTER_ROUTER_CANDIDATE_SELECTOR"]
    assert used == told
    key, _, value = used.partition("=")
    return {key: value}
