"""The HTTP transport: requests out, bytes in. Everything that knows httpx or aiohttp is here.

It is httpx's transport interface over aiohttp without httpx's client: the client's merging of URLs, headers, cookies
and redirects costs more than the request itself, and an adapter needs none of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from lightrouter.adapter import faults
from lightrouter.adapter.inflate import Inflater
from lightrouter.pool.values import AUTHORIZATION

_FAILURES = (httpx.HTTPError, aiohttp.ClientError, OSError)
_HUNG_UP = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_OWN_HEADERS = ("User-Agent", "Accept", "Accept-Encoding")
# Idle connections are given up before the usual server (5 s) gives them up.
_KEEPALIVE_SECONDS = 4.5
# The statuses that ask for the same request at another address, and how often one request follows them.
_REPEATS = frozenset({307, 308})
_MOST_REDIRECTS = 3


class Reply:
    """A reply whose head has come, to be used as a context manager: leaving before the end closes the connection."""

    def __init__(self, response: httpx.Response, limit: int) -> None:
        """Accepts a body of at most `limit` bytes."""
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._stream = response.stream
        self._headers = response.headers
        self._limit = limit
        self.status = response.status_code
        """The HTTP status."""

    def header(self, name: str) -> str:
        """Returns a header's value, empty where there is none."""
        value: str = self._headers.get(name, "")
        return value

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yields the body as it comes.

        Raises:
            UpstreamError: The connection broke before the end, or the body is larger than allowed.
        """
        inflater = Inflater(self.header("content-encoding"))
        length = self.header("content-length")
        if length.isdecimal() and (len(length) > 18 or int(length) > self._limit):
            raise faults.too_large(self._limit)
        size = 0
        try:
            async for packed in self._stream:
                for chunk in inflater.feed(packed) if inflater.packed else (packed,):
                    size += len(chunk)
                    if size > self._limit:
                        raise faults.too_large(self._limit)
                    yield chunk
            inflater.close()
        except _FAILURES:
            raise faults.unavailable("closed the connection before its reply had ended") from None

    async def body(self) -> bytes:
        """Returns the whole body; raises what `chunks` raises."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A connection that broke is closed already, and says so here once more.
        with suppress(*_FAILURES):
            await self._stream.aclose()


class Endpoint:
    """One URL that takes POST requests with JSON bodies."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        url: str,
        *,
        connect_timeout: float,
        limit: int,
        key_header: str = AUTHORIZATION,
    ) -> None:
        """Connecting may take `connect_timeout` seconds, a reply's body has at most `limit` bytes.

        The API key goes into the header `key_header`, as a bearer token where that is `authorization`.
        """
        self._transport = transport
        self._key_header = key_header
        self._url = httpx.URL(url)
        self._extensions = {"timeout": {"connect": connect_timeout, "pool": connect_timeout}}
        self._limit = limit
        self._key = ""
        self._heads: dict[bool, httpx.Headers] = {}
        self._answered = False
        self._closes_streams = False

    async def post(self, body: bytes, key: str, *, streamed: bool = False) -> Reply:
        """Returns the reply to `body`, sent with `key`; there is no time limit but the task's own.

        It goes where a redirect asks for the same request within the origin. The key goes nowhere else.

        Raises:
            UpstreamError: The provider cannot be reached, what it says is no HTTP, or it redirects elsewhere.
        """
        url = self._url
        for _ in range(_MOST_REDIRECTS + 1):
            reply = await self._post(url, body, key, close=streamed and self._closes_streams)
            if not 300 <= reply.status < 400:
                return reply
            async with reply:
                target = _target(url, reply.header("location"))
            if target is None or reply.status not in _REPEATS or _origin(target) != _origin(url):
                raise faults.redirected(reply.status, "" if target is None else _shown(target))
            url = target
        raise faults.redirected(reply.status, _shown(url))

    async def _post(self, url: httpx.URL, body: bytes, key: str, *, close: bool) -> Reply:
        # With `stream` rather than `content` httpx does not compute headers that are known here.
        request = httpx.Request(
            "POST",
            url,
            headers=self._head(key, close=close),
            stream=httpx.ByteStream(body),
            extensions=self._extensions,
        )
        await request.aread()
        try:
            response = await self._transport.handle_async_request(request)
        except _FAILURES as error:
            raise self._fault(error) from None
        self._answered = True
        return Reply(response, self._limit)

    def _head(self, key: str, *, close: bool) -> httpx.Headers:
        if key != self._key:
            self._key = key
            self._heads.clear()
        head = self._heads.get(close)
        if head is None:
            lines = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "lightrouter"}
            if key:
                lines[self._key_header] = f"Bearer {key}" if self._key_header == AUTHORIZATION else key
            if close:
                lines["connection"] = "close"
            head = self._heads[close] = httpx.Headers(lines)
        return head

    def _fault(self, error: Exception) -> faults.UpstreamError:
        # The transport wraps most of aiohttp's errors in httpx's, whose kinds tell less.
        cause = error.__cause__ if isinstance(error, httpx.HTTPError) else error
        if isinstance(cause, aiohttp.ClientResponseError):
            return faults.malformed("something that is not HTTP")
        if isinstance(cause, TimeoutError):
            return faults.unavailable("did not accept the connection in time")
        if isinstance(cause, aiohttp.ClientSSLError):
            return faults.unavailable("cannot be trusted: TLS failed")
        if isinstance(cause, aiohttp.ClientConnectorError) or not isinstance(cause, _HUNG_UP):
            return faults.unavailable("cannot be reached")
        # The usual cause is a kept connection that the provider had closed meanwhile; llama.cpp's server, for one,
        # closes each connection after a stream and announces the opposite. From now on, none is kept after a stream.
        self._closes_streams = self._answered
        return faults.unavailable("closed the connection without a reply", stale=self._answered)


def _target(url: httpx.URL, location: str) -> httpx.URL | None:
    """Returns where a redirect of `url` leads; None where it does not say it."""
    try:
        target = url.join(location) if location else None
    except (httpx.InvalidURL, ValueError):
        return None
    return target if target and target.scheme in {"http", "https"} and target.host else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _shown(url: httpx.URL) -> str:
    """Returns the address without what may be secret in it."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))[:200]


def open_transport(url: str, environment_proxies: Mapping[str, str] | None = None) -> httpx.AsyncBaseTransport:
    """Returns the transport for a provider at `url`, through the proxy that the environment names for it.

    It opens connections as they are needed and keeps them for a few seconds; `aclose` ends them.
    """
    parts = urlsplit(url)
    proxies = getproxies() if environment_proxies is None else environment_proxies
    proxy = None if proxy_bypass(parts.hostname or "") else proxies.get(parts.scheme)
    tls = httpx.create_ssl_context() if parts.scheme == "https" else False

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_OWN_HEADERS,
            auto_decompress=False,
            trust_env=False,
        )

    return AiohttpTransport(verify=tls, client=session, proxy=httpx.Proxy(proxy) if proxy else None)
