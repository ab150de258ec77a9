"""The OpenAI API: vLLM, SGLang, llama.cpp, Ollama, DeepSeek, Mistral, OpenRouter, Together and OpenAI speak it."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import httpx

from lightrouter.adapter import faults
from lightrouter.adapter.credentials import Credentials
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.http import Endpoint, Reply
from lightrouter.adapter.providers import endings
from lightrouter.adapter.providers.complaints import Complaint, of_refusal
from lightrouter.adapter.providers.events import EventReader, SilenceLimits, has_lines
from lightrouter.adapter.providers.openai_reply import ReportedError, parse, read
from lightrouter.adapter.providers.openai_request import RequestWriter, encoded
from lightrouter.adapter.providers.refusals import Refusal, features, refusal
from lightrouter.adapter.templates import ChatTemplateError
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.adapter.waits import asked_by_headers
from lightrouter.pool.schema import CandidateEntry
from lightrouter.pool.values import under

# An error's own words come with its head or are not worth waiting for.
_DETAIL_SECONDS: Final = 1.0
_DETAIL_BYTES: Final = 16 * 1024
# Fewer are read and cut into text in a few milliseconds.
_LONG_CHARACTERS: Final = 128 * 1024
_PAYMENT_REQUIRED: Final = 402


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
            under(entry.base_url, self._writer.path),
            connect_timeout=entry.limits.connect_timeout_s,
            limit=entry.limits.max_response_bytes,
            key_header=entry.api_key_header,
        )
        self._max_document_bytes = entry.limits.max_document_bytes
        self._credentials = credentials
        self._patience = SilenceLimits()

    async def generate(self, ask: ProviderRequest, said: ReplyInfo) -> TextDelta:
        """Returns all that the model writes. See `Provider.generate`."""
        async with aclosing(self._ask(ask, said, streamed=False)) as pieces:
            taken = [piece async for piece in pieces]
        return TextDelta("".join(piece.text for piece in taken), "".join(piece.reasoning for piece in taken))

    def stream(self, ask: ProviderRequest, said: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields what the model writes, all that came together in one piece. See `Provider.stream`.

        A piece without text says that something came.
        """
        return self._ask(ask, said, streamed=True)

    async def aclose(self) -> None:
        """Closes the provider's connections."""
        await self._transport.aclose()

    async def _ask(self, ask: ProviderRequest, said: ReplyInfo, *, streamed: bool) -> AsyncGenerator[TextDelta, None]:
        key = self._credentials.key().get_secret_value()
        request = self._request(ask, streamed=streamed)
        async with await self._endpoint.post(encoded(request), key, streamed=streamed) as reply:
            if not 200 <= reply.status < 300:
                complaint = await self._complaint(reply)
                if complaint.cut and reply.status == 400 and ask.max_tokens:
                    # The limit was spent on hidden reasoning, which some providers call an error.
                    said.finish_reason, said.unseen = endings.LENGTH, ask.max_tokens
                    return
                raise await self._refusal(reply.status, complaint, ask, request, key)
            said.taken = features(request)
            try:
                async with aclosing(self._pieces(reply, said)) as pieces:
                    async for piece in pieces:
                        yield piece
            except ReportedError as error:
                raise await self._refusal(error.complaint.status, error.complaint, ask, request, key) from None

    async def _pieces(self, reply: Reply, said: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields the text of a body, which is what its first characters are, whatever was asked for."""
        async with aclosing(reply.chunks()) as chunks:
            begin = b""
            async for begin in chunks:
                yield TextDelta("", "")
                # White space before the reply keeps its connection.
                if begin.strip():
                    break
            if begin.strip().removeprefix(codecs.BOM_UTF8)[:1] in {b"{", b"[", b"<"}:
                body = bytearray(begin)
                async for chunk in chunks:
                    body += chunk
                    if len(body) > self._max_document_bytes:
                        break
                    yield TextDelta("", "")
                if len(body) > self._max_document_bytes:
                    raise faults.too_large(self._max_document_bytes)
                text = _text(body)
                if not has_lines(text):
                    document = parse(text)
                    if len(text) > _LONG_CHARACTERS:
                        # Others have their turn between two long pieces of work.
                        await asyncio.sleep(0)
                    yield read(document, "message", said)
                    return
                begin = bytes(body)
            kind = reply.header("content-type").partition(";")[0].strip().lower()
            reader = EventReader(said, self._patience, kind, max_event_bytes=self._max_document_bytes)
            async with aclosing(reader.read(begin, chunks)) as pieces:
                async for piece in pieces:
                    yield piece

    def _request(self, ask: ProviderRequest, *, streamed: bool) -> dict[str, object]:
        try:
            return self._writer.write(ask, streamed=streamed)
        except ChatTemplateError as fault:
            raise faults.rejected(None, str(fault)) from None

    @staticmethod
    async def _complaint(reply: Reply) -> Complaint:
        """Returns what a reply of failure says, its headers included."""
        body = bytearray()
        try:
            async with asyncio.timeout(_DETAIL_SECONDS), aclosing(reply.chunks()) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) > _DETAIL_BYTES:
                        break
        except (TimeoutError, faults.UpstreamError):
            pass
        said = of_refusal(body.decode("utf-8", "replace"))
        by_headers = asked_by_headers(reply.header, limited=reply.status == 429)
        return said if by_headers is None else replace(said, wait=max(by_headers, said.wait or 0.0))

    @staticmethod
    async def _refusal(
        status: int | None, said: Complaint, ask: ProviderRequest, request: Mapping[str, object], key: str
    ) -> faults.UpstreamError:
        """Returns the error that callers see of a provider's own, with its words scrubbed."""
        words = said.words
        if words:
            prompt = [*(message.content for message in ask.messages), ask.lead]
            # A long prompt takes its time to search.
            words = await asyncio.to_thread(faults.scrubbed, words, key, prompt)
        if said.unpaid or status == _PAYMENT_REQUIRED:
            return faults.unpaid(status, words)
        meant = refusal(status, said, request)
        error = _error(status, meant, words, said.wait)
        error.remedies = meant.remedies
        return error


def _error(status: int | None, meant: Refusal, words: str, wait: float | None) -> faults.UpstreamError:
    if meant.no_key:
        return faults.key_refused(status, words)
    if status is not None and 400 <= status < 500 and (meant.own_fault or meant.no_model):
        return faults.rejected(status, words, works=False if meant.no_model else None)
    error = faults.failed(None, words, wait) if status is None else faults.by_status(status, words, wait)
    if meant.own_fault:
        error.works = None
    return error


def _text(body: bytes | bytearray) -> str:
    try:
        return str(body, "utf-8-sig")
    except UnicodeDecodeError:
        raise faults.malformed("text that is not UTF-8") from None
