import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.recording.tokens import count, cut

TEXT = st.text() | st.lists(
    st.sampled_from(["word ", "immeasurably", " 12345", "\n\n", "**", " \t", "日本", "é", "\x00"])
).map("".join)


@given(TEXT, st.integers(0, 40))
def test_a_cut_text_and_its_rest_are_the_whole_text_and_have_its_tokens(text: str, tokens: int) -> None:
    first = cut(text, tokens)
    assert text.startswith(first)
    assert count(first) == min(tokens, count(text))
    assert count(first) + count(text[len(first) :]) == count(text)


@given(TEXT)
def test_no_character_is_outside_a_token(text: str) -> None:
    assert cut(text, count(text)) == text
    assert count(text) <= len(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("The capital of France is Paris.", 7),
        ("internationalization", 3),
        ("1234567", 3),
        ("x = a[0] + 2", 8),
        ("one\n\n  two", 3),
        ("日本語", 2),
    ],
)
def test_tokens_are_about_those_of_a_byte_pair_encoding(text: str, tokens: int) -> None:
    assert count(text) == tokens


def test_a_long_text_is_cut_where_it_is_asked_to() -> None:
    text = "ab, " * 100_000
    assert count(cut(text, 150_000)) == 150_000
