"""JSON Schema with RE2 patterns, whose search time is linear in the text for every pattern."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import ValidationError
from referencing import Registry

from lightrouter.answers.extract import check, matches
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.policy_pb2 import AnswerPattern

# These keywords hold values, not schemas.
_VALUES: Final = frozenset({"const", "default", "enum", "examples"})
# Choices: a schema of so many objects and lists is read in two seconds.
_MOST_PARTS: Final = 4_096
# Measured: to follow a reference takes as long as twenty other checks.
_STEPS: Final = {"$ref": 20, "$dynamicRef": 20, "$recursiveRef": 20}
_Check = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class TooLongError(Exception):
    """A check of a value that takes more steps than it may."""


_steps_left: ContextVar[int] = ContextVar("_steps_left")


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Ends checks within the context with TooLongError after so many steps, of some 5 us each; a reference takes 20.

    A few references suffice for a check that takes longer than the universe lasts.
    """
    token = _steps_left.set(steps)
    try:
        yield
    except RecursionError:
        raise TooLongError from None
    finally:
        _steps_left.reset(token)


def parts(schema: object) -> int:
    """Returns the number of objects and lists in a schema."""
    count, todo = 0, [schema]
    while todo:
        each = todo.pop()
        if isinstance(each, dict | list):
            count += 1
            todo.extend(each.values() if isinstance(each, dict) else each)
    return count


def validator(schema: dict[str, Any]) -> Any:
    """Returns a validator, whose `is_valid` tells whether a value satisfies the schema; it fetches nothing.

    Raises:
        ValueError: It is not a JSON Schema, too large, or has a pattern that RE2 cannot search for.
    """
    if parts(schema) > _MOST_PARTS:
        raise ValueError(f"json_schema has more than {_MOST_PARTS:,} objects and lists")
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
        patterns = list(_patterns(schema, "json_schema"))
    except jsonschema.SchemaError as error:
        raise ValueError(f"json_schema{error.json_path.removeprefix('$')} is no JSON Schema") from None
    except RecursionError:
        raise ValueError("json_schema nests too deeply") from None
    for place, pattern in patterns:
        try:
            check(AnswerPattern(re2=pattern), place)
        except ServiceError as error:
            raise ValueError(f"{place}: {error.message.partition(': ')[2]}") from None
    ours = {
        "pattern": _pattern,
        "patternProperties": _by_pattern,
        "additionalProperties": _additional,
        "uniqueItems": _unique,
    }
    counted = {
        keyword: _counted(check, _STEPS.get(keyword, 1)) for keyword, check in {**kind.VALIDATORS, **ours}.items()
    }
    # An empty registry: references are never fetched.
    bounded = jsonschema.validators.extend(kind, counted)  # type: ignore[no-untyped-call]  # the library's
    return bounded(schema, registry=Registry())


def _counted(check: _Check, steps: int) -> _Check:
    def step(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        left = _steps_left.get(None)
        if left is not None:
            if left < steps:
                raise TooLongError
            _steps_left.set(left - steps)
        return check(validator, value, instance, schema)

    return step


def _unique(validator: Any, wanted: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    """Checks in linear time; the library compares each element with each other."""
    if wanted and validator.is_type(instance, "array"):
        seen = {json.dumps(_with_whole_numbers(each), sort_keys=True) for each in instance}
        if len(seen) < len(instance):
            yield ValidationError("has an element twice")


def _with_whole_numbers(value: Any) -> Any:
    # 1.0 is 1 in JSON Schema.
    if isinstance(value, dict):
        return {key: _with_whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
