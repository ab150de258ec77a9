"""What `helm install` says and does about Candidates that are there already."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import yaml

from tests.chart.api import api_server, candidate_resource
from tests.chart.rendered import CHART, SMALL, Manifests
from tools.chart_helm import helm


def installed(server: str, **values: Any) -> tuple[Manifests, str]:
    """Returns the manifests and the notes of an installation that only an API server's resources affect."""
    command = [str(helm(4)), "install", "lightrouter", str(CHART), "--namespace=here", "--values=-"]
    how = ["--dry-run=server", "--disable-openapi-validation", f"--kube-apiserver={server}"]
    given = json.dumps({"candidates": {"small": SMALL}, **values})
    said = subprocess.run([*command, *how], input=given, check=True, capture_output=True, text=True).stdout
    _, _, after = said.partition("\nMANIFEST:\n")
    manifests, _, notes = after.partition("\nNOTES:\n")
    return Manifests([each for each in yaml.load_all(manifests, yaml.CSafeLoader) if each]), notes


def test_a_candidate_of_an_older_release_keeps_its_resource_and_its_status() -> None:
    with api_server(candidate_resource("small", release="lightrouter")) as server:
        manifests, _ = installed(server)
    [candidate] = manifests.all("Candidate").values()
    assert candidate["metadata"]["name"] == "small"
    assert "name" not in candidate["spec"]


def test_a_candidate_of_another_release_stays_its_own() -> None:
    with api_server(candidate_resource("small", release="another")) as server:
        manifests, _ = installed(server)
    [candidate] = manifests.all("Candidate").values()
    assert (candidate["metadata"]["name"], candidate["spec"]["name"]) == ("lightrouter-small", "small")


def test_candidates_that_no_router_uses_are_named() -> None:
    others = [candidate_resource("by-hand"), candidate_resource("small", release="lightrouter")]
    with api_server(*others) as server:
        _, notes = installed(server)
        _, of_all = installed(server, pool={"selector": ""})
    assert "label candidate by-hand lightrouter.dev/router=lightrouter\n" in notes
    assert "no label" not in of_all


def test_a_list_of_candidates_is_noticed() -> None:
    with api_server() as server:
        _, by_name = installed(server)
        _, listed = installed(server, candidates=[SMALL])
    assert "candidates is a list" not in by_name
    assert "candidates is a list" in listed
    assert "routes over 1 candidate." in listed


def test_the_notes_say_what_becomes_of_evaluations() -> None:
    with api_server() as server:
        notes = [
            installed(server, **values)[1] for values in ({}, {"pool": {"keep": True}}, {"pool": {"source": "file"}})
        ]
    assert "helm uninstall removes the release's Candidates, and with them what evaluations found" in notes[0]
    assert "helm uninstall leaves the Candidates, with what evaluations found" in notes[1]
    assert "uninstall" not in notes[2]
