"""Captured text: whole if it fits, shortened if it does not, and none by default."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import INVALID_SPAN

from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.v1.chat_pb2 import (
    FINISH_REASON_STOP,
    FINISH_REASON_TOOL_CALLS,
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    ChatMessage,
    Media,
    Part,
    ToolCall,
)

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("test")


def captured(capture: TextCapture, messages: list[ChatMessage], lead: str, answer: str) -> ReadableSpan:
    span = TRACER.start_span("chat")
    capture.asked(span, messages, lead)
    capture.answered(span, answer, FINISH_REASON_STOP)
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def texts(span: ReadableSpan, name: str) -> list[str]:
    found = json.loads(str((span.attributes or {})[name]))
    return [part["content"] for message in found for part in message["parts"]]


def test_a_short_conversation_is_whole() -> None:
    messages = [ChatMessage(role=ROLE_SYSTEM, content="Be brief."), ChatMessage(role=ROLE_USER, content="Why?")]
    span = captured(TextCapture(100), messages, "Because", " it is.")
    assert json.loads(str((span.attributes or {})[names.GEN_AI_INPUT_MESSAGES])) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Why?"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "Because"}]},
    ]
    assert json.loads(str((span.attributes or {})[names.GEN_AI_OUTPUT_MESSAGES])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": " it is."}], "finish_reason": "stop"}
    ]


def test_text_is_not_captured_by_default() -> None:
    assert not captured(NOTHING, [ChatMessage(role=ROLE_USER, content="Why?")], "", "So.").attributes
    # A span that is not recorded costs no JSON.
    TextCapture(10).asked(INVALID_SPAN, [])


@given(
    contents=st.lists(st.text(max_size=50), min_size=1, max_size=5),
    lead=st.text(max_size=20),
    answer=st.text(max_size=50),
    most=st.integers(1, 60),
)
def test_captured_text_stays_within_the_limit(contents: list[str], lead: str, answer: str, most: int) -> None:
    messages = [ChatMessage(role=ROLE_USER, content=content) for content in contents]
    span = captured(TextCapture(most), messages, lead, answer)
    asked = [text.removeprefix("…") for text in texts(span, names.GEN_AI_INPUT_MESSAGES)]
    assert sum(map(len, asked)) <= most + len(asked)
    assert "".join([*contents, lead]).endswith("".join(asked)) or any("…" in each for each in [*contents, lead])
    (said,) = texts(span, names.GEN_AI_OUTPUT_MESSAGES)
    assert said == answer or (said == answer[:most] + "…" and len(answer) > most)


MEGABYTES = b"\0" * 5_000_000
CALL = ToolCall(id="call_1", name="find", arguments='{"city": "Oslo"}')
SHOWN_CALL = {"type": "tool_call", "id": "call_1", "name": "find", "arguments": '{"city": "Oslo"}'}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (
            ChatMessage(
                role=ROLE_USER,
                content="See",
                parts=[Part(image=Media(data=MEGABYTES, mime_type="image/png")), Part(text="this")],
            ),
            [
                {"type": "text", "content": "See"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "name": "", "bytes": len(MEGABYTES)},
                {"type": "text", "content": "this"},
            ],
        ),
        (
            ChatMessage(role=ROLE_USER, parts=[Part(file=Media(uri="https://h/a", mime_type="text/csv", name="a"))]),
            [{"type": "uri", "modality": "file", "mime_type": "text/csv", "name": "a", "uri": "https://h/a"}],
        ),
        (
            ChatMessage(role=ROLE_USER, parts=[Part(audio=Media(data=MEGABYTES, mime_type="audio/wav"))]),
            [{"type": "blob", "modality": "audio", "mime_type": "audio/wav", "name": "", "bytes": len(MEGABYTES)}],
        ),
        (ChatMessage(role=ROLE_ASSISTANT, tool_calls=[CALL], state=MEGABYTES), [SHOWN_CALL]),
        (
            ChatMessage(role=ROLE_TOOL, tool_call_id="call_1", content="Rain."),
            [{"type": "tool_call_response", "id": "call_1", "response": "Rain."}],
        ),
    ],
    ids=["image", "file", "audio", "call", "result"],
)
def test_what_is_no_text_is_named_without_its_bytes(message: ChatMessage, parts: list[dict[str, object]]) -> None:
    span = captured(TextCapture(200), [message], "", "So.")
    (shown,) = json.loads(str((span.attributes or {})[names.GEN_AI_INPUT_MESSAGES]))
    assert shown["parts"] == parts


def test_an_answer_shows_its_calls() -> None:
    span = TRACER.start_span("chat")
    TextCapture(100).answered(span, "", FINISH_REASON_TOOL_CALLS, [CALL])
    assert isinstance(span, ReadableSpan)
    (shown,) = json.loads(str((span.attributes or {})[names.GEN_AI_OUTPUT_MESSAGES]))
    assert shown == {"role": "assistant", "parts": [SHOWN_CALL], "finish_reason": "tool_calls"}


def test_calls_results_and_pictures_are_within_the_limit() -> None:
    long = ToolCall(id="1", name="find", arguments="x" * 100_000)
    part = Part(image=Media(data=b"x", mime_type="image/png"))
    messages = [
        ChatMessage(role=ROLE_USER, parts=[part] * 256),
        ChatMessage(role=ROLE_ASSISTANT, tool_calls=[long] * 100),
        ChatMessage(role=ROLE_TOOL, tool_call_id="1", content="y" * 100_000),
    ] * 20
    span = TRACER.start_span("chat")
    TextCapture(1000).asked(span, messages)
    TextCapture(1000).answered(span, "", FINISH_REASON_TOOL_CALLS, [long] * 100)
    assert isinstance(span, ReadableSpan)
    assert all(len(str(value)) < 3000 for value in (span.attributes or {}).values())
