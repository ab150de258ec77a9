"""An OpenAI-compatible upstream that writes as hosted models do: a time to the first token, then a steady pace.

Run as `python -m tests.load.paced`; prints the port that it took. The number at the end of a model's name decides: the
first of eight models takes 0.3 s to its first token and writes 100 tokens a second, the last takes 1 s and writes 50.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from itertools import islice, product
from string import ascii_lowercase
from typing import Final

from aiohttp import web

MODELS: Final = 8
ANSWER_TOKENS: Final = 240
_FIRST_S: Final = (0.3, 1.0)
_PACE: Final = (100.0, 50.0)


def times(model: str) -> tuple[float, float]:
    """Returns a model's seconds to its first token and its seconds a token."""
    share = (int(model.rpartition("-")[2]) - 1) / (MODELS - 1)
    first, pace = (low + share * (high - low) for low, high in (_FIRST_S, _PACE))
    return first, 1 / pace


def words(model: str) -> list[str]:
    """Returns what a model writes; each word is a token by the router's count too, and no other model writes it."""
    own = ascii_lowercase[int(model.rpartition("-")[2])]
    letters = product(ascii_lowercase, repeat=2)
    return [f" {own}{first}{second}" for first, second in islice(letters, ANSWER_TOKENS)]


async def _complete(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    model = asked["model"]
    first, per_token = times(model)
    last = asked["messages"][-1]
    done = len(last["content"].split()) if last["role"] == "assistant" else 0
    most = int(asked.get("max_tokens") or ANSWER_TOKENS)
    piece = words(model)[done : done + most]
    finish = "stop" if done + len(piece) == ANSWER_TOKENS else "length"
    read = sum(len(message["content"].split()) for message in asked["messages"])
    usage = {"prompt_tokens": read, "completion_tokens": len(piece)}
    head = {"id": "paced", "created": 1_700_000_000, "model": model}
    if not asked.get("stream"):
        await asyncio.sleep(first + per_token * len(piece))
        choice = {"index": 0, "message": {"role": "assistant", "content": "".join(piece)}, "finish_reason": finish}
        return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await reply.prepare(request)
    loop = asyncio.get_running_loop()
    due = loop.time() + first
    # A call that was not chosen is closed while it writes.
    with suppress(ConnectionError):
        for word in piece:
            await asyncio.sleep(due - loop.time())
            due += per_token
            await reply.write(_event(head, {"content": word}, None))
        counts = json.dumps({**head, "choices": [], "usage": usage}).encode()
        await reply.write(_event(head, {}, finish) + b"data: %b\n\ndata: [DONE]\n\n" % counts)
    return reply


def _event(head: dict[str, object], delta: dict[str, str], finish: str | None) -> bytes:
    event = {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: %b\n\n" % json.dumps(event).encode()


async def _serve() -> None:
    application = web.Application()
    application.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
