"""Checks the chart: lint, examples against what they rendered to, every manifest against its schema, trivy.

With --write it writes what the examples render to, for a review of the difference.
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped] # ships no types
import yaml

from tools.chart_helm import LAYERS, ROOT, helm
from tools.chart_schemas import FOLDER, schemas

CHART: Final = ROOT / "helm" / "lightrouter"
# The least, and all that the chart has; tests/chart asserts the rest on the parsed manifests.
GOLDENS: Final = tuple(CHART / "examples" / example / "rendered.yaml" for example in ("minimal", "production"))
# Each with the files of values that it takes.
VALUES: Final = (
    {file: (file,) for file in sorted(CHART.glob("examples/*/values.yaml"))}
    | {file: (CHART / "examples" / "minimal" / "values.yaml", file) for file in sorted(ROOT.glob("deploy/values/*"))}
    | {(kind := ROOT / "deploy" / "kind" / "values.yaml"): (kind,)}
)
CRD: Final = CHART / "crds" / "candidates.lightrouter.dev.yaml"
KUBERNETES: Final = ("1.30", "1.37")


def render(major: int, *values: Path) -> str:
    """Returns what the chart renders to, without the names of its files and without blank lines.

    Helm 3 and 4 make different blank lines.
    """
    given = [f"--values={file}" for file in values]
    arguments = ["template", "lightrouter", str(CHART), "--namespace", "lightrouter", *given]
    text = subprocess.run([helm(major), *arguments], check=True, capture_output=True, text=True).stdout
    return "".join(
        line for line in text.splitlines(keepends=True) if line.strip() and not line.startswith("# Source: ")
    )


def faults(manifest: dict[str, Any], others: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yields what is wrong with a manifest; a kind that nobody knows is wrong."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    name = f"{manifest['kind']}-{group}-{version}.json".lower()
    place = f"{manifest['kind']}/{manifest['metadata']['name']}"
    try:
        if name in others:
            jsonschema.validate(manifest, others[name])
            return
        for release in KUBERNETES:
            kubernetes_validate.validate(manifest, release, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{place}: {error.message}"
    except jsonschema.ValidationError as error:
        yield f"{place}: {error.json_path}: {error.message}"


def lint(major: int, *values: Path) -> Iterator[str]:
    """Yields what `helm lint` says against the chart with these values."""
    given = [f"--values={file}" for file in values]
    arguments = ["lint", str(CHART), "--strict", "--quiet", *given]
    ended = subprocess.run([helm(major), *arguments], check=False, capture_output=True, text=True)
    if ended.returncode:
        yield f"helm {major} lint: {ended.stdout}{ended.stderr}"


def check_values(values: Sequence[Path], others: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yields what is wrong with files of values that belong together, and with what they render to."""
    newest = max(LAYERS)
    refused = [fault for major in LAYERS for fault in lint(major, *values)]
    yield from refused
    for manifest in () if refused else yaml.load_all(render(newest, *values), yaml.CSafeLoader):
        if manifest:
            yield from faults(manifest, others)


def check_golden(golden: Path, *, write: bool) -> Iterator[str]:
    """Yields the difference of an example to what it rendered to."""
    for major in LAYERS:
        text = render(major, golden.with_name("values.yaml"))
        if write:
            golden.write_text(text, encoding="utf-8")
        before = golden.read_text(encoding="utf-8")
        if text != before:
            yield (
                f"helm {major} renders what {golden.relative_to(ROOT)} does not say; `make chart` writes it:\n"
                + "".join(
                    difflib.unified_diff(before.splitlines(keepends=True), text.splitlines(keepends=True), "was", "is")
                )
            )


def main() -> None:
    """Ends with status 1 and what is wrong, if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what the examples render to")
    write = parser.parse_args().write
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    others = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*.json")} | schemas(crd)
    found = [f"{CRD.name}: {fault}" for fault in faults(crd, others)]
    for golden in GOLDENS:
        found += check_golden(golden, write=write)
    for name, values in VALUES.items():
        found += [f"{name.relative_to(ROOT)}: {fault}" for fault in check_values(values, others)]
    if found:
        sys.exit("\n".join(found))
    command = ["trivy", "config", "--quiet", "--skip-check-update", "--severity", "HIGH,CRITICAL", "--exit-code", "1"]
    sys.exit(subprocess.run([*command, str(CHART / "examples")], check=False).returncode)


if __name__ == "__main__":
    main()
