"""JSON Schema with RE2 patterns, whose search time is linear in the text for every pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import ValidationError
from referencing import Registry

from lightrouter.answers.extract import check, matches
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.policy_pb2 import AnswerPattern

# These keywords hold values, not schemas.
_VALUES: Final = frozenset({"const", "default", "enum", "examples"})


def validator(schema: dict[str, Any]) -> Any:
    """Returns a validator, whose `is_valid` tells whether a value satisfies the schema; it fetches nothing.

    Raises:
        ValueError: It is not a JSON Schema, or it has a pattern that RE2 cannot search for.
    """
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ValueError(f"json_schema{error.json_path.removeprefix('$')} is no JSON Schema") from None
    for place, pattern in _patterns(schema, "json_schema"):
        try:
            check(AnswerPattern(re2=pattern), place)
        except ServiceError as error:
            raise ValueError(f"{place}: {error.message.partition(': ')[2]}") from None
    ours = {"pattern": _pattern, "patternProperties": _by_pattern, "additionalProperties": _additional}
    # An empty registry: references are never fetched.
    bounded = jsonschema.validators.extend(kind, ours)  # type: ignore[no-untyped-call]  # the library's
    return bounded(schema, registry=Registry())


def _patterns(schema: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yields the patterns of a schema with their places.

    Raises:
        ValueError: Two keywords stand together that the library checks with Python's own patterns.
    """
    if isinstance(schema, list):
        for index, each in enumerate(schema):
            yield from _patterns(each, f"{place}[{index}]")
    if not isinstance(schema, dict):
        return
    if isinstance(pattern := schema.get("pattern"), str):
        yield f"{place}.pattern", pattern
    if isinstance(named := schema.get("patternProperties"), dict):
        yield from ((f"{place}.patternProperties", name) for name in named)
    for key, each in schema.items():
        if key == "unevaluatedProperties" and "patternProperties" in str(schema):
            raise ValueError(f"{place}.{key} beside patternProperties is not known; use additionalProperties")
        if key not in _VALUES:
            yield from _patterns(each, f"{place}.{key}")


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not matches(instance, pattern):
        yield ValidationError("does not match its pattern")


def _by_pattern(validator: Any, schemas: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, schema in schemas.items():
            for key, value in instance.items():
                if matches(key, pattern):
                    yield from validator.descend(value, schema, path=key, schema_path=pattern)


def _additional(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, value in instance.items():
        if key not in known and not any(matches(key, pattern) for pattern in patterns):
            yield from validator.descend(value, wanted, path=key)
