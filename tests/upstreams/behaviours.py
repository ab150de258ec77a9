"""Behaviours of OpenAI-compatible providers, good and bad. See `Upstream`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.upstreams.upstream import Behaviour, Exchange

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
MODEL = "model-as-the-provider-names-it"


def completion(
    text: str | None,
    finish: str | None = "stop",
    usage: object = USAGE,
    message: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Returns a reply document of the API; `message` has further members of its message."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **(message or {})}, "finish_reason": finish}
    return {"object": "chat.completion", "model": MODEL, "choices": [choice], "usage": usage}


def delta(
    text: str | None = None, finish: str | None = None, message: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Returns an event of the API; `message` has further members of its delta."""
    content = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": {**content, **(message or {})}, "finish_reason": finish}
    return {"object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}


def reply(text: str | None, finish: str | None = "stop", usage: object = USAGE, **message: object) -> Behaviour:
    """Sends this text as a document or as a stream with one delta, as the request asks."""

    async def behave(exchange: Exchange) -> None:
        if exchange.request.body.get("stream"):
            await stream([delta(text, message=message), delta(finish=finish)], usage)(exchange)
        else:
            await exchange.reply(json.dumps(completion(text, finish, usage, message)).encode())

    return behave


def stream(events: Sequence[object], usage: object = USAGE, *, done: bool = True) -> Behaviour:
    """Sends these events, then the counts unless they are None, then, if `done`, the end mark."""

    async def behave(exchange: Exchange) -> None:
        await exchange.begin_events()
        for event in events:
            await exchange.event(event)
        if usage is not None:
            await exchange.event({"model": MODEL, "choices": [], "usage": usage})
        if done:
            await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.end_chunks()

    return behave


def model(text: str, *, usage: bool = True, pieces: int = 3, whole_repeats: bool = True) -> Behaviour:
    """Behaves as a model that always writes `text`, a character a token, or its rest after a prefill.

    As llama.cpp does, a whole reply repeats what it went on from (`whole_repeats`), a stream does not. It knows every
    way of going on: the last message, and for raw prompts whatever of `text` ends the prompt.
    """

    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        begun = _begun(body, text)
        most = body.get("max_tokens", len(text))
        rest = text[len(begun) :][:most]
        finish = "length" if len(begun) + len(rest) < len(text) else "stop"
        counts = {"prompt_tokens": 10 + len(begun), "completion_tokens": max(len(rest), 1)} if usage else None
        if body.get("stream"):
            parts = [rest[at : at + pieces] for at in range(0, len(rest), pieces)]
            if "prompt" in body:
                events: list[object] = [{"choices": [{"text": part, "finish_reason": None}]} for part in parts]
                events.append({"choices": [{"text": "", "finish_reason": finish}]})
            else:
                events = [delta(part) for part in parts] + [delta(finish=finish)]
            await stream(events, counts)(exchange)
        elif "prompt" in body:
            choice = {"index": 0, "text": rest, "finish_reason": finish}
            await exchange.reply(json.dumps({"model": MODEL, "choices": [choice], "usage": counts}).encode())
        else:
            whole = begun + rest if whole_repeats else rest
            await exchange.reply(json.dumps(completion(whole, finish, counts)).encode())

    return behave


def _begun(body: Mapping[str, Any], text: str) -> str:
    if "prompt" in body:
        prompt = str(body["prompt"])
        return next(text[:size] for size in range(len(text), -1, -1) if prompt.endswith(text[:size]))
    last = body["messages"][-1]
    begun = str(last["content"]) if last["role"] == "assistant" else ""
    assert text.startswith(begun), f"{begun!r} is not what was written before"
    return begun


def tokens(written: Sequence[str]) -> Behaviour:
    """Streams these tokens, an event each, up to the request's limit; the finish reason comes behind them."""

    async def behave(exchange: Exchange) -> None:
        most = exchange.request.body.get("max_tokens", len(written))
        events = [*map(delta, written[:most]), delta(finish="length" if most < len(written) else "stop")]
        await stream(events, {"prompt_tokens": 10, "completion_tokens": len(events) - 1})(exchange)

    return behave


async def hang(exchange: Exchange) -> None:
    """Takes the request and says nothing."""
    await exchange.hang()


class Hanging(list[Exchange]):
    """Hangs, too, and knows the requests that it has taken."""

    async def __call__(self, exchange: Exchange) -> None:
        """Takes a request."""
        self.append(exchange)
        await exchange.hang()


async def hang_up(exchange: Exchange) -> None:
    """Takes the request and closes the connection."""
    exchange.keep = False


async def reset(exchange: Exchange) -> None:
    """Takes the request and resets the connection."""
    exchange.reset()


def reset_mid_stream(*texts: str) -> Behaviour:
    """Streams these texts, then resets the connection."""

    async def behave(exchange: Exchange) -> None:
        await exchange.begin_events()
        for text in texts:
            await exchange.event(delta(text))
        # The client must read the texts before the reset, which discards unread data.
        await asyncio.sleep(0.05)
        exchange.reset()

    return behave


def hang_mid_stream(*texts: str) -> Behaviour:
    """Streams these texts, then says nothing more."""

    async def behave(exchange: Exchange) -> None:
        await exchange.begin_events()
        for text in texts:
            await exchange.event(delta(text))
        await exchange.hang()

    return behave


def status(
    code: int, message: str = "no", headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Behaviour:
    """Replies with an error of this HTTP status, as JSON with `message` or as `body`."""

    async def behave(exchange: Exchange) -> None:
        content = json.dumps({"error": {"message": message, "code": code}}).encode() if body is None else body
        await exchange.reply(content, code, headers=headers)

    return behave


async def html(exchange: Exchange) -> None:
    """Replies with a web page and HTTP 200, as a captive portal does."""
    await exchange.reply(b"<!DOCTYPE html><html><body>Welcome!</body></html>", content_type="text/html")


def raw(body: bytes, content_type: str = "application/json") -> Behaviour:
    """Replies with these bytes and HTTP 200."""

    async def behave(exchange: Exchange) -> None:
        await exchange.reply(body, content_type=content_type)

    return behave


async def invalid_utf8(exchange: Exchange) -> None:
    """Replies with broken UTF-8, as a document or as a stream, as the request asks."""
    if exchange.request.body.get("stream"):
        await exchange.begin_events()
        await exchange.chunk(b'data: {"choices":[{"delta":{"content":"\xff\xfe"},"finish_reason":null}]}\n\n')
        await exchange.hang()
    else:
        body = json.dumps(completion("??")).encode().replace(b"??", b"\xc3\x28")
        await exchange.reply(body)


async def endless(exchange: Exchange) -> None:
    """Streams without end, as fast as the client reads; hangs if the request asks for a document."""
    if not exchange.request.body.get("stream"):
        await exchange.hang()
    await exchange.begin_events()
    while True:
        await exchange.event(delta("again and " * 100))


async def endless_comments(exchange: Exchange) -> None:
    """Streams comments without end, as fast as the client reads."""
    await exchange.begin_events()
    while True:
        await exchange.chunk(b": still there\n\n" * 100)


def huge(size: int = 100 * 1024 * 1024, *, announced: bool = False) -> Behaviour:
    """Replies with a body of `size` bytes; `announced` sends a Content-Length."""

    async def behave(exchange: Exchange) -> None:
        piece = b"a" * 65536
        if announced:
            await exchange.head(headers={"Content-Type": "application/json", "Content-Length": str(size)})
        else:
            await exchange.head(headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"})
        for _ in range(0, size, len(piece)):
            await (exchange.send(piece) if announced else exchange.chunk(piece))
        if not announced:
            await exchange.end_chunks()

    return behave


def drip(text: str, seconds: float, finish: str = "stop") -> Behaviour:
    """Streams a character every `seconds`; sends a document byte by byte."""

    async def behave(exchange: Exchange) -> None:
        if not exchange.request.body.get("stream"):
            body = json.dumps(completion(text, finish)).encode()
            await exchange.head(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
            for byte in body:
                await exchange.send(bytes((byte,)))
                await asyncio.sleep(seconds)
            return
        await exchange.begin_events()
        for character in text:
            await exchange.event(delta(character))
            await asyncio.sleep(seconds)
        await exchange.event(delta(finish=finish))
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.end_chunks()

    return behave


def in_bytes(body: bytes, cuts: Sequence[int], content_type: str = "text/event-stream") -> Behaviour:
    """Replies with this body in chunks that end at `cuts`."""

    async def behave(exchange: Exchange) -> None:
        await exchange.head(headers={"Content-Type": content_type, "Transfer-Encoding": "chunked"})
        places = [0, *sorted({cut for cut in cuts if 0 < cut < len(body)}), len(body)]
        for begin, end in pairwise(places):
            await exchange.chunk(body[begin:end])
        await exchange.end_chunks()

    return behave
