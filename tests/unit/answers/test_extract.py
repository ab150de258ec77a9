from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import check, extract, named
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.policy_pb2 import AnswerPattern


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        (r"answer is (\w+)", "The answer is 4. No, the answer is 5.", "5"),
        (r"\d+", "1 2 33", "33"),
        (r"answer: (.*)", "answer: \n", None),
        (r"answer: (\d+)?", "answer: 4, answer: ", "4"),
        (r"\\boxed\{([^}]*)\}", r"so \boxed{ 1/2 }", "1/2"),
        (r"(?i)é (.)", "É ü", "ü"),
        (r"x", "", None),
    ],
)
def test_re2(pattern: str, text: str, answer: str | None) -> None:
    assert extract(text, AnswerPattern(re2=pattern)) == answer


@pytest.mark.parametrize(
    ("pointer", "text", "answer"),
    [
        ("/answer", '{"answer": "Paris"}', "Paris"),
        ("/answer", 'It is:\n```json\n{"answer": 1}\n```\nor\n```json\n{"answer": 2}\n```\n', "2"),
        ("/a~1b/m~0n/1", '{"a/b": {"m~n": [1, true]}}', "true"),
        ("", "42", "42"),
        ("", '"x"', "x"),
        ("/a", '{"a": {"z": 1, "b": [1.5]}}', '{"b":[1.5],"z":1}'),
        ("/a", '{"a": null}', None),
        ("/a", '{"b": 1}', None),
        ("/01", "[1, 2]", None),
        ("/-", "[1, 2]", None),
        ("/9", "[1, 2]", None),
        ("/a", "no JSON", None),
        ("/a", "[" * 100_000, None),
        ("/a", '{"a": ' + "9" * 5000 + "}", None),
        ("/a", r'{"a": "\ud800"}', "?"),
    ],
)
def test_json_pointer(pointer: str, text: str, answer: str | None) -> None:
    assert extract(text, AnswerPattern(json_pointer=pointer)) == answer


def test_extraction_without_a_pattern_gives_no_answer() -> None:
    assert extract("4", None) is None
    assert extract("4", AnswerPattern()) is None


@given(st.text(), st.text(max_size=30))
def test_any_text_has_an_answer_or_none(text: str, pointer: str) -> None:
    for pattern in (AnswerPattern(re2=r"(\w*)\W"), AnswerPattern(json_pointer="/" + pointer)):
        answer = extract(text, pattern)
        assert answer is None or answer.strip() == answer != ""


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_the_whole_document_is_found(document: object) -> None:
    answer = extract(json.dumps(document), AnswerPattern(json_pointer=""))
    if not isinstance(document, str) and document is not None:
        assert answer is not None
        assert json.loads(answer) == document


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a", "missing )"),
        ("(?<=a)b", "invalid perl operator"),
        (r"\1", r"\1"),
        (r"\pL{1,1000}", "takes too long"),
        (r"(?i)\pL{1,500}", "takes too long"),
        (r"\p{L}+" * 120, "takes too long"),
        ("[a-z]{1,100}x" * 70, "takes too long"),
        ("((((a?){10}){10}){10}){2}", "invalid repetition size"),
    ],
)
def test_a_pattern_that_re2_refuses_names_its_field(pattern: str, why: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check(AnswerPattern(re2=pattern), "policy.answer_pattern")
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST
    assert [violation.field for violation in caught.value.violations] == ["policy.answer_pattern.re2"]
    assert why in caught.value.message


def test_good_patterns_pass() -> None:
    check(AnswerPattern(re2="a+"))
    check(AnswerPattern(re2="[a-z]{1,100}x" * 9))
    check(AnswerPattern(json_pointer="/a"))
    check(AnswerPattern())


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("4", "4.0"),
        ("(B)", "b."),
        (" New  York ", "new york"),
        ("1,000", "1000"),
        ("$4", "4"),
        ('"x"', "x"),
        ("007", "7"),
    ],
)
def test_canonical_forms_of_equal_answers_are_equal(left: str, right: str) -> None:
    assert canonical(left) == canonical(right)


@pytest.mark.parametrize(
    ("left", "right"), [("4", "-4"), ("1e400", "1e401"), ("a-b", "a/b"), ("1,2", "12"), ("NaN1", "nan2")]
)
def test_canonical_forms_of_different_answers_differ(left: str, right: str) -> None:
    assert canonical(left) != canonical(right)


@given(st.text(min_size=1))
def test_any_answer_has_a_canonical_form(answer: str) -> None:
    assert canonical(answer) == canonical(answer)


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        ("number", AnswerPattern(number=True)),
        ("choices:10", AnswerPattern(choices=10)),
        ("(number)", AnswerPattern(re2="(number)")),
        ("numbers", AnswerPattern(re2="numbers")),
        ("choices", AnswerPattern(re2="choices")),
        ("=(\\d+)", AnswerPattern(re2="=(\\d+)")),
    ],
)
def test_a_word_names_a_kind_of_answer(word: str, pattern: AnswerPattern) -> None:
    assert named(word) == pattern


@pytest.mark.parametrize("word", ["choices:", "choices:1", "choices:27", "choices:+4", "choices: 4", "choices:\u0664"])
def test_choices_need_a_possible_number(word: str) -> None:
    with pytest.raises(ValueError, match="from 2 to 26"):
        named(word)
