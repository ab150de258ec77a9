"""Cumulative streams: each event has the whole text so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.providers.cumulative import CumulativeText


def given_out(events: Sequence[str]) -> str:
    growing = CumulativeText()
    return "".join([growing.feed(event) for event in events]) + growing.end()


ORDINARY = [
    ["Paris"],
    ["The", " capital"],
    ["1", "10", "11"],
    ["ha", "haha", "ha"],
    ["\n", "\n\n", "\n\n\n"],
    ["=", "==", "====", "========"],
    [" the", " then", " they"],
    ["a", "", "ab", "", "b"],
    ["a", "ab"],
    ["x", "x", "x"],
]
GROWING = [
    ["The", "The capital", "The capital of France"],
    ["The", "", "The capital", "The capital of France", "The capital of France"],
    ["法国", "法国的首都", "法国的首都是巴黎。"],
    ["The capital is", "The capital is Paris."],
    ["T", "Th", "The", "The "],
]


@pytest.mark.parametrize("events", ORDINARY, ids=repr)
def test_ordinary_streams_are_as_they_are(events: list[str]) -> None:
    assert given_out(events) == "".join(events)


@pytest.mark.parametrize("events", GROWING, ids=repr)
def test_a_text_that_grows_is_given_once(events: list[str]) -> None:
    assert given_out(events) == max(events, key=len)


@given(st.lists(st.text(min_size=1), min_size=3, max_size=9).filter(lambda parts: len(set(parts[0] + parts[1])) > 2))
def test_growing_texts_are_given_once(parts: list[str]) -> None:
    assert given_out(list(accumulate(parts))) == "".join(parts)
    assert given_out([*accumulate(parts), parts[0]]) == "".join(parts)
