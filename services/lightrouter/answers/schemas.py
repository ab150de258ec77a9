"""JSON Schema with RE2 patterns, whose search time is linear in the text for every pattern."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import jsonschema
from jsonschema.exceptions import ValidationError
from referencing import Registry

from lightrouter.answers.extract import check, matches
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.policy_pb2 import AnswerPattern

# These keywords hold values, not schemas.
_VALUES: Final = frozenset({"const", "default", "enum", "examples"})
# Choices: a schema of so many objects and lists is read in two seconds, and the check that it is one takes up to six
# frames of the stack for each that is within another.
_MOST_PARTS: Final = 4_096
_MOST_NESTED: Final = 64
# Measured: to follow a reference takes as long as twenty other checks.
_STEPS: Final = {"$ref": 20, "$dynamicRef": 20, "$recursiveRef": 20}
# Checks within checks: each takes some four frames of Python's stack, of which there are 1,000. At the stack's end the
# library does not raise an error but panics, in its part that is written in Rust.
_DEEPEST: Final = 150
_Check = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class TooLongError(Exception):
    """A check of a value that takes more steps, or nests deeper, than it may."""


@dataclass(slots=True)
class _Bounds:
    """The steps that are left to a check, and how many checks it is within."""

    steps: int
    depth: int = 0


_bounds: ContextVar[_Bounds] = ContextVar("_bounds")


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Ends checks within the context with TooLongError after so many steps, of some 5 us each; a reference takes 20.

    A few references suffice for a check that takes longer than the universe lasts, or nests without end.
    """
    token = _bounds.set(_Bounds(steps))
    try:
        yield
    except RecursionError:
        # A value that nests deeply is compared by recursion.
        raise TooLongError from None
    finally:
        _bounds.reset(token)


def parts(schema: object) -> int:
    """Returns the number of objects and lists in a schema."""
    return sum(map(len, _levels(schema)))


def _levels(schema: object) -> Iterator[Sequence[object]]:
    """Yields the objects and lists of a schema: itself, those in it, those in these, and so on."""
    level = [schema] if isinstance(schema, dict | list) else []
    while level:
        yield level
        within = (each.values() if isinstance(each, dict) else each for each in level)
        level = [part for each in within for part in each if isinstance(part, dict | list)]


def validator(schema: dict[str, Any]) -> Any:
    """Returns a validator, whose `is_valid` tells whether a value satisfies the schema; it fetches nothing.

    Raises:
        ValueError: It is not a JSON Schema, too large, or has a pattern that RE2 cannot search for.
    """
    if parts(schema) > _MOST_PARTS:
        raise ValueError(f"json_schema has more than {_MOST_PARTS:,} objects and lists")
    if len(list(_levels(schema))) > _MOST_NESTED:
        raise ValueError("json_schema nests too deeply")
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
        patterns = list(_patterns(schema, "json_schema"))
    except jsonschema.SchemaError as error:
        raise ValueError(f"json_schema{error.json_path.removeprefix('$')} is no JSON Schema") from None
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
    def step(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        bounds = _bounds.get(None) or _Bounds(sys.maxsize)
        bounds.steps -= steps
        if bounds.steps < 0 or bounds.depth >= _DEEPEST:
            raise TooLongError
        bounds.depth += 1
        try:
            yield from check(validator, value, instance, schema) or ()
        finally:
            bounds.depth -= 1

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
