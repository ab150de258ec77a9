"""The JSON schema of the chart's values, made of values.yaml's comments and of the models that they name."""

from __future__ import annotations

import json
from typing import Any, Final

from tools.chart_values import CommentError, Value
from tools.model_schema import Schema

_WIDTH: Final = 120
_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_OWN: Final = frozenset({"k8s", "k8sItems", "map", "open", "extends", "settings", "keyedBy", "required"})


def schema(root: Value) -> Schema:
    """Returns the JSON schema of all values."""
    definitions: dict[str, Schema] = {}
    properties = {name: _schema(value, root) for name, value in root.children.items()}
    for value in root.children.values():
        if value.item and "keyedBy" in value.hints:
            required = value.hints.get("required")
            # Null removes a candidate: a later file of values can remove those of an earlier one.
            definitions[_item(value)] = {"type": ["object", "null"], **_object(value.item, root, required)}
    for name in _bases(root):
        definitions[name] = properties[name]
        properties[name] = {"$ref": f"#/definitions/{name}"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart lightrouter",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        # A file of values may hold YAML anchors under such keys.
        "patternProperties": {"^x-": {}},
        "definitions": dict(sorted(definitions.items())),
    }


def layout(node: Any, indent: int = 0) -> str:
    """Returns JSON of which every part that fits stands on one line."""
    line = json.dumps(node, ensure_ascii=False)
    if not isinstance(node, dict) or (indent and len(line) + indent < _WIDTH):
        return line
    deeper = " " * (indent + 1)
    parts = [f"{deeper}{json.dumps(key)}: {layout(each, indent + 1)}" for key, each in node.items()]
    return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"


def _bases(value: Value) -> set[str]:
    """Returns the names of the values whose keys others extend."""
    own = {value.hints["extends"]} if "extends" in value.hints else set()
    inner = (*value.children.values(), *([value.item] if value.item else []))
    return own.union(*map(_bases, inner))


def _schema(value: Value, root: Value) -> Schema:
    hints = value.hints
    # What a value is, values.yaml and README.md say.
    made: Schema = {}
    if other := _other_type(value):
        return other
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


def _other_type(value: Value) -> Schema | None:
    """Returns the schema of a value whose type stands elsewhere; None if it has keys or a plain type of its own."""
    hints = value.hints
    if hints.get("extends") and not value.children:
        return {"$ref": f"#/definitions/{hints['extends']}"}
    if "keyedBy" in hints:
        return _keyed(value)
    # The API server checks what is in its own types.
    if "k8s" in hints:
        return {"type": hints.get("type", "object")}
    if "k8sItems" in hints:
        return {"type": hints.get("type", "array"), "items": {"type": "object"} | hints.get("items", {})}
    if kind := hints.get("map"):
        return {"type": "object", "additionalProperties": {"type": kind}}
    return {"type": "object"} if hints.get("open") else None


def _keyed(value: Value) -> Schema:
    """Returns the schema of a list whose items have names, or of a mapping by these names."""
    item = {"$ref": f"#/definitions/{_item(value)}"}
    named = {"allOf": [item, {"required": [value.hints["keyedBy"]]}]}
    return {
        "type": ["array", "object", "null"],
        "items": named,
        "additionalProperties": item,
    }


def _item(value: Value) -> str:
    return f"{value.path}.entry"


def _object(value: Value, root: Value, required: object = None) -> Schema:
    properties: dict[str, Schema] = {}
    base = value.hints.get("extends")
    if base:
        keys = root.children[base].children
        properties = {key: {"$ref": f"#/definitions/{base}/properties/{key}"} for key in keys}
    properties |= {key: _schema(child, root) for key, child in value.children.items() if key not in properties}
    made: Schema = {"additionalProperties": value.hints.get("additionalProperties", False), "properties": properties}
    if required := required or value.hints.get("required"):
        made["required"] = required
    return made
