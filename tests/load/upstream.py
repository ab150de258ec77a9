"""An OpenAI-compatible upstream that answers at once: what is measured in front of it is overhead.

Run as `python -m tests.load.upstream`; prints the port that it took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from functools import cache
from typing import Final, cast

import uvloop

_WORDS: Final = (
    "light scatters short waves more than long ones so that blue reaches the eye from every part of sky while red "
    "passes straight on when air molecules are small beside a wavelength and this follows from the fourth power law "
    "which Rayleigh found before anyone could count atoms or name what carries heat between bodies far apart at rest "
    "morning haze dust water ozone altitude season angle horizon violet retina cone cell sunlight spectrum filter"
)
_BOOT_WORDS: Final = 200
_REST_WORDS: Final = 60
_PROMPT_TOKENS: Final = 24
_WHOLE_TOKENS: Final = _BOOT_WORDS + _REST_WORDS
_WORDS_PER_EVENT: Final = 30
_END_OF_HEAD: Final = b"\r\n\r\n"


def text(model: str, *, rest: bool) -> str:
    """Returns what `model` writes: its first tokens, or the rest that follows them; every model writes its own."""
    # Partials that agree, or end, would let the router leave out the completions that are to be measured.
    chance = random.Random(f"{model} {rest}")
    return " ".join(chance.choices(_WORDS.split(), k=_REST_WORDS if rest else _BOOT_WORDS)) + ("." if rest else " ")


def whole_text(model: str) -> str:
    """Returns the whole answer of `model`."""
    return text(model, rest=False) + text(model, rest=True)


@cache
def _answer(model: str, *, rest: bool, whole: bool, stream: bool) -> bytes:
    content = whole_text(model) if whole and not rest else text(model, rest=rest)
    tokens = len(content.split())
    finish = "stop" if whole else "length"
    usage = {"prompt_tokens": _PROMPT_TOKENS, "completion_tokens": tokens, "total_tokens": _PROMPT_TOKENS + tokens}
    head = {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": model}
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
        return _json({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    head["object"] = "chat.completion.chunk"
    words = content.split(" ")
    pieces = [words[i : i + _WORDS_PER_EVENT] for i in range(0, len(words), _WORDS_PER_EVENT)]
    deltas = [{"content": " ".join(piece) + (" " if piece is not pieces[-1] else "")} for piece in pieces]
    deltas[0] = {"role": "assistant", **deltas[0]}
    events: list[dict[str, object]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    events.append({**head, "choices": [], "usage": usage})
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    )


def _json(value: object, status: bytes = b"200 OK") -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


_MODELS: Final = _json({"object": "list", "data": [{"id": "bench", "object": "model", "owned_by": "bench"}]})
_NOT_FOUND: Final = _json({"error": {"message": "no such path", "type": "invalid_request_error"}}, b"404 Not Found")
_BAD_REQUEST: Final = _json({"error": {"message": "bad request", "type": "invalid_request_error"}}, b"400 Bad Request")


def _reply(head: bytes, body: bytes) -> bytes:
    method, _, target = head.partition(b" ")
    path = target.partition(b" ")[0]
    if method == b"GET" and path == b"/v1/models":
        return _MODELS
    if method != b"POST" or path != b"/v1/chat/completions":
        return _NOT_FOUND
    try:
        asked = json.loads(body)
        rest = asked["messages"][-1]["role"] == "assistant"
        # A boot that is not held is cut at its limit; a longer limit has room for the whole answer.
        whole = rest or int(asked.get("max_tokens") or 0) >= _WHOLE_TOKENS
        return _answer(str(asked["model"]), rest=rest, whole=whole, stream=bool(asked.get("stream")))
    except (ValueError, LookupError, TypeError, AttributeError):
        return _BAD_REQUEST


def _content_length(head: bytes) -> int:
    _, _, value = head.lower().partition(b"\r\ncontent-length:")
    return int(value.partition(b"\r\n")[0] or 0)


class _Connection(asyncio.Protocol):
    """One keep-alive connection. A web framework here would take the cores that the measured services need."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received += data
        while (end := self._received.find(_END_OF_HEAD)) >= 0:
            head = self._received[:end]
            start = end + len(_END_OF_HEAD)
            stop = start + _content_length(head)
            if len(self._received) < stop:
                return
            body, self._received = self._received[start:stop], self._received[stop:]
            self._transport.write(_reply(head, body))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    uvloop.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
