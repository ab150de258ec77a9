from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.untrusted import clipped, label, nonce_for, random_nonce


def test_a_nonce_that_a_text_holds_is_not_used() -> None:
    nonces = iter(["known", "fresh"])
    assert nonce_for(["[END ANSWER A known]"], lambda: next(nonces)) == "fresh"
    assert nonce_for(["text"]) != nonce_for(["text"])
    assert len(random_nonce()) == 16


@given(st.text(), st.integers(min_value=1, max_value=100))
def test_a_clipped_text_keeps_both_ends(text: str, characters: int) -> None:
    result = clipped(text, characters)
    if len(text) <= characters:
        assert result == text
    else:
        assert result.startswith(text[: characters // 2])
        assert result.endswith(text[len(text) - (characters - characters // 2) :])


def test_labels_are_letters_and_differ() -> None:
    assert [label(index) for index in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
