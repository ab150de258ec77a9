"""The ends of streams by Anthropic's and Gemini's APIs: whole, cut, withheld, unknown or failed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lightrouter.v1.chat_pb2 import FinishReason
from tests.rpc.adapter_support import FILTER, LENGTH, STOP, UNKNOWN, answered, failed
from tests.upstreams import behaviours
from tests.upstreams.dialects import event

DONE = b"data: [DONE]\n\n"


def named(kind: str, **members: object) -> bytes:
    return event({"type": kind, **members}, kind)


def block(index: int, kind: str) -> bytes:
    return named("content_block_start", index=index, content_block={"type": kind})


def ended(reason: object, **members: object) -> bytes:
    return named("message_delta", delta={"stop_reason": reason, **members}, usage={"output_tokens": 2})


def started(reason: str | None = None) -> bytes:
    return named("message_start", message={"content": [], "stop_reason": reason, "usage": {"input_tokens": 9}})


HELLO = named("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"})
TEXT = started() + block(0, "text") + HELLO + named("content_block_stop", index=0)
LAST = named("message_stop")
ANTHROPIC = {
    # Whole.
    "usual": (TEXT + ended("end_turn") + LAST, STOP),
    "other case": (TEXT + ended("END_TURN") + LAST, STOP),
    "of OpenAI": (TEXT + ended("stop") + LAST + DONE, STOP),
    "no last event": (TEXT + ended("end_turn"), STOP),
    "no start": (HELLO + ended("end_turn") + LAST, STOP),
    "no kinds": (TEXT.replace(b"event: ", b": ") + ended("end_turn") + LAST, STOP),
    "called the provider's tool": (TEXT + block(1, "server_tool_use") + ended("end_turn") + LAST, STOP),
    "its tool's result": (TEXT + block(1, "web_search_tool_result") + ended("end_turn") + LAST, STOP),
    # Cut or withheld.
    "length": (TEXT + ended("max_tokens") + LAST, LENGTH),
    "length, then nothing": (TEXT + ended("max_tokens") + ended(None) + LAST, LENGTH),
    "end, then length": (TEXT + ended("end_turn") + ended("max_tokens") + LAST, LENGTH),
    "refusal": (TEXT + ended("refusal") + LAST, FILTER),
    "refusal in details": (TEXT + ended("end_turn", stop_details={"type": "refusal"}) + LAST, FILTER),
    # Unknown.
    "no reason": (TEXT + ended(None) + LAST, UNKNOWN),
    "empty reason": (TEXT + ended("") + LAST, UNKNOWN),
    "a number": (TEXT + ended(3) + LAST, UNKNOWN),
    "a new reason": (TEXT + ended("bored") + LAST, UNKNOWN),
    "pause": (TEXT + ended("pause_turn") + LAST, UNKNOWN),
    "reason at the start": (started("end_turn") + HELLO + LAST, UNKNOWN),
    "end mark alone": (TEXT + DONE, UNKNOWN),
    "a picture": (TEXT + block(1, "image") + ended("end_turn") + LAST, UNKNOWN),
    "more text": (TEXT + ended("end_turn") + HELLO.replace(b"Hello", b"") + LAST, STOP),
}
ANTHROPIC_FAILS = {
    "no end": TEXT,
    "error event": TEXT + named("error", error={"type": "overloaded_error", "message": "no"}),
    "error without a kind": TEXT + event({"error": {"message": "no"}}) + ended("end_turn") + LAST,
    "error of vLLM": TEXT + event({"object": "error", "message": "no", "code": 500}) + ended("end_turn") + LAST,
    "error of FastAPI": TEXT + event({"detail": "no"}) + ended("end_turn") + LAST,
    "error behind the reason": TEXT + ended("end_turn") + named("error", error={"type": "api_error"}),
    "failed": TEXT + ended("error") + LAST,
}


def chunk(parts: object = None, reason: object = None, **members: Any) -> bytes:
    candidate = {"content": {"parts": parts}, "finishReason": reason, **members}
    return event({"candidates": [candidate]})


HI = chunk([{"text": "Hello"}])
GEMINI = {
    "usual": (HI + chunk([], "STOP"), STOP),
    "other case": (HI + chunk(None, "stop"), STOP),
    "end mark": (HI + chunk([], "STOP") + DONE, STOP),
    "no candidates": (HI + event({"candidates": []}) + event({"candidates": None}) + chunk([], "STOP"), STOP),
    "ran code": (HI + chunk([{"executableCode": {"code": "1"}}], "STOP"), STOP),
    "length": (HI + chunk([], "MAX_TOKENS"), LENGTH),
    "filter": (HI + chunk([], "RECITATION"), FILTER),
    "end, then filter": (HI + chunk([], "STOP") + chunk([], "SAFETY"), FILTER),
    "blocked by a rating": (HI + chunk([], "STOP", safetyRatings=[{"category": "x", "blocked": True}]), FILTER),
    "blocked by feedback": (HI + event({"promptFeedback": {"blockReason": "SAFETY"}}) + chunk([], "STOP"), FILTER),
    "other": (HI + chunk([], "OTHER"), UNKNOWN),
    "a number": (HI + chunk([], 1), UNKNOWN),
    "end mark alone": (HI + DONE, UNKNOWN),
    "a picture": (HI + chunk([{"inlineData": {"mimeType": "image/png"}}], "STOP"), UNKNOWN),
    "a part of a new kind": (HI + chunk([{"hologram": {}}], "STOP"), UNKNOWN),
    "the first of two": (
        event(
            {
                "candidates": [
                    {"index": 1, "content": {"parts": [{"text": "X"}]}, "finishReason": "STOP"},
                    {"index": 0, "content": {"parts": [{"text": "Hello"}]}, "finishReason": "MAX_TOKENS"},
                ]
            }
        ),
        LENGTH,
    ),
}
GEMINI_FAILS = {
    "no end": HI,
    "unspecified": HI + chunk([], "FINISH_REASON_UNSPECIFIED"),
    "error": HI + event({"error": {"code": 503, "message": "no"}}) + chunk([], "STOP"),
    "error in a list": HI + event([{"error": {"code": 503, "message": "no"}}]) + chunk([], "STOP"),
    "error without a member": HI + event({"status": "error", "message": "no"}) + chunk([], "STOP"),
    "parts that are none": HI + chunk("Hello", "STOP"),
    "failed": HI + chunk([], "MALFORMED_RESPONSE"),
}
ENDS = {
    f"{provider}, {name}": (provider, *row)
    for provider, rows in (("anthropic", ANTHROPIC), ("gemini", GEMINI))
    for name, row in rows.items()
}
FAILS = {
    f"{provider}, {name}": (provider, body)
    for provider, rows in (("anthropic", ANTHROPIC_FAILS), ("gemini", GEMINI_FAILS))
    for name, body in rows.items()
}


@pytest.mark.parametrize(("provider", "body", "finish"), ENDS.values(), ids=ENDS)
async def test_ends_of_streams(provider: str, body: bytes, finish: FinishReason.ValueType) -> None:
    behaviour = behaviours.raw(body, "text/event-stream")
    response = await answered(behaviour, provider=provider, always_stream=True)
    assert (response.text, response.result.finish_reason) == ("Hello", finish)


@pytest.mark.parametrize(("provider", "body"), FAILS.values(), ids=FAILS)
async def test_streams_that_fail(provider: str, body: bytes) -> None:
    behaviour = behaviours.raw(body, "text/event-stream")
    assert "provider" in (await failed(behaviour, provider=provider, always_stream=True)).message


@pytest.mark.parametrize(
    ("provider", "document"),
    [
        ("anthropic", {"content": [{"type": "text", "text": "Hello"}, {"type": "image"}], "stop_reason": "end_turn"}),
        ("anthropic", {"content": [{"type": "text", "text": "Hello"}], "stop_reason": None}),
        (
            "gemini",
            {"candidates": [{"content": {"parts": [{"text": "Hello"}, {"fileData": {}}]}, "finishReason": "STOP"}]},
        ),
    ],
)
async def test_whole_replies_of_which_more_is_missing(provider: str, document: object) -> None:
    response = await answered(behaviours.raw(json.dumps(document).encode()), provider=provider)
    assert (response.text, response.result.finish_reason) == ("Hello", UNKNOWN)
