"""How right an answer is, task by task."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from lightrouter.answers.scoring import SCORERS, Choice, Exact, Extraction, Matching, Numeric, Schema

PERSON: dict[str, JsonValue] = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        (" (b). ", "B"),
        ("The answer is (C).", "C"),
        ("The answer is (c), not (D).", "C"),
        ("**Answer:** B", "B"),
        ("Option A is tempting, but it must be B", "B"),
        ("so $\\boxed{D}$ for A", "D"),
        ("Answer: A. No, wait. Answer: C", "C"),
        ("A lot speaks for D.\nI'm sure.", "D"),
        ("The answer is a matter of taste.", None),
        ("Answer: K", None),
        ("", None),
    ],
)
def test_the_letter_that_a_text_chooses(text: str, letter: str | None) -> None:
    assert Choice(answer="A").find(text) == letter


def test_a_choice_is_scored_by_its_letter_where_the_extraction_finds_one_and_else_by_the_last() -> None:
    choice = Choice(answer="B", extraction=Extraction(re2=r"final=(\w)"))
    assert choice.score("A, final=B, C") == 1
    assert choice.score("A, then B") == 1
    assert choice.score("final=A, B") == 0
    assert Choice(answer="B", choices=2).score("B or C") == 1


def test_exact_answers_are_equal_but_for_form() -> None:
    assert Exact(answer="Paris").score("  paris. ") == 1
    assert Exact(answer="Paris").score("Paris, France") == 0
    assert Exact(answer=("twelve", "12")).score("12.0") == 1
    pointer = Exact(answer="Paris", extraction=Extraction(json_pointer="/city"))
    assert pointer.score('Here:\n```json\n{"city": "Paris"}\n```') == 1
    assert pointer.score("Paris") == 0


@pytest.mark.parametrize(
    ("answer", "text", "score"),
    [
        ("1234", "That makes 1,234 in all.", 1),
        ("1234567", "#### 1,234,567", 1),
        ("5000", "It costs $5,000.", 1),
        ("0", "It costs $5,000.", 0),
        ("9500", "$9{,}500$", 1),
        ("42", "The answer is 42. I needed 3 steps.", 1),
        ("3", "The answer is 42. I needed 3 steps.", 0),
        ("-3", "x = \N{MINUS SIGN}3", 1),
        ("50", "50 %", 1),
        ("0.5", "50 %", 1),
        ("5", "50 %", 0),
        ("0.5", "\\frac{1}{2}", 1),
        ("3500", "3.5 \N{MULTIPLICATION SIGN} 10^3", 1),
    ],
)
def test_a_right_number_is_right_however_it_is_written(answer: str, text: str, score: float) -> None:
    assert Numeric(answer=Decimal(answer)).score(text) == score


def test_numbers_may_be_off_by_the_larger_tolerance() -> None:
    assert Numeric(answer=Decimal("0.3")).score("0.30") == 1
    assert Numeric(answer=Decimal(100), tolerance=Decimal(1)).score("99") == 1
    assert Numeric(answer=Decimal(100), relative_tolerance=Decimal("0.02")).score("98") == 1
    assert Numeric(answer=Decimal(100), tolerance=Decimal(1)).score("98.9") == 0
    assert Numeric(answer=Decimal(1), extraction=Extraction(re2=r"= (\S+)")).score("= 1 of 7") == 1


def test_a_pattern_is_found_anywhere() -> None:
    assert Matching(pattern="(?i)\\bsorry\\b").score("I am Sorry.") == 1
    assert Matching(pattern="^a$").score("ab") == 0


def test_a_document_satisfies_its_schema() -> None:
    schema = Schema(json_schema=PERSON)
    assert schema.score('{"age": 7}') == 1
    assert schema.score('It is:\n```json\n{"age": 7}\n```') == 1
    assert schema.score('{"age": "7"}') == 0
    assert schema.score("seven") == 0
    assert schema.score("[" * 100_000) == 0


HOSTILE = "^(a+)+$"
_LONG = "a" * 4_000 + "!"


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ({"pattern": HOSTILE}, _LONG),
        ({"patternProperties": {HOSTILE: False}, "additionalProperties": False}, {_LONG: 1}),
        ({"propertyNames": {"pattern": HOSTILE}}, {_LONG: 1}),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": {"pattern": HOSTILE}}, [_LONG]),
        ({"$defs": {"x": {"pattern": HOSTILE}}, "$ref": "#/$defs/x"}, _LONG),
    ],
)
def test_a_schemas_patterns_take_a_bounded_time(schema: dict[str, JsonValue], document: object) -> None:
    assert Schema(json_schema=schema).score(json.dumps(document)) == 0


def test_patterns_of_a_schema_are_found_anywhere_in_a_value() -> None:
    schema: dict[str, JsonValue] = {
        "properties": {"x": {"pattern": "b"}},
        "patternProperties": {"^n_": {"type": "number"}},
        "additionalProperties": {"type": "string"},
    }
    scorer = Schema(json_schema=schema)
    assert scorer.score('{"x": "abc", "n_1": 1, "y": "z"}') == 1
    assert scorer.score('{"x": 1}') == 1
    assert scorer.score('{"x": "ac"}') == 0
    assert scorer.score('{"n_1": "1"}') == 0
    assert scorer.score('{"y": 1}') == 0
    assert Schema(json_schema={"enum": [{"pattern": "(?=a)"}]}).score('{"pattern": "(?=a)"}') == 1


def test_a_long_answer_is_searched_at_its_end() -> None:
    assert Matching(pattern="x").score("x" + " " * 70_000) == 0
    assert Matching(pattern="x").score(" " * 70_000 + "x") == 1


def test_an_extraction_reads_numbers_and_letters() -> None:
    assert Exact(answer="1234", extraction=Extraction(number=True)).score("It is $1{,}234$ in all.") == 1
    assert Exact(answer="B", extraction=Extraction(choices=4)).score("The answer is (b), not A.") == 1
    assert Exact(answer="E", extraction=Extraction(choices=4)).score("The answer is E.") == 0


def test_a_schema_is_never_fetched() -> None:
    assert Schema(json_schema={"$ref": "http://127.0.0.1:9/schema"}).score("{}") == 0


@pytest.mark.parametrize(
    ("task", "values", "said"),
    [
        ("exact", {}, "answer"),
        ("choice", {"answer": "Z", "choices": 4}, "not among the first 4 letters"),
        ("choice", {"answer": "b"}, "answer"),
        ("numeric", {"answer": "x"}, "answer"),
        ("pattern", {"pattern": "("}, "not an RE2 pattern: missing"),
        ("schema", {"json_schema": {"type": "objekt"}}, "json_schema.type is no JSON Schema"),
        ("exact", {"answer": "a", "extraction": {}}, "must have one of re2, json_pointer, number and choices"),
        ("exact", {"answer": "a", "extraction": {"number": True, "choices": 4}}, "must have one of"),
        ("exact", {"answer": "a", "extraction": {"number": False}}, "number"),
        ("exact", {"answer": "a", "extraction": {"choices": 27}}, "choices"),
        ("schema", {"json_schema": {"pattern": "(?=a)"}}, "json_schema.pattern: not an RE2 pattern"),
        ("schema", {"json_schema": {"allOf": [{"pattern": "(a)\\1"}]}}, "json_schema.allOf[0].pattern: not an RE2"),
        ("schema", {"json_schema": {"patternProperties": {"(?=a)": {}}}}, "patternProperties: not an RE2 pattern"),
        (
            "schema",
            {"json_schema": {"patternProperties": {"a": {}}, "unevaluatedProperties": False}},
            "use additionalProperties",
        ),
        ("exact", {"answer": "a", "reference": "b"}, "reference"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused(task: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SCORERS[task].model_validate(values)
    assert said in str(raised.value)


@given(st.text(max_size=200))
@example("0\x1f\u00bc")
def test_any_text_has_a_score_of_0_or_1(text: str) -> None:
    scorers = (
        Exact(answer="a"),
        Choice(answer="A"),
        Numeric(answer=Decimal(1), relative_tolerance=Decimal("0.1")),
        Matching(pattern="a"),
        Schema(json_schema=PERSON),
    )
    assert {scorer.score(text) for scorer in scorers} <= {0.0, 1.0}
