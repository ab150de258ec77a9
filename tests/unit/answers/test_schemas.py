"""Checks by a schema end, whatever the schema and the value are."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lightrouter.answers import json_schema
from lightrouter.answers.json_schema import OutputForm
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.chat_pb2 import JsonSchema, OutputSpec, Tool, ToolCall

TOO_LONG = "takes too long to be checked against its schema"
DOUBLING = {f"a{step}": {"anyOf": [{"$ref": f"#/$defs/a{step + 1}"}] * 2} for step in range(40)}
NUMBER = {"type": "number"}


def form_of(schema: Any) -> OutputForm:
    return OutputForm(OutputSpec(json_schema=JsonSchema(schema=json.dumps(schema))), "output")


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"$ref": "#"}, "1"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "1"),
        ({"$ref": "#/$defs/a0", "$defs": {**DOUBLING, "a40": {"type": "string"}}}, "1"),
        ({"not": {"$ref": "#"}}, "1"),
        ({"items": {"$ref": "#"}, "type": ["array", "number"]}, nested(400)),
        ({"type": "array", "items": {"anyOf": [{"minimum": 1}] * 200 + [{}]}}, json.dumps([-1] * 60)),
        ({"type": "array", "items": NUMBER}, json.dumps([1] * 11_000)),
    ],
    ids=["itself", "each other", "doubling", "not itself", "depth", "alternatives", "length"],
)
def test_a_check_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch, schema: Any, text: str) -> None:
    monkeypatch.setattr(json_schema, "_MOST_STEPS", 10_000)
    form = form_of(schema)
    assert form.quick_fault(text, []) is None
    assert form.fault(text, []) == TOO_LONG


def from_within(depth: int, call: Callable[[], str]) -> str:
    return from_within(depth - 1, call) if depth else call()


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"$ref": "#"}},
        {"$ref": "#"},
        {"items": {"not": {"not": {"$ref": "#"}}}},
        {"contains": {"$ref": "#"}},
        {"unevaluatedProperties": {"$ref": "#"}, "anyOf": [{"properties": {"a": {"$ref": "#"}}}]},
        {"if": {"$ref": "#"}},
    ],
    ids=lambda schema: next(iter(schema)),
)
def test_a_check_that_nests_without_end_ends_before_the_stack_does(schema: Any) -> None:
    # Where Python's stack ends, the library panics or not by the very frame that is the last one.
    form = form_of(schema)
    texts = ("1", nested(300), '{"a":' * 300 + "1" + "}" * 300)
    for text in texts:
        assert len({from_within(depth, partial(form.fault, text, [])) for depth in range(0, 200, 3)}) == 1


@pytest.mark.parametrize(("count", "quick"), [(100, ""), (5_000, None)])
def test_a_long_answer_is_checked_though_not_at_once(count: int, quick: str | None) -> None:
    form = form_of({"type": "array", "items": NUMBER})
    text = json.dumps(list(range(count)))
    assert form.quick_fault(text, []) == quick
    assert form.fault(text, []) == ""
    assert "does not fit" in form.fault(text.replace("[0", '["a"'), [])


@pytest.mark.parametrize(
    ("values", "twice"),
    [
        ([1, 2], False),
        ([1, 1.0], True),
        ([1, True], False),
        ([0, False], False),
        (["1", 1], False),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1.0}], True),
        ([[1], [1]], True),
        ([None, "null"], False),
        ([{"a": index} for index in range(5_000)], False),
        ([*({"a": index} for index in range(5_000)), {"a": 5}], True),
    ],
    ids=lambda value: str(value)[:40],
)
def test_unique_elements_are_found_in_linear_time(values: list[object], twice: bool) -> None:
    assert ("twice" in form_of({"uniqueItems": True}).fault(json.dumps(values), [])) is twice


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ('{"allOf":[' * 200 + "{}" + "]}" * 200, "nests too deeply"),
        ('{"properties":{"a":' * 200 + "{}" + "}}" * 200, "nests too deeply"),
        ('{"allOf":[' * 32 + "{}" + "]}" * 32, "nests too deeply"),
        (json.dumps({"properties": {f"p{index}": {} for index in range(5_000)}}), "more than 4,096"),
        (json.dumps({"anyOf": [{}] * 5_000}), "more than 4,096"),
        (json.dumps({"enum": [[]] * 5_000}), "more than 4,096"),
    ],
    ids=lambda value: value[:20],
)
def test_a_schema_that_takes_too_long_to_read_is_bad_input(schema: str, fault: str) -> None:
    with pytest.raises(ServiceError, match=fault) as caught:
        OutputForm(OutputSpec(json_schema=JsonSchema(schema=schema)), "output")
    assert caught.value.violations[0].field == "output.json_schema.schema"


def test_the_arguments_of_tools_beyond_the_maximum_are_not_checked() -> None:
    large = json.dumps({"properties": {"p": NUMBER}, "default": [[]] * 4_000})
    form = OutputForm(OutputSpec(tools=[Tool(name=name, parameters=large) for name in "ab"]), "output")
    wrong = '{"p": "a"}'
    assert "does not fit" in form.fault("", [ToolCall(name="a", arguments=wrong)])
    assert form.fault("", [ToolCall(name="b", arguments=wrong)]) == ""
    assert "no tool" in form.fault("", [ToolCall(name="c", arguments=wrong)])
