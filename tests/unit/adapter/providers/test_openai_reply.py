"""Replies of the OpenAI API and its dialects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.coalesce import Piece
from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.providers.base import Said
from lightrouter.adapter.providers.openai_reply import ReportedError, parse, read
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.upstreams.behaviours import completion, delta


def read_message(document: dict[str, Any], part: str = "message") -> tuple[Piece, Said]:
    said = Said()
    return read(document, part, said), said


def test_a_whole_reply() -> None:
    piece, said = read_message(completion("Hello", "length", {"prompt_tokens": 1}))
    assert piece == ("Hello", "")
    assert said.finish_reason == FinishReason.FINISH_REASON_LENGTH
    assert said.usage == {"prompt_tokens": 1}
    assert said.model == "model-as-the-provider-names-it"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", FinishReason.FINISH_REASON_STOP),
        ("eos_token", FinishReason.FINISH_REASON_STOP),
        ("tool_calls", FinishReason.FINISH_REASON_STOP),
        ("length", FinishReason.FINISH_REASON_LENGTH),
        ("MAX_TOKENS", FinishReason.FINISH_REASON_LENGTH),
        ("content_filter", FinishReason.FINISH_REASON_CONTENT_FILTER),
        ("", FinishReason.FINISH_REASON_UNSPECIFIED),
        (None, FinishReason.FINISH_REASON_UNSPECIFIED),
    ],
)
def test_finish_reasons(said: str | None, meant: FinishReason.ValueType) -> None:
    assert read_message(completion("x", said))[1].finish_reason == meant


@pytest.mark.parametrize(
    ("message", "piece", "takes_back"),
    [
        ({"reasoning_content": "hm"}, ("x", "hm"), True),
        ({"reasoning": "hm"}, ("x", "hm"), False),
        ({"reasoning_content": None, "reasoning": "hm"}, ("x", "hm"), False),
        ({"content": None, "refusal": "I will not"}, ("I will not", ""), False),
        ({"content": None}, ("", ""), False),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
                    {"type": "text", "text": "x"},
                    {"type": "image"},
                ]
            },
            ("x", "hm"),
            False,
        ),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, ("", "hm"), False),
    ],
)
def test_dialects_of_reasoning(message: dict[str, object], piece: tuple[str, str], takes_back: bool) -> None:
    read_piece, said = read_message(completion("x", message=message))
    assert read_piece == piece
    assert said.takes_reasoning_back == takes_back


def test_completions_have_text() -> None:
    assert read_message({"choices": [{"text": "x", "finish_reason": "stop"}]})[0] == ("x", "")


@pytest.mark.parametrize(
    "event",
    [{"choices": []}, {"choices": None}, {"usage": {}}, {"choices": [{"delta": None}]}, delta(), delta(finish="stop")],
)
def test_events_without_text(event: dict[str, Any]) -> None:
    assert read_message(event, "delta")[0] == ("", "")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"choices": []},
        {"choices": {}},
        {"choices": ["x"]},
        {"choices": [{}]},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"content": 7}}]},
        {"choices": [{"message": {"content": ["x"]}}]},
    ],
)
def test_what_the_api_does_not_allow(document: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_message(document)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "[" * 100_000, "9" * 5000, "<html>"])
def test_what_is_no_json_object(text: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse(text)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED


@pytest.mark.parametrize(
    ("document", "status", "detail"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, 429, "slow down"),
        ({"error": {"code": "server_error", "message": "oops"}}, None, "oops"),
        ({"error": "oops"}, None, "oops"),
        ({"error": {"code": 12}, "message": "oops"}, None, "oops"),
        ({"error": {}, "detail": 1, "choices": [{"finish_reason": "error"}]}, None, ""),
    ],
)
def test_errors_in_replies(document: dict[str, Any], status: int | None, detail: str) -> None:
    with pytest.raises(ReportedError) as caught:
        read_message(document)
    assert (caught.value.status, caught.value.detail) == (status, detail)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "delta", "content", "error", "usage", "model", "text", "finish_reason"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(st.sampled_from(["choices", "error", "usage", "model"]), JSON),
    st.sampled_from(["message", "delta"]),
)
def test_any_json_is_read_or_refused(document: dict[str, Any], part: str) -> None:
    try:
        piece, said = read_message(document, part)
    except (ReportedError, UpstreamError):
        return
    assert isinstance(piece.text, str)
    said.model.encode()
