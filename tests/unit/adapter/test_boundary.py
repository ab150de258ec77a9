"""The boundary between a text and its continuation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.boundary import SurrogateJoiner, TailBuffer, is_blank, stable_length

TEXT = st.text(st.sampled_from("ab \n\ufffdé😀E") | st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("text", "stops", "kept"),
    [
        ("Hello", (), "Hello"),
        ("Hello \n", (), "Hello"),
        ("Hello \ufffd", (), "Hello"),
        ("Hello\ufffd \ufffd\n", (), "Hello"),
        ("\ufffd in the midst", (), "\ufffd in the midst"),
        (" \n", (), ""),
        ("Hello EN", ("END",), "Hello"),
        ("Hello E", ("END", "O E"), "Hello"),
        ("one \n", ("e \n two",), "on"),
        ("one \n", ("e two",), "on"),
        ("hahaha", ("ha!",), "haha"),
    ],
)
def test_settled(text: str, stops: tuple[str, ...], kept: str) -> None:
    assert text[: stable_length(text, stops)] == kept


@given(st.lists(TEXT), st.lists(st.text("abE \n", min_size=1, max_size=3), max_size=3), st.booleans())
def test_held_back_is_given_out_or_dropped_at_the_end_only(pieces: list[str], stops: list[str], cut: bool) -> None:
    hold_back = TailBuffer(stops)
    out = "".join(hold_back.feed(piece) for piece in pieces)
    whole = "".join(pieces)
    assert whole.startswith(out)
    end = hold_back.end(cut=cut)
    assert out + end == (out if cut else whole)


@given(TEXT, st.lists(st.integers(0, 60)))
def test_characters_cut_into_surrogates_are_joined(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le")
    places = sorted({0, len(units), *(2 * cut for cut in cuts if 2 * cut < len(units))})
    joiner = SurrogateJoiner()
    out = ""
    for begin, end in itertools.pairwise(places):
        out += joiner.feed(units[begin:end].decode("utf-16-le", "surrogatepass"))
    assert out + joiner.end(cut=False) == text


def joined(pieces: list[str]) -> str:
    joiner = SurrogateJoiner()
    return "".join(joiner.feed(piece) for piece in pieces) + joiner.end(cut=False)


HIGH, LOW = chr(0xD83D), chr(0xDE00)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([LOW], "\ufffd"),
        ([HIGH, "a"], "\ufffda"),
        ([f"a{HIGH}b"], "a\ufffdb"),
        ([HIGH], "\ufffd"),
        ([LOW, HIGH], "\ufffd\ufffd"),
        ([HIGH, HIGH, LOW], "\ufffd😀"),
        ([f"{HIGH}{LOW}{LOW}😀"], "😀\ufffd😀"),
    ],
)
def test_half_a_character_costs_one_character(pieces: list[str], text: str) -> None:
    assert joined(pieces) == text


def test_half_a_character_where_the_output_was_cut_is_left_out() -> None:
    joiner = SurrogateJoiner()
    assert joiner.feed(f"a{HIGH}") == "a"
    assert joiner.end(cut=True) == ""


def test_blank_is_what_python_takes_for_white_space_and_the_replacement() -> None:
    for number in range(0x110000):
        character = chr(number)
        assert is_blank(character) == (character.isspace() or character == "\ufffd")


def test_white_space_without_end_is_kept_in_pieces() -> None:
    """A search of the whole text at each delta would take minutes for 100,000 deltas."""
    hold_back = TailBuffer(["\n\nEND"])
    assert hold_back.feed("a") == "a"
    for _ in range(100_000):
        assert hold_back.feed("\n ") == ""
    assert hold_back.feed("b") == "\n " * 100_000 + "b"
