"""What the chart renders to, parsed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import yaml

from lightrouter.adapter.settings import AdapterSettings
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.settings import ServiceSettings, read
from lightrouter.selector.settings import SelectorSettings
from lightrouter.suite.settings import whole
from tools.chart_helm import ROOT, helm

CHART: Final = ROOT / "helm" / "lightrouter"
SETTINGS: Final[Mapping[str, type[ServiceSettings]]] = {
    "router": RouterSettings,
    "selector": SelectorSettings,
    "aggregator": AggregatorSettings,
    "adapter": AdapterSettings,
}
COMPONENTS: Final = ("router", "selector", "aggregator", "adapter-small")
TLS: Final = {"enabled": True, "secretName": "certificates"}
SMALL: Final = {"name": "small", "baseUrl": "http://ollama.ollama.svc:11434/v1", "model": "llama3.2"}

Manifest = dict[str, Any]


class RefusedError(Exception):
    """Helm renders nothing; the text is what it says."""


class Manifests:
    """The manifests of one release named `lightrouter`, whose names therefore begin with `lightrouter-`."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self.manifests = manifests

    def all(self, kind: str) -> dict[str, Manifest]:
        """Returns those of a kind by name, without the release's."""
        of_kind = [manifest for manifest in self.manifests if manifest["kind"] == kind]
        return {manifest["metadata"]["name"].removeprefix("lightrouter-"): manifest for manifest in of_kind}

    def one(self, kind: str, name: str) -> Manifest:
        """Returns the one of this kind and name, the release's name left out."""
        return self.all(kind)[name]

    def pod(self, name: str) -> Manifest:
        """Returns the spec of a Deployment's pods."""
        spec: Manifest = self.one("Deployment", name)["spec"]["template"]["spec"]
        return spec

    def container(self, name: str) -> Manifest:
        """Returns the container of a Deployment that runs the service."""
        return dict(self.pod(name)["containers"][0])

    def environment(self, name: str) -> dict[str, str]:
        """Returns the environment variables of a Deployment that have a value of their own."""
        return {variable["name"]: variable.get("value", "") for variable in self.container(name)["env"]}

    def settings(self, name: str) -> ServiceSettings:
        """Returns what the service itself makes of its environment; it refuses what it does not know."""
        _, runs = self.container(name)["args"]
        environment = self.environment(name)
        with patch.dict(os.environ, environment):
            return read(whole() if runs == "all" else SETTINGS[runs], [], environment)

    def files(self, name: str) -> dict[str, Manifest]:
        """Returns the volumes of a Deployment by the place where they are mounted."""
        volumes = {volume["name"]: volume for volume in self.pod(name).get("volumes", [])}
        return {mount["mountPath"]: volumes[mount["name"]] for mount in self.container(name).get("volumeMounts", [])}

    def pool(self) -> Manifest:
        """Returns the content of the pool file."""
        found: Manifest = yaml.safe_load(self.one("ConfigMap", "pool")["data"]["pool.yaml"])
        return found


def render(**values: object) -> Manifests:
    """Returns what the chart renders with these values, and with one candidate if they have none.

    Raises:
        RefusedError: Helm refuses them.
    """
    return _render(json.dumps({"candidates": [SMALL], **values}, sort_keys=True))


def example(name: str) -> Manifests:
    """Returns what an example renders to."""
    return _render((CHART / "examples" / name / "values.yaml").read_text(encoding="utf-8"))


def reuse(older: str, **values: object) -> Manifests:
    """Returns what `helm upgrade --reuse-values` renders: an older release's values are then the chart's."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder, "lightrouter"), ignore=shutil.ignore_patterns("examples")))
        (chart / "values.yaml").write_text(older, encoding="utf-8")
        return template(chart, json.dumps({"candidates": [SMALL], **values}))


@cache
def _render(values: str) -> Manifests:
    return template(CHART, values)


def template(chart: Path, values: str, *options: str, release: str = "lightrouter") -> Manifests:
    """Returns what `helm template` renders of a chart.

    Raises:
        RefusedError: Helm refuses the values.
    """
    command = [str(helm(4)), "template", release, str(chart), "--namespace", "here", "--values", "-", *options]
    done = subprocess.run(command, input=values, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RefusedError(done.stderr)
    return Manifests([manifest for manifest in yaml.load_all(done.stdout, yaml.CSafeLoader) if manifest])


def candidate(**more: object) -> dict[str, object]:
    """Returns the entry of the candidate `small` with these further keys."""
    return {**SMALL, **more}


def examples() -> list[str]:
    """Returns the names of the examples."""
    return sorted(path.name for path in Path(CHART / "examples").iterdir())


def egress(manifests: Manifests, name: str) -> list[Manifest]:
    """Returns what the pods of a component may reach, rule by rule."""
    return list(manifests.one("NetworkPolicy", name)["spec"]["egress"])


def ports(rule: Manifest) -> set[int]:
    """Returns the ports of a rule; none if it holds for all."""
    return {port["port"] for port in rule.get("ports", [])}


def components(peers: list[Manifest]) -> set[str]:
    """Returns the components that a rule is about."""
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in peers if "podSelector" in peer
    }
