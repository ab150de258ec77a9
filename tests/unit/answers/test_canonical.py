"""Canonical JSON is one text for equal values, and of JSON that was cut off the complete part is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.canonical import NoJsonError, begun_json, canonical_json

# From RFC 8785, appendix B and section 3.2.3.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (333333333.3333332, "333333333.3333332"),
    (1e-27, "1e-27"),
    (4.50, "4.5"),
    (2e-3, "0.002"),
]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_numbers_are_as_the_rfc_says(number: float, text: str) -> None:
    assert canonical_json(number) == text


def test_keys_are_in_the_order_of_utf_16() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical_json(dict.fromkeys(keys)))) == ordered


@given(values)
def test_the_canonical_form_is_the_value_and_stays(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_every_beginning_of_json_is_one(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    for end in range(len(text)):
        begun = begun_json(text[:end])
        assert begun is None or begun.keys() <= value.keys()
        complete = list((begun or {}).items())[:-1]
        assert all(value[key] == each for key, each in complete)
    assert begun_json(text) == value


@pytest.mark.parametrize(
    "text", ["x", '{"a" 1', "{a", '{"a":1,}', "[1,,", '{"a":truex', '{"a":1} x', "01", "nul1", "}"]
)
def test_a_text_that_can_never_be_json_is_recognized(text: str) -> None:
    with pytest.raises(NoJsonError):
        begun_json(text)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(NoJsonError):
        begun_json("[" * 100_000)
    with pytest.raises(ValueError, match="deeply"):
        canonical_json(json.loads("[" * 100 + "]" * 100))
