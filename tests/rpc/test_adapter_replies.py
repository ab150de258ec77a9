"""The ends of replies, as callers of an adapter see them: a whole text, a cut one, a failure, or UNKNOWN."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.clock import Clock
from tests.rpc.adapter_support import (
    COUNTS,
    FILTER,
    LENGTH,
    LONG,
    STOP,
    UNKNOWN,
    adapter,
    answered,
    asked,
    failed,
    generation,
    most,
    rounds,
)
from tests.upstreams import behaviours
from tests.upstreams.behaviours import completion, delta
from tests.upstreams.upstream import Exchange, Upstream

DONE = b"data: [DONE]\n\n"


def lines(*events: object) -> bytes:
    """Returns a stream of these events; bytes are sent as they are."""
    return b"".join(
        event if isinstance(event, bytes) else b"data: " + json.dumps(event).encode() + b"\n\n" for event in events
    )


def other(text: str | None, finish: str | None = None) -> dict[str, Any]:
    """Returns an event of the second of several choices."""
    document = delta(text, finish)
    document["choices"][0]["index"] = 1
    return document


A, B = delta("Hello"), delta(" world")
STREAMS = [
    # Whole.
    ("usual", lines(A, B, delta(finish="stop"), DONE), "Hello world", STOP),
    ("no end mark", lines(A, B, delta(finish="stop")), "Hello world", STOP),
    ("reason with the last text", lines(A, delta(" world", "stop"), DONE), "Hello world", STOP),
    ("reason with each text", lines(delta("Hello", "stop"), delta(" world", "stop"), DONE), "Hello world", STOP),
    ("text after a reason, and another", lines(delta("Hello", "stop"), B, delta(finish="stop")), "Hello world", STOP),
    ("other case", lines(A, B, delta(finish="STOP"), DONE), "Hello world", STOP),
    ("null in words", lines(delta("Hello", "null"), B, delta(finish="stop")), "Hello world", STOP),
    ("empty data", lines(b"data:\n\n", A, b"data: \n\ndata\n\n", B, delta(finish="stop")), "Hello world", STOP),
    *(
        (f"{nothing} as data", lines(A, f"data: {nothing}\n\n".encode(), B, delta(finish="stop")), "Hello world", STOP)
        for nothing in ("null", "{}", "[]", '""', "ping", "keep-alive")
    ),
    ("second choice first", lines(other("X"), A, other("Y", "length"), B, delta(finish="stop")), "Hello world", STOP),
    ("no first choice", lines(other("Hello"), other(" world"), other(None, "stop"), DONE), "Hello world", STOP),
    ("no first choice, cut", lines(other("Hello"), other(" world", "length")), "Hello world", LENGTH),
    ("pings", lines(A, b"event: ping\ndata: x\n\n", B, {"type": "ping"}, delta(finish="stop")), "Hello world", STOP),
    ("comments", lines(b": wait\n\n", A, b":\n", B, delta(finish="stop"), b": bye\n\n", DONE), "Hello world", STOP),
    ("ids", lines(b"id: 7\nretry: 3\n", A, B, delta(finish="stop"), DONE), "Hello world", STOP),
    ("crlf", lines(A, B, delta(finish="stop"), DONE).replace(b"\n", b"\r\n"), "Hello world", STOP),
    ("bom", b"\xef\xbb\xbf" + lines(A, B, delta(finish="stop"), DONE), "Hello world", STOP),
    ("blank lines first", b"\n\n\r\n" + lines(A, B, delta(finish="stop"), DONE), "Hello world", STOP),
    ("nonsense behind the end", lines(A, B, delta(finish="stop"), DONE, b"data: bye\n\n"), "Hello world", STOP),
    ("no blank lines", lines(A, B, delta(finish="stop"), DONE).replace(b"\n\n", b"\n"), "Hello world", STOP),
    ("data in lines", lines(A, B, delta(finish="stop")).replace(b', "', b'\ndata: , "'), "Hello world", STOP),
    (
        "the whole again",
        lines(A, B, {"choices": [{"message": {"content": "Hello world"}, "finish_reason": "stop"}]}, DONE),
        "Hello world",
        STOP,
    ),
    ("a whole reply as an event", lines(completion("Hello world"), DONE), "Hello world", STOP),
    ("end mark as JSON", lines(A, B, delta(finish="stop"), b'data: "[DONE]"\n\n'), "Hello world", STOP),
    ("nothing filtered", lines(A, B, {**delta(finish="stop"), "output_sensitive": False}, DONE), "Hello world", STOP),
    ("no speech", lines(A, delta(" world", message={"audio": None}), delta(finish="stop")), "Hello world", STOP),
    ("an object a line", lines(A, B, delta(finish="stop")).replace(b"data: ", b""), "Hello world", STOP),
    # Cut.
    ("length", lines(A, B, delta(finish="length"), DONE), "Hello world", LENGTH),
    ("length, then stop", lines(A, delta(" world", "length"), delta(finish="stop"), DONE), "Hello world", LENGTH),
    ("context full", lines(A, B, delta(finish="model_context_window_exceeded"), DONE), "Hello world", LENGTH),
    # Withheld.
    ("filter", lines(A, B, delta(finish="content_filter"), DONE), "Hello world", FILTER),
    ("filter, then stop", lines(A, delta(" world", "RECITATION"), delta(finish="stop"), DONE), "Hello world", FILTER),
    ("sensitive", lines(A, B, delta(finish="sensitive"), DONE), "Hello world", FILTER),
    ("prohibited", lines(A, B, delta(finish="PROHIBITED_CONTENT"), DONE), "Hello world", FILTER),
    (
        "MiniMax's mark",
        lines(A, B, {**delta(finish="stop"), "input_sensitive": False, "output_sensitive": True}, DONE),
        "Hello world",
        FILTER,
    ),
    (
        "Bedrock's guardrail",
        lines(A, B, {**delta(finish="stop"), "amazon-bedrock-guardrailAction": "INTERVENED"}, DONE),
        "Hello world",
        FILTER,
    ),
    # Unknown.
    ("images", lines(A, B, delta(message={"images": [{"url": ""}]}), delta(finish="stop")), "Hello world", UNKNOWN),
    ("speech", lines(A, B, delta(message={"audio": {"data": "x"}}), delta(finish="stop")), "Hello world", UNKNOWN),
    ("end mark alone", lines(A, B, DONE), "Hello world", UNKNOWN),
    ("text after the reason", lines(delta("Hello", "stop"), B, DONE), "Hello world", UNKNOWN),
    ("text after the reason, no end mark", lines(delta("Hello", "stop"), B), "Hello world", UNKNOWN),
    ("text after the end mark", lines(A, delta(finish="stop"), DONE, B), "Hello world", UNKNOWN),
    ("a new reason", lines(A, B, delta(finish="bored"), DONE), "Hello world", UNKNOWN),
    ("a number", lines(A, B, {"choices": [{"delta": {}, "finish_reason": 1}]}, DONE), "Hello world", UNKNOWN),
    ("tool calls", lines(A, B, delta(finish="tool_calls"), DONE), "Hello world", UNKNOWN),
    (
        "tool calls that stop",
        lines(A, B, delta(message={"tool_calls": [{"index": 0}]}), delta(finish="stop"), DONE),
        "Hello world",
        UNKNOWN,
    ),
    ("pause", lines(A, B, delta(finish="pause_turn"), DONE), "Hello world", UNKNOWN),
    ("a reason with each text, no end", lines(delta("Hello", "stop"), delta(" world", "stop")), "Hello world", UNKNOWN),
    ("truncated", lines(A, B, {**delta(finish="stop"), "truncated": True}, DONE), "Hello world", UNKNOWN),
    ("incomplete", lines(A, B, {**delta(finish="stop"), "status": "incomplete"}, DONE), "Hello world", UNKNOWN),
    (
        "a picture beside the text",
        lines(A, B, delta(message={"content": [{"type": "image_url"}]}), delta(finish="stop"), DONE),
        "Hello world",
        UNKNOWN,
    ),
    (
        "the end filed under reasoning",
        lines(A, B, delta(message={"reasoning_content": " and more"}), delta(finish="stop"), DONE),
        "Hello world",
        UNKNOWN,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "text", "finish"), STREAMS, ids=[row[0] for row in STREAMS])
async def test_ends_of_streams(name: str, body: bytes, text: str, finish: FinishReason.ValueType) -> None:
    cuts: Sequence[int]
    # The adapter waits only a moment behind the end mark, so what follows the mark comes with it.
    marked = body.find(b"[DONE]") % len(body)
    for cuts in ((), range(marked)):
        response = await answered(behaviours.in_bytes(body, cuts), always_stream=True)
        assert (response.text, response.result.finish_reason) == (text, finish)


@pytest.mark.parametrize(
    ("finish", "meant"),
    [
        ("stop", STOP),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("length", LENGTH),
        ("sensitive", FILTER),
        ("tool_calls", UNKNOWN),
    ],
)
async def test_ends_of_whole_replies(finish: str | None, meant: FinishReason.ValueType) -> None:
    response = await answered(behaviours.reply("Hello", finish))
    assert (response.text, response.result.finish_reason) == ("Hello", meant)


@pytest.mark.parametrize(
    ("counts", "most_tokens", "meant"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 2}, 2, LENGTH),
        ({"prompt_tokens": 10, "completion_tokens": 1}, 2, UNKNOWN),
        # Without counts an event is a token.
        (None, 2, LENGTH),
        (None, 3, UNKNOWN),
    ],
)
async def test_a_text_of_exactly_the_token_limit_counts_as_cut(
    counts: object, most_tokens: int, meant: FinishReason.ValueType
) -> None:
    told = behaviours.stream([A, B], counts)
    response = await answered(told, generation(sampling=most(most_tokens)), always_stream=True)
    assert response.result.finish_reason == meant


FAILURES = [
    ("error", lines(A, delta(finish="error"), DONE), "UPSTREAM_ERROR", ""),
    ("abort", lines(A, delta(finish="abort"), DONE), "UPSTREAM_ERROR", "'abort'"),
    ("no end", lines(A, B), "UPSTREAM_UNAVAILABLE", ""),
    ("half an event", lines(A, B) + b'data: {"choices', "UPSTREAM_UNAVAILABLE", ""),
    ("503 in a list", lines(A, [{"error": {"code": 503, "message": "busy"}}]), "UPSTREAM_ERROR", "(HTTP 503): busy"),
    ("429", lines({"error": {"code": 429, "message": "slow down"}}), "UPSTREAM_RATE_LIMITED", "slow down"),
    ("event: error", lines(b'event: error\ndata: {"message": "busy"}\n\n'), "UPSTREAM_ERROR", "busy"),
    ("event: error in words", lines(A, b"event: error\ndata: busy\n\n"), "UPSTREAM_ERROR", "busy"),
    ("event: upstream_error", lines(A, b"event: upstream_Error\ndata: busy\n\n"), "UPSTREAM_ERROR", "busy"),
    ("error: field", lines(A, b'error: {"code": 500, "message": "busy"}\n\n'), "UPSTREAM_ERROR", "(HTTP 500): busy"),
    ("a bare line", lines(A, b'{"error": {"message": "busy"}}\n'), "UPSTREAM_ERROR", "busy"),
    (
        "choices[0].error",
        lines(A, {"choices": [{"error": {"code": 502, "message": "busy"}, "finish_reason": "error"}]}),
        "UPSTREAM_ERROR",
        "(HTTP 502): busy",
    ),
    ("error after the reason", lines(A, delta(finish="stop"), {"error": "busy"}, DONE), "UPSTREAM_ERROR", "busy"),
    ("detail", lines({"detail": [{"loc": ["a", "b"], "msg": "busy"}]}), "UPSTREAM_ERROR", "a.b: busy"),
    ("nothing", lines(delta(finish="stop"), DONE), "EMPTY_OUTPUT", ""),
    ("a tool", lines(delta(message={"tool_calls": [{}]}), delta(finish="tool_calls")), "EMPTY_OUTPUT", "tool"),
    ("withheld", lines(delta(finish="SAFETY"), DONE), "EMPTY_OUTPUT", "withheld"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "reason", "words"), FAILURES, ids=[row[0] for row in FAILURES])
async def test_streams_that_fail(name: str, body: bytes, reason: str, words: str) -> None:
    error = await failed(behaviours.in_bytes(body, []), always_stream=True)
    assert error.reason == ErrorReason.Value(f"ERROR_REASON_{reason}")
    assert words in error.message
    assert error.attempts == 1


async def test_counts_that_come_late_are_read(clock: Clock) -> None:
    async def late(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event(delta("Hello", "stop"))
        await rounds()
        # Longer than the wait for the end of a stream with counts.
        clock.advance(1.1)
        await rounds()
        await exchange.event({"choices": [], "usage": COUNTS})
        await exchange.hang()

    async with Upstream(late) as upstream, adapter(upstream.base_url) as served:
        response = await asked(served, generation(), streamed=True)
    assert (response.text, response.result.usage.output_tokens) == ("Hello", 5)
    assert not response.result.usage.estimated


async def test_counts_that_never_come_cost_no_text(clock: Clock) -> None:
    async def never(exchange: Exchange) -> None:
        clock.advance(59)
        await exchange.begin_events()
        await exchange.event(delta("Hello", "stop"))
        await rounds()
        clock.advance(1)
        await exchange.hang()

    # The attempt's time ends before the wait for counts does, and long before the caller's deadline.
    limits = {"request_timeout_s": 60}
    async with Upstream(never) as upstream, adapter(upstream.base_url, always_stream=True, limits=limits) as served:
        response = await served.generate(generation())
    assert (response.text, response.result.finish_reason) == ("Hello", STOP)
    assert response.result.usage.estimated


@pytest.mark.parametrize("end", [lines(A, delta(finish="stop")), lines(A, delta(finish="stop"), DONE)])
async def test_comments_without_end_behind_the_end_are_not_waited_for(end: bytes) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.chunk(lines({"choices": [], "usage": COUNTS}) + end)
        while True:
            await exchange.chunk(b": still there\n\n")
            await asyncio.sleep(0.01)

    async with Upstream(endless) as upstream, adapter(upstream.base_url, always_stream=True) as served:
        assert (await served.generate(generation())).result.finish_reason == STOP
        await upstream.all_closed()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("body", [lines(A, delta(finish="stop")), json.dumps(completion("Hello")).encode()])
async def test_a_mark_of_the_byte_order_may_come_in_pieces(body: bytes, size: int) -> None:
    response = await answered(behaviours.in_bytes(b"\xef\xbb\xbf" + body, [size]))
    assert response.text == "Hello"


async def test_a_connection_that_breaks_behind_text_with_a_reason_may_have_cut_it() -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event(delta("Hello", "stop"))
        await asyncio.sleep(0.05)
        exchange.reset()

    assert (await answered(broken, always_stream=True)).result.finish_reason == UNKNOWN


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("content_type", ["text/event-stream; charset=utf-8", "text/plain", "application/json", ""])
async def test_events_are_read_whatever_the_head_says(content_type: str, status: int, encoding: str) -> None:
    body = lines(A, B, delta(finish="stop"), {"choices": [], "usage": COUNTS}, DONE)

    async def events(exchange: Exchange) -> None:
        headers = {"Content-Encoding": encoding} if encoding else {}
        await exchange.reply(gzip.compress(body) if encoding else body, status, content_type, headers)

    response = await answered(events)
    assert (response.text, response.result.finish_reason) == ("Hello world", STOP)
    assert response.result.usage.output_tokens == 5


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "application/json"])
async def test_a_whole_reply_is_read_whatever_the_head_says(content_type: str) -> None:
    body = b"\n\n " + json.dumps(completion("Hello"), indent=2).encode()
    response = await answered(behaviours.raw(body, content_type))
    assert (response.text, response.result.finish_reason) == ("Hello", STOP)


async def test_a_stream_is_asked_for_or_declined() -> None:
    async with Upstream(behaviours.reply("Hello")) as upstream, adapter(upstream.base_url) as served:
        for streamed in (False, True):
            await asked(served, generation(), streamed=streamed)
        assert [request.body["stream"] for request in upstream.requests] == [False, True]


@pytest.mark.parametrize("patience", ["deadline", "caller"])
async def test_comments_count_as_bytes(patience: str, clock: Clock) -> None:
    waited = asyncio.Event()

    async def patient(exchange: Exchange) -> None:
        await exchange.begin_events()
        for _ in range(4 if patience == "deadline" else 2):
            await exchange.chunk(b": still there\n\n")
            await rounds()
            clock.advance(LONG / 4)
        waited.set()
        await exchange.hang()

    circuit = {"failures": 1, "silence_s": LONG / 3}
    limits = {"request_timeout_s": 2 * LONG}
    async with Upstream(patient) as upstream, adapter(upstream.base_url, circuit=circuit, limits=limits) as served:
        call = asyncio.create_task(served.read(generation(), []))
        await waited.wait()
        if patience == "caller":
            call.cancel()
        await asyncio.wait((call,))
        await upstream.all_closed()
        upstream.then(behaviours.reply("Hello"))
        assert (await served.generate(generation())).text == "Hello"


async def test_half_a_character_costs_one_character() -> None:
    response = await answered(
        behaviours.stream([delta("a\ud83d"), delta("b\ude00"), delta("\ud83d"), delta("\ude00c", "stop")])
    )
    assert response.text == "a\ufffdb\ufffd😀c"


async def test_other_tags_around_reasoning() -> None:
    tags = ["[THINK]", "[/THINK]"]
    response = await answered(behaviours.reply("[THINK]hm[/THINK]\nHello"), thinking_tags=tags)
    assert (response.text, response.reasoning) == ("Hello", "hm")


async def test_reasoning_that_only_the_total_has_is_paid_for() -> None:
    counts = {"prompt_tokens": 26, "completion_tokens": 25, "total_tokens": 631}
    response = await answered(behaviours.reply("Hello", usage=counts), prices={"output": "1"})
    assert (response.result.usage.output_tokens, response.result.cost_nanousd) == (605, 605_000)


@pytest.mark.parametrize("size", [4096, 65536])
async def test_a_whole_reply_is_one_document_and_a_stream_is_not(size: int) -> None:
    """A stream of many events may be longer than the bound of one document."""
    text = "word " * (size // 5)
    pieces = [behaviours.delta("word " * 100) for _ in range(size // 500 + 1)]
    limits = {"retries": 0, "max_document_bytes": size}
    error = await failed(behaviours.raw(json.dumps(behaviours.completion(text)).encode()), limits=limits)
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE
    event = await failed(behaviours.stream([behaviours.delta(text), behaviours.delta(finish="stop")]), limits=limits)
    assert event.reason == ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE
    response = await answered(behaviours.stream([*pieces, behaviours.delta(finish="stop")]), limits=limits)
    assert len(response.text) >= size


@pytest.mark.parametrize("part", ["[],", '{"a":0},', "0,"])
async def test_a_reply_of_too_many_parts_is_malformed(part: str) -> None:
    body = ('{"choices":[{"message":{"content":"Hi"}}],"more":[' + part * 100_000 + "0]}").encode()
    error = await failed(behaviours.raw(body))
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED
    error = await failed(behaviours.in_bytes(b"data: " + body + b"\n\ndata: [DONE]\n\n", []))
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED
