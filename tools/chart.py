"""Writes the chart's values.schema.json, the tables of its README.md and the spec of its CRD.

They come from the comments in values.yaml, and from the pool's models for what a candidate is.

A key's comment is what stands right above it. Its `@schema` lines hold a YAML flow mapping that is added to the JSON
schema which the default gives; besides JSON schema's own keys it knows

    k8s: core.v1.Affinity        the value is of this type of the Kubernetes API
    k8sItems: core.v1.Volume     so are the items of the list
    map: string                  any keys, with values of this type
    open: true                   anything that is an object
    extends: workload            the keys of this other value, too
    model: candidate             the keys of the pool's model of a candidate, too, in a list's items

and `#|` lines after a list are a value of their own that shows the form of its items. Every other object is closed.
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tools import candidates

CHART: Final = Path(__file__).resolve().parent.parent / "helm" / "lightrouter"
_KUBERNETES: Final = "1.37.0"
_BEGIN: Final = "<!-- values: made by `make chart` -->"
_END: Final = "<!-- end of values -->"
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_OWN: Final = frozenset({"k8s", "k8sItems", "map", "open", "extends", "required"})

Schema = dict[str, Any]


class CommentError(Exception):
    """A comment in values.yaml that cannot be understood; its text names the key."""


@dataclass(slots=True)
class Value:
    """A value with what its comment says.

    Attributes:
        path: Where it stands, like `image.tag`.
        default: The default.
        text: The comment, as one line.
        hints: What its `@schema` lines say.
        children: The values in it, where it is a mapping with comments of its own.
        item: The form of a list's items.
        modelled: Whether it comes from a model, whose default is its own and no example.
    """

    path: str
    default: object
    text: str = ""
    hints: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Value] = field(default_factory=dict)
    item: Value | None = None
    modelled: bool = False


def read(text: str, path: str = "") -> Value:
    """Returns the values of a YAML text with its comments.

    Raises:
        CommentError: A comment cannot be understood, or a key has none.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise CommentError(f"{path or 'values.yaml'}: must be a mapping")
    lines = text.splitlines()
    return Value(path, yaml.safe_load(text), children=_children(root, lines, path, len(lines)))


def _children(node: yaml.MappingNode, lines: list[str], path: str, end: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    starts = [key.start_mark.line for key, _ in node.value] + [end]
    for (key, item), following in zip(node.value, starts[1:], strict=True):
        name = f"{path}.{key.value}" if path else str(key.value)
        value = Value(name, _plain(item))
        if not node.flow_style:
            value.text, value.hints = _comment(lines, key.start_mark.line, key.start_mark.column)
        form = _form(lines[key.start_mark.line : following], key.start_mark.column)
        if form:
            value.item = read(form, f"{name}[]")
        if value.item and value.hints.pop("model", None) == "candidate":
            value.item.children = _modelled(candidates.chart_schema(), f"{name}[]") | value.item.children
        if isinstance(item, yaml.MappingNode) and not value.hints.keys() & {"k8s", "map", "open"}:
            value.children = _children(item, lines, name, following)
        values[key.value] = value
    return values


def _modelled(schema: Schema, path: str) -> dict[str, Value]:
    """Returns the values of a model's JSON schema."""
    values: dict[str, Value] = {}
    for key, each in schema["properties"].items():
        name = f"{path}.{key}"
        hints = {hint: found for hint, found in each.items() if hint not in {"description", "default", "properties"}}
        if each["type"] == "object":
            hints = {"type": "object"} if "properties" in each else {"open": True}
        children = _modelled(each, name) if "properties" in each else {}
        values[key] = Value(name, each.get("default"), each["description"], hints, children, modelled=True)
    return values


def _plain(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _comment(lines: list[str], line: int, column: int) -> tuple[str, dict[str, Any]]:
    start = " " * column + "# "
    found: list[str] = []
    while line > 0 and lines[line - 1].startswith(start):
        line -= 1
        found.insert(0, lines[line].removeprefix(start).strip())
    hints: dict[str, Any] = {}
    for hint in found:
        if hint.startswith("@schema "):
            hints |= yaml.safe_load(hint.removeprefix("@schema "))
    return " ".join(said for said in found if not said.startswith("@schema ")), hints


def _form(lines: list[str], column: int) -> str:
    start = " " * column + "#|"
    return "\n".join(line.removeprefix(start).removeprefix(" ") for line in lines if line.startswith(start))


def undocumented(value: Value, *, flow: bool = False) -> Iterator[str]:
    """Yields the paths of the values without a comment; those within a documented one-line mapping need none."""
    for child in value.children.values():
        if not child.text and not flow and "workload" not in str(value.hints.get("extends")):
            yield child.path
        one_line = isinstance(child.default, dict) and not any(inner.text for inner in child.children.values())
        yield from undocumented(child, flow=one_line)
    if value.item:
        yield from undocumented(value.item)


def schema(root: Value) -> Schema:
    """Returns the JSON schema of all values."""
    definitions: dict[str, Schema] = {}
    for _, value in sorted(root.children.items()):
        for name in _used(value):
            _define(name, definitions)
    properties = {name: _schema(value, root) for name, value in root.children.items()}
    properties["global"] = {"type": "object", "description": "Values of a chart that has this one as a part."}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart lightrouter",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "definitions": dict(sorted(definitions.items())),
    }


def _schema(value: Value, root: Value) -> Schema:
    hints = value.hints
    made: Schema = {"description": value.text} if value.text else {}
    if name := hints.get("k8s"):
        return {**made, "$ref": f"#/definitions/{_full(name)}"}
    if name := hints.get("k8sItems"):
        return {**made, "type": "array", "items": {"$ref": f"#/definitions/{_full(name)}"}}
    if kind := hints.get("map"):
        return {**made, "type": "object", "additionalProperties": {"type": kind}}
    if hints.get("open"):
        return {**made, "type": "object"}
    if "type" not in hints:
        if type(value.default) not in _TYPES:
            raise CommentError(f"{value.path}: a null default needs a type in @schema")
        made["type"] = _TYPES[type(value.default)]
    made |= {key: hint for key, hint in hints.items() if key not in _OWN}
    if made["type"] == "object":
        made |= _object(value, root)
    elif made["type"] == "array" and value.item:
        made["items"] = {"type": "object", **_object(value.item, root, hints.get("required"))}
    elif made["type"] == "array" and "items" not in made:
        raise CommentError(f"{value.path}: say what its items are, by @schema or #|")
    return made


def _object(value: Value, root: Value, required: object = None) -> Schema:
    properties: dict[str, Schema] = {}
    base = value.hints.get("extends")
    if base:
        keys = root.children[base].children
        properties = {key: {"$ref": f"#/properties/{base}/properties/{key}"} for key in keys}
    properties |= {key: _schema(child, root) for key, child in value.children.items() if key not in properties}
    made: Schema = {"additionalProperties": False, "properties": properties}
    if required := required or value.hints.get("required"):
        made["required"] = required
    return made


def _used(value: Value) -> Iterator[str]:
    for hint in ("k8s", "k8sItems"):
        if hint in value.hints:
            yield _full(value.hints[hint])
    for child in (*value.children.values(), *([value.item] if value.item else [])):
        yield from _used(child)


def _full(name: str) -> str:
    return f"io.k8s.api.{name}"


@cache
def _kubernetes() -> Mapping[str, Schema]:
    folder = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    text = (folder / f"v{_KUBERNETES}-local-strict" / "_definitions.json").read_text(encoding="utf-8")
    found: Mapping[str, Schema] = json.loads(text)["$defs"]
    return found


def _define(name: str, definitions: dict[str, Schema]) -> None:
    """Adds a type of the Kubernetes API, without its descriptions, and the types that it is made of."""
    if name in definitions:
        return
    definitions[name] = {}
    definitions[name] = _translated(_kubernetes()[name], definitions)


def _translated(node: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_translated(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    made: Schema = {}
    for key, item in node.items():
        if key == "$ref":
            name = str(item).rpartition("/")[2]
            _define(name, definitions)
            made[key] = f"#/definitions/{name}"
        elif not (key == "description" and isinstance(item, str)) and not key.startswith("x-kubernetes"):
            made[key] = _translated(item, definitions)
    return made


def table(root: Value) -> str:
    """Returns the README's tables: one a top-level mapping, the single values first."""
    alone = [value for value in root.children.values() if not _divisible(value)]
    parts = [_rows(alone)]
    parts += [
        f"### {value.path}\n\n{value.text}\n\n{_rows(list(_leaves(value)))}"
        for value in root.children.values()
        if _divisible(value)
    ]
    return "\n\n".join(parts)


def _divisible(value: Value) -> bool:
    return bool(value.children or value.item)


def _leaves(value: Value) -> Iterator[Value]:
    for child in (value.item or value).children.values():
        documented = any(inner.text for inner in child.children.values()) or child.item
        if documented:
            yield child
            yield from _leaves(child)
        elif child.text:
            yield child


def _rows(values: list[Value]) -> str:
    if not values:
        return "Nothing of its own: the keys of `workload`."
    rows = ["| value | default | what it is |", "| --- | --- | --- |"]
    for value in values:
        nested = any(inner.text for inner in value.children.values())
        default = "" if nested else _code(json.dumps(value.default, ensure_ascii=False))
        if value.modelled:
            default = "" if nested or value.default is None else _code(json.dumps(value.default, ensure_ascii=False))
        elif "[]" in value.path:
            default = "" if nested else f"for example {default}"
        rows.append(f"| `{value.path}` | {default} | {_words(value.text)} |")
    return "\n".join(rows)


def _words(text: str) -> str:
    return _cell(text).replace("<", "\\<")


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def outputs(chart: Path = CHART) -> dict[Path, str]:
    """Returns what the files should hold, by file.

    Raises:
        CommentError: A value has no comment, or one that cannot be understood.
    """
    root = read((chart / "values.yaml").read_text(encoding="utf-8"))
    if missing := list(undocumented(root)):
        raise CommentError(f"{missing[0]}: has no comment that says what it is")
    readme, definition = chart / "README.md", chart / "crds" / "candidates.lightrouter.dev.yaml"
    before, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return {
        chart / "values.schema.json": json.dumps(schema(root), indent=1, ensure_ascii=False) + "\n",
        readme: f"{before}{_BEGIN}\n\n{table(root)}\n\n{_END}{after}",
        definition: candidates.definition(definition.read_text(encoding="utf-8")),
    }


def main() -> None:
    """Writes the files, or with --check says whether they are what they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say whether the files are up to date")
    check = parser.parse_args().check
    try:
        found = outputs()
    except CommentError as error:
        sys.exit(f"values.yaml: {error}")
    for path, text in found.items():
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.relative_to(CHART.parent.parent)} is not what values.yaml says: run make chart")


if __name__ == "__main__":
    main()
