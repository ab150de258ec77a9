"""Writes the JSON schemas of other projects' resources that the chart renders, from their CRDs in their Go modules.

python tools/chart_schemas.py "$(go list -m -f '{{.Dir}}' ...)/config/crd/standard/....yaml" ...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).resolve().parent.parent / "tests" / "chart" / "schemas"


def closed(node: Any) -> Any:
    """Returns an OpenAPI schema of a CRD as a JSON schema, without descriptions, that refuses unknown keys."""
    if isinstance(node, list):
        return [closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made: dict[str, Any] = {}
    for key, item in node.items():
        if key == "properties":
            made[key] = {name: closed(value) for name, value in item.items()}
        elif not key.startswith("x-") and key not in {"description", "format", "default"}:
            made[key] = closed(item)
    # A branch of an allOf or anyOf adds to what the schema around it says; only that is the whole.
    if "properties" in made and made.get("type") == "object" and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def schemas(crd: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the schemas of a CustomResourceDefinition by file name, `kind-group-version.json`."""
    spec = crd["spec"]
    found = {}
    for version in spec["versions"]:
        schema = closed(version["schema"]["openAPIV3Schema"])
        # What every resource has is Kubernetes' own, and not in these schemas.
        schema.setdefault("properties", {})["metadata"] = {"type": "object"}
        found[f"{spec['names']['kind']}-{spec['group']}-{version['name']}.json".lower()] = schema
    return found


def main() -> None:
    """Writes the newest stable schema, or the newest, of each file named."""
    for argument in sys.argv[1:]:
        found = schemas(yaml.safe_load(Path(argument).read_text(encoding="utf-8")))
        name = min(found, key=lambda file: ("alpha" in file or "beta" in file, file))
        (FOLDER / name).write_text(json.dumps(found[name], sort_keys=True) + "\n", encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
