"""The JSON schema of a pydantic model as the chart has it: camelCase, without references, titles and null."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

Schema = dict[str, Any]

# pydantic writes a bound of a number that it validates by a function of its own under the name of the constraint.
_BOUNDS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def model_schema(model: type[BaseModel]) -> Schema:
    """Returns a model's JSON schema, with keys in camelCase and the fields' docstrings as descriptions."""
    whole = model.model_json_schema(by_alias=True)
    return _described(_plain(whole, whole.get("$defs", {})), model)


def _plain(node: Any, definitions: Mapping[str, Schema]) -> Any:
    """Returns a schema without references, titles and null."""
    if isinstance(node, list):
        return [_plain(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "anyOf" in node:
        (chosen,) = (each for each in node["anyOf"] if each != {"type": "null"})
        node = {**chosen, **{key: value for key, value in node.items() if key != "anyOf"}}
    if "$ref" in node:
        node = {**definitions[node["$ref"].rpartition("/")[2]], **{k: v for k, v in node.items() if k != "$ref"}}
    made: Schema = {}
    for key, value in node.items():
        if key == "properties":
            made[key] = {name: _plain(each, definitions) for name, each in value.items()}
        elif key == "prefixItems":
            made["items"] = _plain(value[0], definitions)
        elif key not in {"title", "$defs", "description"} and not (key == "default" and value is None):
            made[_BOUNDS.get(key, key)] = _plain(value, definitions)
    return made


def _described(node: Schema, model: type[BaseModel]) -> Schema:
    """Returns a model's schema with its fields' docstrings as descriptions."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if issubclass(kind, BaseModel) and kind is not BaseModel:
            texts |= docstrings(kind)
    for name, field in model.model_fields.items():
        each = node["properties"][field.alias or name]
        if isinstance(field.default, BaseModel):
            _described(each, type(field.default))
            each.pop("default", None)
        node["properties"][field.alias or name] = {"description": _in_camel_case(texts[name]), **each}
    return node


def _in_camel_case(text: str) -> str:
    return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda name: to_camel(name[0]), text)


def docstrings(kind: type[BaseModel]) -> dict[str, str]:
    """Returns the docstrings of a model's own fields, each as one line."""
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found
