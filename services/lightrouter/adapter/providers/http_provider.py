"""A provider behind an HTTP endpoint: sends requests and reads replies, whatever the API."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from lightrouter.adapter import faults
from lightrouter.adapter.credentials import Credentials
from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.http import Endpoint, Reply
from lightrouter.adapter.providers import finish_reasons
from lightrouter.adapter.providers.api import Api, ReplyReader, Written
from lightrouter.adapter.providers.error_body import ErrorBody, read_error
from lightrouter.adapter.providers.events import EventReader, UsageWait, has_lines
from lightrouter.adapter.providers.refusals import Refusal, features, refusal
from lightrouter.adapter.providers.reply import ReportedError, parse
from lightrouter.adapter.retry_after import wait_from_headers
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta, joined
from lightrouter.runtime.messages import text_of

# A choice: the words of an error come with its head, or the caller had better not wait for them.
_DETAIL_SECONDS: Final = 1.0
_DETAIL_BYTES: Final = 16 * 1024
# Fewer are read and cut into text in a few milliseconds.
_LONG_CHARACTERS: Final = 128 * 1024
_PAYMENT_REQUIRED: Final = 402
# With these statuses some gateways pass on an error that has another status and passes.
_UNSURE: Final = frozenset({400, 403})
_PASSING: Final = frozenset({429, 502, 503, 504, 529})
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class HttpProvider:
    """A candidate behind an HTTP endpoint. See `Provider`."""

    def __init__(self, api: Api, endpoint: Endpoint, credentials: Credentials, *, max_document_bytes: int) -> None:
        """Speaks `api` at `endpoint`, and closes it in the end.

        A reply that comes as one document, and each event of a stream, has at most `max_document_bytes` bytes.
        """
        self._api = api
        self._endpoint = endpoint
        self._max_document_bytes = max_document_bytes
        self._credentials = credentials
        self._usage_wait = UsageWait()

    async def generate(self, request: ProviderRequest, info: ReplyInfo) -> TextDelta:
        """Returns the whole output of the model. See `Provider.generate`."""
        async with aclosing(self._call(request, info, streamed=False)) as deltas:
            return joined([delta async for delta in deltas])

    def stream(self, request: ProviderRequest, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields the output of the model. See `Provider.stream`.

        The text of several events that came together is joined, unless the tokens are counted. A delta without text
        shows that bytes came.
        """
        return self._call(request, info, streamed=True)

    async def aclose(self) -> None:
        """Closes the provider's connections."""
        await self._endpoint.aclose()

    async def _call(
        self, request: ProviderRequest, info: ReplyInfo, *, streamed: bool
    ) -> AsyncGenerator[TextDelta, None]:
        key = self._credentials.key().get_secret_value()
        sent = self._api.write(request, streamed=streamed)
        async with await self._endpoint.post(_encode(sent.body).encode(), key, streamed=streamed) as reply:
            if not 200 <= reply.status < 300:
                body = await self._error_body(reply)
                if body.cut and reply.status == 400 and request.max_tokens:
                    # Hidden reasoning used up the limit; some providers report that as an error.
                    info.finish_reason, info.unseen = finish_reasons.LENGTH, request.max_tokens
                    return
                raise await self._refusal(reply.status, body, request, sent, key)
            info.accepted = features(sent.asked)
            info.left_out = sent.left_out
            try:
                async with aclosing(self._deltas(reply, self._api.reader(request, info), info)) as deltas:
                    async for delta in deltas:
                        yield delta
            except ReportedError as error:
                raise await self._refusal(error.body.status, error.body, request, sent, key) from None

    async def _deltas(self, reply: Reply, reader: ReplyReader, info: ReplyInfo) -> AsyncGenerator[TextDelta, None]:
        """Yields the text of a body. Its first characters tell whether it is a JSON document or a stream."""
        begin = b""
        # Some providers send white space to keep the connection alive.
        while not begin.strip() and (chunk := await reply.chunk()) is not None:
            begin = chunk
            yield NOTHING
        if begin.strip().removeprefix(codecs.BOM_UTF8)[:1] in {b"{", b"[", b"<"}:
            body = bytearray(begin)
            while len(body) <= self._max_document_bytes and (chunk := await reply.chunk()) is not None:
                body += chunk
                yield NOTHING
            if len(body) > self._max_document_bytes:
                raise faults.too_large(self._max_document_bytes)
            text = _text(body)
            if not has_lines(text):
                document = parse(text)
                if len(text) > _LONG_CHARACTERS:
                    # Lets other tasks run between two long steps.
                    await asyncio.sleep(0)
                yield reader.document(document)
                return
            begin = bytes(body)
        kind = reply.header("content-type").partition(";")[0].strip().lower()
        events = EventReader(reader, info, self._usage_wait, kind, max_event_bytes=self._max_document_bytes)
        async with aclosing(events.read(begin, reply.chunk, reply.ended)) as deltas:
            async for delta in deltas:
                yield delta

    @staticmethod
    async def _error_body(reply: Reply) -> ErrorBody:
        """Returns the error that a failed reply reports in its body and headers."""
        content = bytearray()
        try:
            async with asyncio.timeout(_DETAIL_SECONDS):
                while len(content) <= _DETAIL_BYTES and (chunk := await reply.chunk()) is not None:
                    content += chunk
        except (TimeoutError, faults.UpstreamError):
            pass
        body = read_error(content.decode("utf-8", "replace"))
        by_headers = wait_from_headers(reply.headers(), limited=reply.status == 429)
        return body if by_headers is None else replace(body, wait=max(by_headers, body.wait or 0.0))

    @staticmethod
    async def _refusal(
        status: int | None, body: ErrorBody, request: ProviderRequest, sent: Written, key: str
    ) -> faults.UpstreamError:
        """Returns the error for callers, with the provider's words scrubbed."""
        words = body.words
        if words:
            prompt = [*map(text_of, request.messages), request.prefill]
            # The search of a long prompt takes milliseconds.
            words = await asyncio.to_thread(faults.scrubbed, words, key, prompt)
        if body.unpaid or status == _PAYMENT_REQUIRED:
            return faults.unpaid(status, words)
        if status in _UNSURE and body.status in _PASSING:
            status = body.status
        meant = refusal(status, body, sent.asked)
        error = _error(status, meant, words, body.wait)
        error.remedies = meant.remedies
        return error


def _error(status: int | None, meant: Refusal, words: str, wait: float | None) -> faults.UpstreamError:
    if meant.no_key:
        return faults.key_refused(status, words)
    if (status is None or 400 <= status < 500) and (meant.own_fault or meant.no_model):
        return faults.rejected(status, words, works=False if meant.no_model else None)
    if status is None or meant.failed:
        return faults.failed(status, words, wait)
    error = faults.by_status(status, words, wait)
    if meant.own_fault:
        error.works = None
    return error


def _text(body: bytes | bytearray) -> str:
    try:
        return str(body, "utf-8-sig")
    except UnicodeDecodeError:
        raise faults.malformed("text that is not UTF-8") from None
