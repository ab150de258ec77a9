"""The OpenAI API: vLLM, SGLang, llama.cpp, Ollama, DeepSeek, Mistral, OpenRouter, Together and OpenAI speak it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import httpx

from lightrouter.adapter import faults
from lightrouter.adapter.coalesce import Piece
from lightrouter.adapter.credentials import Credentials
from lightrouter.adapter.http import Endpoint, Reply
from lightrouter.adapter.providers.base import Ask, Said
from lightrouter.adapter.providers.openai_reply import ReportedError, error_detail, parse, read
from lightrouter.adapter.providers.openai_request import RequestWriter
from lightrouter.adapter.providers.sse import EventParser
from lightrouter.adapter.retry import retry_after_seconds
from lightrouter.adapter.templates import ChatTemplateError
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import FinishReason

_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_DONE: Final = "[DONE]"
# The text is complete: the counts that may still come are worth this wait,
_COUNTS_SECONDS: Final = 1.0
# and that the connection can be used again is worth this one.
_REUSE_SECONDS: Final = 0.05
# An error's own words come with its head or are not worth waiting for.
_DETAIL_SECONDS: Final = 1.0
_DETAIL_BYTES: Final = 16 * 1024


class OpenAI:
    """One candidate behind an OpenAI-compatible API. See `Provider`."""

    def __init__(self, entry: CandidateEntry, transport: httpx.AsyncBaseTransport, credentials: Credentials) -> None:
        """Speaks to the provider of `entry` over `transport`, which it closes in the end.

        Raises:
            ChatTemplateError: The entry goes on from raw prompts and its chat template cannot be used.
        """
        self._writer = RequestWriter(entry)
        self._transport = transport
        self._endpoint = Endpoint(
            transport,
            entry.base_url + self._writer.path,
            connect_timeout=entry.limits.connect_timeout_s,
            limit=entry.limits.max_response_bytes,
        )
        self._credentials = credentials

    async def generate(self, ask: Ask, said: Said) -> Piece:
        """Returns all that the model writes. See `Provider.generate`."""
        key = self._credentials.key().get_secret_value()
        async with await self._endpoint.post(self._body(ask, streamed=False), key) as reply:
            if reply.status != 200:
                raise await self._refusal(reply, ask, key)
            body = await reply.body()
        return self._read(_text(body), "message", ask, said, key)

    async def stream(self, ask: Ask, said: Said) -> AsyncGenerator[Piece, None]:
        """Yields what the model writes, all that came together in one piece. See `Provider.stream`."""
        key = self._credentials.key().get_secret_value()
        async with await self._endpoint.post(self._body(ask, streamed=True), key, streamed=True) as reply:
            if reply.status != 200:
                raise await self._refusal(reply, ask, key)
            kind = reply.header("content-type").partition(";")[0].strip().lower()
            if kind not in {"text/event-stream", ""}:
                yield self._unstreamed(kind, await reply.body(), ask, said, key)
                return
            async with aclosing(self._pieces(reply, ask, said, key)) as pieces:
                async for piece in pieces:
                    yield piece

    async def aclose(self) -> None:
        """Closes the provider's connections."""
        await self._transport.aclose()

    async def _pieces(self, reply: Reply, ask: Ask, said: Said, key: str) -> AsyncGenerator[Piece, None]:
        parser = EventParser()
        done = False
        async with aclosing(reply.chunks()) as chunks:
            while True:
                patience = None
                if done or said.finish_reason != _UNSPECIFIED:
                    patience = _REUSE_SECONDS if done else _COUNTS_SECONDS
                chunk = await _next(chunks, patience)
                if chunk is None:
                    break
                if done:
                    # Read to its end, the connection can be used again.
                    continue
                text: list[str] = []
                reasoning: list[str] = []
                for event in parser.feed(chunk):
                    if event == _DONE:
                        done = True
                        break
                    piece = self._read(event, "delta", ask, said, key)
                    text.append(piece.text)
                    reasoning.append(piece.reasoning)
                yield Piece("".join(text), "".join(reasoning))
        if not done:
            yield self._last(parser, ask, said, key)

    def _last(self, parser: EventParser, ask: Ask, said: Said, key: str) -> Piece:
        """Returns the text of an event that the end of the stream ended, where the stream may end here."""
        try:
            event = parser.close()
            piece = self._read(event, "delta", ask, said, key) if event not in {None, _DONE} else Piece("", "")
        except faults.UpstreamError as error:
            if error.reason != faults.MALFORMED:
                raise
            # The half of an event is what a broken connection leaves.
            event, piece = None, Piece("", "")
        if event != _DONE and said.finish_reason == _UNSPECIFIED:
            raise faults.unavailable("ended the stream before the model had finished")
        return piece

    def _unstreamed(self, kind: str, body: bytes, ask: Ask, said: Said, key: str) -> Piece:
        """Returns the text of a reply that is no stream although one was asked for."""
        if kind != "application/json":
            raise faults.malformed(f"{kind[:40]} instead of events")
        document_text = _text(body)
        piece = self._read(document_text, "message", ask, said, key)
        if ask.goes_on:
            # Whole replies repeat what the model goes on from or do not, and nothing tells which.
            raise faults.malformed("a whole reply instead of events")
        return piece

    def _body(self, ask: Ask, *, streamed: bool) -> bytes:
        try:
            return self._writer.write(ask, streamed=streamed)
        except ChatTemplateError as fault:
            raise faults.rejected(None, str(fault)) from None

    def _read(self, text: str | None, part: str, ask: Ask, said: Said, key: str) -> Piece:
        try:
            return read(parse(text or ""), part, said)
        except ReportedError as error:
            detail = self._scrubbed(error.detail, ask, key)
            if error.status is None:
                raise faults.failed(None, detail) from None
            raise faults.by_status(error.status, detail, None) from None

    async def _refusal(self, reply: Reply, ask: Ask, key: str) -> faults.UpstreamError:
        text = ""
        body = bytearray()
        try:
            async with asyncio.timeout(_DETAIL_SECONDS), aclosing(reply.chunks()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _DETAIL_BYTES:
                        break
            text = error_detail(parse(body.decode("utf-8", "replace")))
        except (TimeoutError, faults.UpstreamError):
            pass
        retry_after = retry_after_seconds(reply.header("retry-after"))
        return faults.by_status(reply.status, self._scrubbed(text, ask, key), retry_after)

    @staticmethod
    def _scrubbed(detail: str, ask: Ask, key: str) -> str:
        if not detail:
            return ""
        return faults.scrubbed(detail, key, [*(message.content for message in ask.messages), ask.lead])


async def _next(chunks: AsyncGenerator[bytes, None], patience: float | None) -> bytes | None:
    """Returns the next chunk, None at the end; with `patience` waits so many seconds only, and minds no failure."""
    if patience is None:
        return await anext(chunks, None)
    try:
        async with asyncio.timeout(patience):
            return await anext(chunks, None)
    except (TimeoutError, faults.UpstreamError):
        return None


def _text(body: bytes) -> str:
    try:
        return str(body, "utf-8")
    except UnicodeDecodeError:
        raise faults.malformed("text that is not UTF-8") from None
