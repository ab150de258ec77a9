"""The values of the chart, read from values.yaml with what its comments say.

A key's comment is what stands right above it. Its `@schema` lines hold a YAML flow mapping that is added to the JSON
schema which the default gives; besides JSON schema's own keys it knows

    k8s: core.v1.Affinity        the value is of this type of the Kubernetes API
    k8sItems: core.v1.Volume     so are the items of the list
    map: string                  any keys, with values of this type
    open: true                   anything that is an object
    extends: workload            the keys of this other value, too
    model: candidate             the keys of the pool's model of a candidate, too, in a list's items
    keyedBy: name                a list whose items have names, or a mapping by these names
    settings: router             the keys of this group of the services' settings, too

and `#|` lines after a list are a value of their own that shows the form of its items. Every other object is closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tools import candidates, chart_settings
from tools.model_schema import Schema


class CommentError(Exception):
    """A comment in values.yaml that cannot be understood; its text names the key."""


@dataclass(slots=True)
class Value:
    """A value with what its comment says.

    Attributes:
        path: Its path, like `image.tag`.
        default: The default.
        text: The comment, as one line.
        hints: What its `@schema` lines say.
        children: The values in it, if it is a mapping with comments of its own.
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
    values = Value(path, yaml.safe_load(text), children=_children(root, lines, path, len(lines)))
    for value in values.children.values():
        if base := values.children.get(value.hints.get("extends", "")):
            _take_types(value, base)
    return values


def _take_types(value: Value, base: Value) -> None:
    """Gives the keys that a value has from another one the types that they have there."""
    for key in value.children.keys() & base.children.keys():
        child, model = value.children[key], base.children[key]
        if not model.children:
            child.hints, child.children = model.hints, {}
        _take_types(child, model)


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
            value.item = read(form, f"{name}.NAME" if "keyedBy" in value.hints else f"{name}[]")
        if value.item and value.hints.pop("model", None) == "candidate":
            value.item.children = _modelled(candidates.chart_schema(), value.item.path) | value.item.children
        if isinstance(item, yaml.MappingNode) and not value.hints.keys() & {"k8s", "map", "open"}:
            value.children = _children(item, lines, name, following)
        if group := value.hints.get("settings"):
            value.children = _with_settings(group, name, value.children)
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


def _with_settings(group: str, path: str, given: dict[str, Value]) -> dict[str, Value]:
    """Returns a group's settings, with the defaults and comments of those that values.yaml gives."""
    made = _modelled({"properties": chart_settings.schema(group)}, path)
    for key, value in given.items():
        if key in made:
            value.hints = made[key].hints | value.hints
    return made | given


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
