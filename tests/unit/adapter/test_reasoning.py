"""Hidden reasoning is split from visible text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.adapter.text.reasoning import ThinkSplitter
from lightrouter.pool.choices import Thinking

FRAGMENTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</", "<", "a", " b", "\n", "é😀", "think"]), max_size=12
).map("".join)


def split(
    written: str, cuts: list[int] | None = None, thinking: Thinking = Thinking.AUTO, *, cut: bool = False
) -> tuple[str, str, ThinkSplitter]:
    splitter = ThinkSplitter(thinking)
    places = sorted({0, len(written), *(place for place in cuts or [] if place < len(written))})
    pieces = [splitter.feed(written[begin:end]) for begin, end in itertools.pairwise(places)]
    pieces.append(splitter.end(cut=cut))
    return "".join(piece.text for piece in pieces), "".join(piece.reasoning for piece in pieces), splitter


@pytest.mark.parametrize(
    ("written", "text", "reasoning"),
    [
        ("Hello", "Hello", ""),
        ("  Hello ", "  Hello ", ""),
        ("<think>hm</think>Hello", "Hello", "hm"),
        ("\n<think>\nhm\n</think>\n\nHello", "Hello", "\nhm\n"),
        ("<think>a</think>\n<think>b</think> c", "c", "ab"),
        ("<think>never ends", "", "never ends"),
        ("<think>never ends</thin", "", "never ends</thin"),
        ("<think></think>", "", ""),
        ("The tag <think> is text</think>", "The tag <think> is text</think>", ""),
        ("<thinking>", "<thinking>", ""),
        ("<thi", "<thi", ""),
        ("<think>a</think>b <think>c</think>", "b <think>c</think>", "a"),
    ],
)
def test_auto(written: str, text: str, reasoning: str) -> None:
    assert split(written)[:2] == (text, reasoning)
    assert split(written, list(range(len(written))))[:2] == (text, reasoning)


@pytest.mark.parametrize(
    "tags", [("<thought>", "</thought>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"), ("<|begin|>", "<|end|>")]
)
def test_other_tags(tags: tuple[str, str]) -> None:
    written = f"\n{tags[0]}hm{tags[1]}\nHello <think>"
    for size in (1, 3, 100):
        splitter = ThinkSplitter(Thinking.AUTO, tags=tags)
        pieces = [splitter.feed(written[at : at + size]) for at in range(0, len(written), size)]
        pieces.append(splitter.end(cut=False))
        assert "".join(piece.text for piece in pieces) == "Hello <think>"
        assert "".join(piece.reasoning for piece in pieces) == "hm"
    opened = ThinkSplitter(Thinking.OPEN, tags=tags)
    assert opened.head.startswith(tags[0])
    assert opened.feed(f"hm{tags[1]}x") == TextDelta("x", "hm")


@pytest.mark.parametrize("begin", ["", "<think>a</think>", "<think>a</think> \n"])
def test_white_space_without_end_is_kept_in_pieces(begin: str) -> None:
    """A search of the whole text at each delta would take minutes for 100,000 deltas."""
    splitter = ThinkSplitter(Thinking.AUTO)
    splitter.feed(begin)
    for _ in range(100_000):
        assert splitter.feed("\n") == TextDelta("", "")
    assert splitter.feed("Hello") == TextDelta("Hello" if begin else "\n" * 100_000 + "Hello", "")


def test_open_begins_inside() -> None:
    assert split("hm</think>Hello", thinking=Thinking.OPEN)[:2] == ("Hello", "hm")


def test_off_leaves_tags_alone() -> None:
    assert split("<think>a</think>b", thinking=Thinking.OFF)[:2] == ("<think>a</think>b", "")


@given(FRAGMENTS, st.lists(st.integers(0, 60)), st.sampled_from(Thinking))
def test_pieces_do_not_matter(written: str, cuts: list[int], thinking: Thinking) -> None:
    assert split(written, cuts, thinking)[:2] == split(written, None, thinking)[:2]


@given(FRAGMENTS, FRAGMENTS, st.sampled_from(Thinking))
def test_a_cut_output_goes_on_as_if_it_had_not_been_cut(first: str, rest: str, thinking: Thinking) -> None:
    """A limit cuts the model after `first`; it goes on from the kept part and writes the rest."""
    whole_text, whole_reasoning, _ = split(first + rest, thinking=thinking)
    text, reasoning, splitter = split(first, thinking=thinking, cut=True)
    given_back = splitter.head + text
    opening = "<think>\n" if thinking is Thinking.OPEN else ""
    assert (opening + first + rest).startswith(given_back)
    remainder = (opening + first + rest)[len(given_back) :]
    again = ThinkSplitter(thinking, splitter.head, inside=splitter.inside, visible=bool(text))
    pieces = [again.feed(remainder), again.end(cut=False)]
    assert text + "".join(piece.text for piece in pieces) == whole_text
    assert reasoning + "".join(piece.reasoning for piece in pieces) == whole_reasoning
