"""Texts are normalized in linear time."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.runtime.text import normalized

MANY = 50_000


@given(st.sampled_from(["NFC", "NFKC"]), st.text(max_size=30))
def test_a_text_is_normalized_as_unicode_says(form: Literal["NFC", "NFKC"], text: str) -> None:
    assert normalized(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize(
    "text",
    [
        "\u0928\u0939\u0940\u0902 \u0939\u093f\u0928\u094d\u0926\u0940" * 9,
        "\u0e44\u0e17\u0e22\u0e19\u0e35\u0e48" * 99,
        "\u1100\u1161\u11a8" * 99,
        "e" + "\u0301" * 30,
        ("e" + "\u0301\u0323\u0316" * 10) * 99,
        "\uff76\uff9e" * 99,
        "\U0001f469\u200d\U0001f469" * 99,
    ],
)
def test_texts_of_real_scripts_keep_all_marks(text: str) -> None:
    assert normalized("NFKC", text) == unicodedata.normalize("NFKC", text)


# Each would take seconds to minutes: the time is quadratic.
@pytest.mark.parametrize(
    "marks",
    [
        "\u0301\u0316",
        "\u0315\u0300\u05ae",
        "\uff9e\u0301",
        "\u0301\u3099",
        "\u0344\u0316",
        "\U0001d165\u0301",
        "\u0f73\u0f71",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_marks_beyond_30_in_a_row_are_left_out(marks: str, form: Literal["NFC", "NFKC"]) -> None:
    found = normalized(form, f"a{marks * MANY}b")
    # Compared by size first: a failure would show both.
    assert len(found) < 99
    assert found == unicodedata.normalize(form, f"a{(marks * MANY)[:30]}b")
