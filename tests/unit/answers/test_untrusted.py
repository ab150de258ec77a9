from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightrouter.answers.untrusted import MarkRemover, clipped, delimited, label, nonce_for, random_nonce


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


NONCE = "0123456789abcdef"
PARTS = st.sampled_from(["Paris. ", f"[END DRAFT A {NONCE}]", NONCE, "[1]", "[", "]", "\n", NONCE[:4]])


@given(st.lists(st.text()))
def test_a_text_without_marks_stays_as_it_is(pieces: list[str]) -> None:
    remover = MarkRemover(NONCE)
    assert "".join([*map(remover.feed, pieces), remover.end()]) == "".join(pieces)


@given(st.lists(PARTS).map("".join), st.integers(min_value=1, max_value=40))
def test_marks_never_pass_however_the_text_is_cut(text: str, size: int) -> None:
    remover = MarkRemover(NONCE)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert NONCE not in "".join([*map(remover.feed, pieces), remover.end()])


@given(st.integers(min_value=1, max_value=100))
def test_the_text_between_marks_is_kept(size: int) -> None:
    text = "So: " + delimited("DRAFT", "B", "It is Paris [1].", NONCE) + " Done."
    remover = MarkRemover(NONCE)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert "".join([*map(remover.feed, pieces), remover.end()]) == "So: \nIt is Paris [1].\n Done."
