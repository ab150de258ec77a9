"""`helm install`, the first calls, and `helm uninstall`, on a real cluster."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from tests.cluster.release import CHART, NAME, Namespace, candidate, small, until

pytestmark = pytest.mark.timeout(1800)


def everything(namespace: Namespace) -> set[str]:
    """Returns what there is in a namespace, of every kind that can be listed."""
    kinds = namespace.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    lasting = [kind for kind in kinds if kind.split(".")[0] not in {"events", "pods", "endpoints", "endpointslices"}]
    lasting.remove("podmetrics.metrics.k8s.io") if "podmetrics.metrics.k8s.io" in lasting else None
    return set(namespace.kubectl("get", ",".join(lasting), "--output=name", "--ignore-not-found").split())


@pytest.mark.parametrize("major", [3, 4])
def test_an_installed_release_answers_and_leaves_nothing_behind(
    new_namespace: Callable[[str], AbstractContextManager[Namespace]], major: int
) -> None:
    with new_namespace("install") as given:
        given.provider()
        before = everything(given)
        given.install(small(candidate("a"), candidate("b")), major=major)
        assert len(everything(given) - before) > 20
        given.test(major=major)
        assert given.ask("What is it?")["text"].endswith("What is it?")
        with given.forwarded() as address:
            command = [sys.executable, "-m", "lightrouter.cli", "ask", "And from outside?", "--address", address]
            outside = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
            assert outside.stdout.strip().endswith("And from outside?")
        given.helm("uninstall", NAME, "--wait", major=major)
        until(lambda: everything(given) == before, "nothing is left")


@pytest.mark.alone
def test_the_definition_is_upgraded_as_the_readme_says(suite: Namespace, tmp_path: Path) -> None:
    said = re.search(r"^kubectl (apply .*) helm/lightrouter/crds$", (CHART / "README.md").read_text(), re.MULTILINE)
    assert said
    apply = shlex.split(said[1])
    (file,) = (CHART / "crds").iterdir()
    definition = yaml.safe_load(file.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = "That of the next release."
    (tmp_path / file.name).write_text(yaml.safe_dump(definition))
    try:
        suite.kubectl(*apply, str(tmp_path))
        (version,) = suite.get("crd", definition["metadata"]["name"])["spec"]["versions"]
        assert version["schema"]["openAPIV3Schema"]["description"] == schema["description"]
        assert suite.ask("Still there?")["text"].endswith("Still there?")
    finally:
        suite.kubectl(*apply, str(CHART / "crds"))
