"""The HTTP transport: requests out, bytes in. All that knows aiohttp is here."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from multidict import MultiMapping
from yarl import URL

from lightrouter.adapter import faults
from lightrouter.adapter.inflate import Inflater
from lightrouter.pool.values import AUTHORIZATION

_FAILURES: Final = (aiohttp.ClientError, OSError)
_HUNG_UP: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
# Headers that aiohttp would add.
_UNWANTED_HEADERS: Final = ("User-Agent", "Accept", "Accept-Encoding")
# Shorter than the 5 s after which uvicorn, under many model servers, closes an idle connection by default.
_KEEPALIVE_SECONDS: Final = 4.5
# A choice: the most bytes of a body in one piece, so that a fast provider does not hold the event loop.
_CHUNK_BYTES: Final = 16 * 1024
# Statuses that ask for the same request at another address (RFC 9110, 15.4.8 and 15.4.9).
_REPEATS: Final = frozenset({307, 308})
# A choice: the most redirects that one request follows.
_MOST_REDIRECTS: Final = 3


class Reply:
    """A reply of which the head has come. A context manager: if you leave it before the end, the connection closes."""

    def __init__(
        self,
        status: int,
        headers: MultiMapping[str],
        body: AsyncIterator[bytes],
        close: Callable[[], None],
        limit: int,
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """Accepts a `body` of at most `limit` bytes; calls `close` when the reply is left."""
        self.status = status
        """The HTTP status."""
        self.ended = ended
        """Tells whether the whole body has come, so that `chunk` waits for nothing."""
        self._headers = headers
        self._body = body
        self._close = close
        self._limit = limit
        self._size = 0
        self._inflater: Inflater | None = None
        self._unpacked: Iterator[bytes] = iter(())

    def header(self, name: str) -> str:
        """Returns a header's value; empty if there is none, joined by commas if there are several."""
        return ", ".join(self._headers.getall(name, ()))

    def headers(self) -> dict[str, str]:
        """Returns all headers, by their names in lower case, each as `header` does."""
        return {name.lower(): self.header(name) for name in self._headers}

    async def chunk(self) -> bytes | None:
        """Returns the next part of the body as it comes; None at its end.

        Raises:
            UpstreamError: The connection broke before the end, the body is larger than allowed, or it is compressed in
                an unknown way.
        """
        inflater = self._inflater = self._inflater or self._opened()
        try:
            while (chunk := next(self._unpacked, None)) is None:
                packed = await anext(self._body, None)
                if packed is None:
                    inflater.close()
                    return None
                self._unpacked = inflater.feed(packed)
        except _FAILURES:
            raise faults.unavailable("closed the connection before its reply had ended") from None
        self._size += len(chunk)
        if self._size > self._limit:
            raise faults.too_large(self._limit)
        return chunk

    def _opened(self) -> Inflater:
        length = self.header("content-length")
        if length.isdecimal() and (len(length) > 18 or int(length) > self._limit):
            raise faults.too_large(self._limit)
        return Inflater(self.header("content-encoding"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


class Endpoint:
    """The address of one provider's API, which takes POST requests with JSON bodies."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        stream_url: str = "",
        *,
        limit: int,
        key_header: str = AUTHORIZATION,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Posts over `session` to `url`, and to `stream_url` for streams if it is given.

        A reply's body has at most `limit` bytes. Each request has `headers`. The API key goes into the header
        `key_header`, as a bearer token if that is `authorization`.
        """
        self._session = session
        self._url = URL(url)
        self._stream_url = URL(stream_url or url)
        self._limit = limit
        self._key_header = key_header
        self._headers = headers
        self._key = ""
        self._heads: dict[bool, dict[str, str]] = {}
        self._answered = False
        self._closes_streams = False

    async def post(self, body: bytes, key: str, *, streamed: bool = False) -> Reply:
        """Returns the reply to `body`, sent with `key`. Only connecting has a time limit here; the task has its own.

        Follows a redirect that asks for the same request within the origin. The key goes nowhere else.

        Raises:
            UpstreamError: The provider cannot be reached, does not speak HTTP, or redirects elsewhere.
        """
        url = self._stream_url if streamed else self._url
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

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def _post(self, url: URL, body: bytes, key: str, *, close: bool) -> Reply:
        try:
            response = await self._session.post(
                url, data=body, headers=self._head(key, close=close), allow_redirects=False
            )
        except _FAILURES as error:
            raise self._fault(error) from None
        self._answered = True
        content = response.content
        chunks = content.iter_chunked(_CHUNK_BYTES)
        return Reply(response.status, response.headers, chunks, response.close, self._limit, content.is_eof)

    def _head(self, key: str, *, close: bool) -> dict[str, str]:
        if key != self._key:
            self._key = key
            self._heads.clear()
        head = self._heads.get(close)
        if head is None:
            head = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "lightrouter"}
            head |= self._headers
            if key:
                head[self._key_header] = f"Bearer {key}" if self._key_header == AUTHORIZATION else key
            if close:
                head["connection"] = "close"
            self._heads[close] = head
        return head

    def _fault(self, error: Exception) -> faults.UpstreamError:
        if isinstance(error, aiohttp.ClientResponseError):
            return faults.malformed("something that is not HTTP")
        if isinstance(error, TimeoutError):
            return faults.unavailable("did not accept the connection in time", free=True)
        if isinstance(error, aiohttp.ClientSSLError):
            return faults.unavailable("cannot be trusted: TLS failed", free=True)
        if isinstance(error, aiohttp.ClientConnectorError):
            return faults.unavailable("cannot be reached", free=True)
        if not isinstance(error, _HUNG_UP):
            return faults.unavailable("cannot be reached")
        # As a rule, the provider had closed a kept connection meanwhile. llama.cpp's server, for example, closes each
        # connection after a stream and announces the opposite. From now on, no connection is kept after a stream.
        self._closes_streams = self._answered
        return faults.unavailable("closed the connection without a reply", stale=self._answered)


def _target(url: URL, location: str) -> URL | None:
    """Returns the address to which a redirect of `url` leads; None if `location` is no HTTP address."""
    try:
        target = url.join(URL(location)) if location else None
    except ValueError:
        return None
    return target if target and target.scheme in {"http", "https"} and target.host else None


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port


def _shown(url: URL) -> str:
    """Returns the address without the parts that may be secret."""
    return str(url.with_user(None).with_query(None).with_fragment(None))[:200]


def open_session(
    url: str, connect_timeout: float, environment_proxies: Mapping[str, str] | None = None
) -> aiohttp.ClientSession:
    """Returns the session for a provider at `url`, through the proxy that the environment names for it.

    It opens connections as they are needed, each within `connect_timeout` seconds, and keeps them for a few seconds.
    It must be made on the running event loop.
    """
    parts = URL(url)
    proxies = getproxies() if environment_proxies is None else environment_proxies
    proxy = "" if proxy_bypass(parts.host or "") else proxies.get(parts.scheme, "")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    tls = _trusted() if parts.scheme == "https" else False
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=tls),
        timeout=aiohttp.ClientTimeout(connect=connect_timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_UNWANTED_HEADERS,
        # Inflater decompresses within a bound.
        auto_decompress=False,
        proxy=proxy or None,
    )


def _trusted() -> ssl.SSLContext:
    """Returns TLS that trusts the authorities of SSL_CERT_FILE and SSL_CERT_DIR; without them, certifi's."""
    file, folder = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    return ssl.create_default_context(cafile=file if file or folder else certifi.where(), capath=folder)
