"""JSON of a provider: it is read as Python reads it, and slow documents are refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.adapter.providers.documents import is_json, load

MIB = 1024 * 1024
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(JSON)
def test_reads_what_is_json(document: object) -> None:
    assert load(json.dumps(document)) == document


@given(st.text('[]{}",\\ab:1 '))
def test_reads_nothing_else(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        assert not is_json(text)
    else:
        assert load(text) == expected


@pytest.mark.parametrize("text", ["a b ", "é", "\n", '"', "\\", '\\"', "[{,", '{"a": [1, 2]},', "漢"], ids=repr)
def test_a_long_text_is_read_whatever_is_in_it(text: str) -> None:
    whole = text * (MIB // 8 // len(text))
    for ascii_only in (False, True):
        document = json.dumps({"choices": [{"message": {"content": whole}}]}, ensure_ascii=ascii_only)
        assert load(document) == json.loads(document)


@pytest.mark.parametrize(
    "part",
    ["[],", "{},", "0,", "1.5e7,", '"",', "[" * 400 + "]" * 400 + ",", '{"a":' * 400 + "0" + "}" * 400 + ",", '"[",'],
    ids=lambda part: part[:8],
)
def test_a_document_of_too_many_parts_is_not_read(part: str) -> None:
    text = "[" + part * (MIB // 8 // len(part)) + "0]"
    json.loads(text)
    assert not is_json(text)


@pytest.mark.parametrize("text", ["[" * MIB, "[" * 4000 + "]" * 4000, '{"a":' * MIB, "[" + "9" * 5000 + "]"], ids=len)
def test_deep_documents_and_huge_numbers_are_not_read(text: str) -> None:
    assert not is_json(text)
