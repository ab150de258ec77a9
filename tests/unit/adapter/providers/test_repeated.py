"""Events that repeat an earlier one but for their text are read as they would be read whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.providers.repeated import RepeatedEvents

TEXTS = st.text(st.one_of(st.characters(), st.sampled_from('"\\{}:, content'))) | st.just("\ud83d")


def event(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}]}


@given(first=TEXTS, then=TEXTS, ascii_only=st.booleans(), spaced=st.booleans())
def test_the_text_is_the_one_that_the_whole_event_has(first: str, then: str, ascii_only: bool, spaced: bool) -> None:
    repeated = RepeatedEvents("content")
    written = [
        json.dumps(event(text), ensure_ascii=ascii_only, separators=(", ", ": ") if spaced else (",", ":"))
        for text in (first, then)
    ]
    assert repeated.text(written[0]) is None
    repeated.learn(written[0], first)
    assert [repeated.text(data) for data in written] == [first, then]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(event("b", finish_reason="stop")),
        json.dumps(event("b") | {"usage": {}}),
        json.dumps(event("b")).replace('"a"', '"b"'),
        json.dumps(event("b")).replace('"b"', '"b'),
        json.dumps(event("b")).replace('"b"', '"\n"'),
        json.dumps(event("b")).replace('"b"', '["b"]'),
        json.dumps(event("b")).replace('"b"', '"b", "more": "c"'),
        json.dumps(event("b"))[:-1],
        json.dumps(event("b")) + "]",
        "",
    ],
)
def test_an_event_that_differs_in_more_is_not_read(data: str) -> None:
    repeated = RepeatedEvents("content")
    repeated.learn(json.dumps(event("a")), "a")
    assert repeated.text(json.dumps(event("b"))) == "b"
    assert repeated.text(data) is None


@pytest.mark.parametrize(
    "first",
    [
        # The same words elsewhere: in another object, before the text and behind it, in a name, as a text.
        {"logprobs": {"content": "a"}, **event("a")},
        event("a", logprobs={"content": "a"}),
        {'x"content': "a", **event("a")},
        {"content": "a", **event("a")},
        {"content": 1, "choices": []},
        {"choices": [{"delta": {"text": "a"}}]},
    ],
)
def test_an_event_with_two_such_places_is_not_learnt(first: dict[str, Any]) -> None:
    repeated = RepeatedEvents("content")
    data = json.dumps(first)
    repeated.learn(data, "a")
    assert repeated.text(data) is None
