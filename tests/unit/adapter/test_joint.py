"""The joint between what was written and what follows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.joint import EchoStripper, HoldBack, SurrogateJoiner, settled

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
    assert text[: settled(text, stops)] == kept


@given(st.lists(TEXT), st.lists(st.text("abE \n", min_size=1, max_size=3), max_size=3), st.booleans())
def test_held_back_is_given_out_or_dropped_at_the_end_only(pieces: list[str], stops: list[str], cut: bool) -> None:
    hold_back = HoldBack(stops)
    out = "".join(hold_back.feed(piece) for piece in pieces)
    whole = "".join(pieces)
    assert whole.startswith(out)
    end = hold_back.end(cut=cut)
    assert out + end == (out if cut else whole)


@given(TEXT.filter(bool), TEXT, st.integers(1, 4), st.booleans())
def test_an_echo_is_taken_away_and_nothing_else(echo: str, rest: str, size: int, echoed: bool) -> None:
    stripper = EchoStripper(echo)
    sent = echo + rest if echoed else rest
    out = "".join(stripper.feed(sent[at : at + size]) for at in range(0, len(sent), size)) + stripper.end()
    assert out == sent.removeprefix(echo)


@given(TEXT, st.lists(st.integers(0, 60)))
def test_characters_cut_into_surrogates_are_joined(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le")
    places = sorted({0, len(units), *(2 * cut for cut in cuts if 2 * cut < len(units))})
    joiner = SurrogateJoiner()
    out = ""
    for begin, end in itertools.pairwise(places):
        out += joiner.feed(units[begin:end].decode("utf-16-le", "surrogatepass"))
    joiner.end(cut=False)
    assert out == text


def joined(pieces: list[str]) -> str:
    joiner = SurrogateJoiner()
    text = "".join(joiner.feed(piece) for piece in pieces)
    joiner.end(cut=False)
    return text


HIGH, LOW = chr(0xD83D), chr(0xDE00)


@pytest.mark.parametrize("pieces", [[LOW], [HIGH, "a"], [f"a{HIGH}b"], [HIGH], [LOW, HIGH]])
def test_half_a_character_is_refused(pieces: list[str]) -> None:
    with pytest.raises(UpstreamError, match="half a character"):
        joined(pieces)


def test_half_a_character_where_the_output_was_cut_is_left_out() -> None:
    joiner = SurrogateJoiner()
    assert joiner.feed(f"a{HIGH}") == "a"
    joiner.end(cut=True)
