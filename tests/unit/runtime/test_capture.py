"""Captured text: whole if it fits, shortened if it does not, and none by default."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import INVALID_SPAN

from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP, ROLE_SYSTEM, ROLE_USER, ChatMessage

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


def test_nothing_is_captured_unless_it_is_wanted() -> None:
    assert not captured(NOTHING, [ChatMessage(role=ROLE_USER, content="Why?")], "", "So.").attributes
    # A span that is not recorded costs no JSON.
    TextCapture(10).asked(INVALID_SPAN, [])


@given(
    contents=st.lists(st.text(max_size=50), min_size=1, max_size=5),
    lead=st.text(max_size=20),
    answer=st.text(max_size=50),
    most=st.integers(1, 60),
)
def test_no_more_than_the_limit_is_captured(contents: list[str], lead: str, answer: str, most: int) -> None:
    messages = [ChatMessage(role=ROLE_USER, content=content) for content in contents]
    span = captured(TextCapture(most), messages, lead, answer)
    asked = [text.removeprefix("…") for text in texts(span, names.GEN_AI_INPUT_MESSAGES)]
    assert sum(map(len, asked)) <= most + len(asked)
    assert "".join([*contents, lead]).endswith("".join(asked)) or any("…" in each for each in [*contents, lead])
    (said,) = texts(span, names.GEN_AI_OUTPUT_MESSAGES)
    assert said == answer or (said == answer[:most] + "…" and len(answer) > most)
