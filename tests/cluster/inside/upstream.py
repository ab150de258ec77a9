"""A provider inside the cluster: an OpenAI-compatible HTTP server that takes its time.

    python3 upstream.py --port 8080 --least 0.5 --most 2 --silent b

A model answers the last user message with `TAIL` and that message, a word a token, and goes on from what it is given of
it; a model named by `--silent` leaves the message out. GET /seen tells who asked how often, as {"clients": {IP: calls},
"keys": {KEY: calls}, "models": {MODEL: calls}}.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter
from typing import Any

from aiohttp import web

TAIL = "The answer that was found for this question, after thinking about it for a while, is"


def answer_to(prompt: str) -> str:
    """Returns the whole answer to a prompt."""
    return f"{TAIL} {prompt}"


class Provider:
    """Answers, and counts who asked."""

    def __init__(self, least: float, most: float, silent: str) -> None:
        """Takes between `least` and `most` seconds for each call; the model `silent` says nothing of its prompt."""
        self._silent = silent
        self._bounds = (least, most)
        self._seen: dict[str, Counter[str]] = {name: Counter() for name in ("clients", "keys", "models")}

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Serves /v1/chat/completions."""
        body = await request.json()
        self._seen["clients"][request.remote or ""] += 1
        self._seen["keys"][request.headers.get("authorization", "")] += 1
        self._seen["models"][body["model"]] += 1
        await asyncio.sleep(random.uniform(*self._bounds))
        prompt = next(message["content"] for message in reversed(body["messages"]) if message["role"] == "user")
        last = body["messages"][-1]
        begun = last["content"] if last["role"] == "assistant" else ""
        rest = answer_to("" if body["model"] == self._silent else prompt)[len(begun) :]
        words = rest.split(" ")
        most = body.get("max_tokens") or len(words)
        cut = len(words) > most
        text = " ".join(words[:most])
        finish = "length" if cut else "stop"
        usage = {"prompt_tokens": 10 + len(begun.split()), "completion_tokens": min(most, len(words))}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return web.json_response({"model": body["model"], "choices": [choice], "usage": usage})
        return await self._stream(request, body["model"], text, finish, usage)

    async def _stream(
        self, request: web.Request, model: str, text: str, finish: str, usage: dict[str, int]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            {"choices": [], "usage": usage},
        ]
        for event in events:
            await response.write(f"data: {json.dumps({'model': model, **event})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def seen(self, request: web.Request) -> web.Response:
        """Serves /seen."""
        return web.json_response({name: dict(counts) for name, counts in self._seen.items()})


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("--most", type=float, default=0.0)
    parser.add_argument("--silent", default="")
    arguments = parser.parse_args()
    provider = Provider(arguments.least, arguments.most, arguments.silent)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.chat)
    app.router.add_get("/seen", provider.seen)
    web.run_app(app, port=arguments.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
