"""Replies of the OpenAI API and its dialects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.providers.openai_reply import read, read_plain
from lightrouter.adapter.providers.reply import ReportedError, parse
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.upstreams.behaviours import completion, delta


def read_message(document: dict[str, Any], part: str = "message") -> tuple[TextDelta, ReplyInfo]:
    info = ReplyInfo()
    return read(document, part, info), info


def test_a_whole_reply() -> None:
    piece, info = read_message(completion("Hello", "length", {"prompt_tokens": 1}))
    assert piece[:2] == ("Hello", "")
    assert info.finish_reason == FinishReason.FINISH_REASON_LENGTH
    assert info.usage == {"prompt_tokens": 1}
    assert info.model == "model-as-the-provider-names-it"


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
        ({"content": [{"type": "reasoning", "text": "hm"}, {"text": "x"}]}, ("x", "hm"), False),
        ({"content": [{"type": "refusal", "refusal": "I will not"}]}, ("I will not", ""), False),
        ({"content": [{"type": [], "text": "x"}, {"type": {}}]}, ("", ""), False),
        ({"thinking": "hm"}, ("x", "hm"), False),
        ({"reasoning_text": "hm"}, ("x", "hm"), False),
        ({"reasoning_details": [{"text": "h"}, {"summary": "m"}, {"data": "eA=="}, 1]}, ("x", "hm"), False),
        ({"reasoning": "hm", "reasoning_details": [{"text": "hm"}]}, ("x", "hm"), False),
    ],
)
def test_dialects_of_reasoning(message: dict[str, object], piece: tuple[str, str], takes_back: bool) -> None:
    read_piece, info = read_message(completion("x", message=message))
    assert read_piece[:2] == piece
    assert (info.reasoning_member == "reasoning_content") == takes_back


def test_completions_have_text() -> None:
    assert read_message({"choices": [{"text": "x", "finish_reason": "stop"}]})[0][:2] == ("x", "")


@pytest.mark.parametrize(
    "event",
    [{"choices": []}, {"choices": None}, {"usage": {}}, {"choices": [{"delta": None}]}, delta(), delta(finish="stop")],
)
def test_events_without_text(event: dict[str, Any]) -> None:
    assert read_message(event, "delta")[0][:2] == ("", "")


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
        {"choices": [{"message": {"content": [7]}}]},
    ],
)
def test_replies_that_the_api_does_not_allow(document: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_message(document)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "[" * 100_000, "9" * 5000, "<html>"])
def test_replies_that_are_no_json_object(text: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse(text)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED


@pytest.mark.parametrize(
    ("document", "status", "detail"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, 429, "slow down"),
        ({"error": {"code": "server_error", "message": "oops"}}, 500, "oops"),
        ({"error": "oops"}, None, "oops"),
        ({"error": {"code": 12}, "message": "oops"}, None, "oops"),
        ({"error": {}, "detail": 1, "choices": [{"finish_reason": "error"}]}, None, ""),
    ],
)
def test_errors_in_replies(document: dict[str, Any], status: int | None, detail: str) -> None:
    with pytest.raises(ReportedError) as caught:
        read_message(document)
    assert (caught.value.body.status, caught.value.body.words) == (status, detail)


def test_an_ending_that_is_a_failure_is_an_error_in_its_own_words() -> None:
    with pytest.raises(ReportedError) as caught:
        read_message(completion("Half of it", "insufficient_system_resource"))
    assert "insufficient_system_resource" in caught.value.body.words


def events(*documents: dict[str, Any]) -> tuple[str, ReplyInfo]:
    info = ReplyInfo()
    return "".join(read(document, "delta", info).text for document in documents), info


def with_index(document: dict[str, Any], index: object) -> dict[str, Any]:
    document["choices"][0]["index"] = index
    return document


def test_the_first_choice_is_the_one_with_the_lowest_index() -> None:
    whole = completion("second")
    whole["choices"] = [with_index(completion("second"), 1)["choices"][0], completion("first")["choices"][0]]
    assert read_message(whole)[0][:2] == ("first", "")
    text, info = events(with_index(delta("B", "length"), 1), delta("a"), with_index(delta("B"), 1), delta("b", "stop"))
    assert (text, info.finish_reason) == ("ab", FinishReason.FINISH_REASON_STOP)


@pytest.mark.parametrize("index", [None, 0, "0", False])
def test_an_index_that_says_nothing_is_the_first(index: object) -> None:
    assert events(with_index(delta("a"), index))[0] == "a"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ([delta("a", "stop"), delta("b")], FinishReason.FINISH_REASON_UNSPECIFIED),
        ([delta("a", "stop"), delta(""), delta("\n")], FinishReason.FINISH_REASON_STOP),
        ([delta("a", "stop"), delta("b", "stop")], FinishReason.FINISH_REASON_STOP),
        ([delta("a", "stop"), delta("b"), delta(finish="stop")], FinishReason.FINISH_REASON_STOP),
        ([delta("a", "stop"), delta(finish="length")], FinishReason.FINISH_REASON_LENGTH),
        ([delta("a", "length"), delta(finish="stop")], FinishReason.FINISH_REASON_LENGTH),
        ([delta("a", "content_filter"), delta("b"), delta(finish="stop")], FinishReason.FINISH_REASON_CONTENT_FILTER),
        ([delta("a", "tool_calls"), delta(finish="stop")], FinishReason.FINISH_REASON_TOOL_CALLS),
        ([delta("a", ""), delta("b", "null")], FinishReason.FINISH_REASON_UNSPECIFIED),
    ],
)
def test_the_reason_that_leaves_less_holds(given: list[dict[str, Any]], meant: FinishReason.ValueType) -> None:
    assert events(*given)[1].finish_reason == meant


@pytest.mark.parametrize(
    ("members", "at_best"),
    [
        ({}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"native_finish_reason": "STOP"}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"native_finish_reason": "anything"}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"native_finish_reason": "MAX_TOKENS"}, FinishReason.FINISH_REASON_LENGTH),
        ({"native_finish_reason": "SAFETY"}, FinishReason.FINISH_REASON_CONTENT_FILTER),
        ({"content_filter_results": {"hate": {"filtered": True}}}, FinishReason.FINISH_REASON_CONTENT_FILTER),
        ({"content_filter_results": {"hate": {"filtered": False}}}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"content_filter_result": {"hate": {"filtered": True}}}, FinishReason.FINISH_REASON_CONTENT_FILTER),
        ({"native_finish_reason": "network_error"}, FinishReason.FINISH_REASON_UNKNOWN),
        ({"stop_reason": "length"}, FinishReason.FINISH_REASON_LENGTH),
        ({"stop_reason": 128009}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"stop_reason": "END"}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"stop_type": "limit"}, FinishReason.FINISH_REASON_LENGTH),
        ({"finishReason": "MAX_TOKENS"}, FinishReason.FINISH_REASON_LENGTH),
        ({"status": "incomplete"}, FinishReason.FINISH_REASON_UNKNOWN),
    ],
)
def test_signs_against_a_good_end(members: dict[str, object], at_best: FinishReason.ValueType) -> None:
    document = completion("x")
    document["choices"][0] |= members
    assert read_message(document)[1].at_best == at_best
    if not any(name.startswith("content_filter") for name in members):
        # They may stand around the choices, too.
        assert read_message(completion("x") | members)[1].at_best == at_best


@pytest.mark.parametrize(
    ("message", "at_best"),
    [
        ({"content": [{"type": "text", "text": "x"}]}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"content": [{"type": "reference", "reference_ids": [1]}]}, FinishReason.FINISH_REASON_UNSPECIFIED),
        ({"content": [{"type": "image_url", "image_url": {}}]}, FinishReason.FINISH_REASON_UNKNOWN),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, FinishReason.FINISH_REASON_CONTENT_FILTER),
        ({"content": "x", "finish_reason": "length"}, FinishReason.FINISH_REASON_LENGTH),
        ({"content": "x", "finish_reason": "stop"}, FinishReason.FINISH_REASON_UNSPECIFIED),
    ],
)
def test_a_message_may_speak_against_it(message: dict[str, object], at_best: FinishReason.ValueType) -> None:
    assert read_message(completion("x", message=message))[1].at_best == at_best


def test_an_error_in_a_message_is_one() -> None:
    with pytest.raises(ReportedError):
        read_message(completion("x", message={"error": {"message": "no", "code": 500}}))


@pytest.mark.parametrize("message", [{"tool_calls": [{"id": "1"}]}, {"function_call": {"name": "f"}}])
def test_a_tool_call_is_no_whole_text(message: dict[str, object]) -> None:
    _, info = read_message(completion("I look it up.", "stop", message=message))
    assert info.called_tools
    assert info.at_best == FinishReason.FINISH_REASON_UNKNOWN


def test_a_refusal_is_withheld_text() -> None:
    piece, info = read_message(completion(None, "stop", message={"refusal": "I will not"}))
    assert piece.text == "I will not"
    assert info.at_best == FinishReason.FINISH_REASON_CONTENT_FILTER


COUNTS = {"prompt_tokens": 3, "completion_tokens": 2}


@pytest.mark.parametrize(
    "members",
    [
        {"usage": COUNTS},
        {"x_groq": {"id": "r", "usage": COUNTS}},
        {"choices": [{"delta": {}, "usage": COUNTS}]},
        {"usage": None, "x_groq": {"usage": COUNTS}},
        {"choices": [{"delta": {}, "x_groq": {"usage": COUNTS}}]},
        {"usageMetadata": COUNTS},
        {"usage": [COUNTS], "usageMetadata": COUNTS, "x_groq": None},
    ],
)
def test_counts_wherever_they_stand(members: dict[str, Any]) -> None:
    _, info = events({**delta(), **members}, {"choices": [], "usage": None}, {"choices": [], "usage": {}})
    assert info.usage == COUNTS


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
        piece, info = read_message(document, part)
    except (ReportedError, UpstreamError):
        return
    assert isinstance(piece.text, str)
    info.model.encode()


TEXTS: Any = st.sampled_from(["", "a", " ", "word"])
MEMBERS: Any = st.dictionaries(
    st.sampled_from(["id", "model", "usage", "error", "status", "truncated", "x_groq"]),
    st.sampled_from([None, "x", 1, True, {}, {"prompt_tokens": 3}, "incomplete"]),
    max_size=2,
)
DELTAS: Any = st.dictionaries(
    st.sampled_from(["content", "role", "reasoning", "refusal", "tool_calls", "audio", "finish_reason", "error"]),
    st.one_of(TEXTS, st.sampled_from([None, [], ["a"], {}, [{"type": "text", "text": "b"}]])),
    max_size=2,
)
CHOICES: Any = st.builds(
    dict,
    st.fixed_dictionaries({"delta": st.one_of(st.fixed_dictionaries({"content": TEXTS}), DELTAS, st.none())}),
    finish_reason=st.sampled_from([None, None, None, "stop", "", "error"]),
    index=st.sampled_from([0, 0, 0, 1, None]),
)
MORE: Any = st.dictionaries(
    st.sampled_from(["logprobs", "text", "message", "stop_reason", "usage", "content_filter_results"]),
    st.sampled_from([None, {}, "x", {"completion_tokens": 2}, {"hate": {"filtered": True}}]),
    max_size=1,
)


@settings(max_examples=500)
@given(MEMBERS, st.lists(st.builds(lambda choice, more: choice | more, CHOICES, MORE), max_size=2), st.booleans())
def test_a_plain_event_is_read_as_any_other(members: Any, choices: Any, stopped: bool) -> None:
    document = members | {"choices": choices}
    infos = [ReplyInfo(), ReplyInfo()]
    if stopped:
        for info in infos:
            info.finish_reason = FinishReason.FINISH_REASON_STOP
    if (piece := read_plain(document, infos[0])) is None:
        assert infos[0] == ReplyInfo(finish_reason=infos[1].finish_reason)
    else:
        assert (piece, infos[0]) == (read(document, "delta", infos[1]), infos[1])


def test_the_events_of_most_servers_are_plain() -> None:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": None}
    choice = {"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None}
    assert read_plain({**head, "choices": [choice]}, ReplyInfo()) == TextDelta("Hello", "")
