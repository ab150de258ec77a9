"""The HTTP transport against real servers: proxies, TLS, and what one reply leaves for the next request."""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.http import Endpoint, Reply, open_session
from tests.authority import Authority
from tests.upstreams.upstream import Exchange, Upstream

LIMIT = 1024


@asynccontextmanager
async def endpoint(
    url: str, proxies: Mapping[str, str] | None = None, connect_timeout: float = 60
) -> AsyncIterator[Endpoint]:
    made = Endpoint(open_session(url, connect_timeout, proxies or {}), url, limit=LIMIT)
    try:
        yield made
    finally:
        await made.aclose()


async def body(reply: Reply) -> bytes:
    parts = []
    async with reply:
        while (chunk := await reply.chunk()) is not None:
            parts.append(chunk)
    return b"".join(parts)


async def ok(exchange: Exchange) -> None:
    await exchange.reply(b"ok")


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_requests_go_through_the_proxy_that_the_environment_names(scheme: str) -> None:
    async with Upstream(ok) as proxy:
        named = proxy.base_url.replace("http://", f"{scheme}some:one@").removesuffix("/v1")
        async with endpoint("http://provider.invalid/v1/chat", {"http": named, "https": "http://h"}) as made:
            for _ in range(2):
                assert await body(await made.post(b"{}", "s3cret")) == b"ok"
        first, second = proxy.requests
        assert first.path == second.path == "http://provider.invalid/v1/chat"
        expected = f"Basic {base64.b64encode(b'some:one').decode()}"
        assert first.headers["proxy-authorization"] == second.headers["proxy-authorization"] == expected
        assert first.headers["authorization"] == "Bearer s3cret"


async def test_other_schemes_proxies_are_not_used() -> None:
    async with Upstream(ok) as upstream, endpoint(upstream.base_url, {"https": "http://proxy.invalid"}) as made:
        assert await body(await made.post(b"{}", "")) == b"ok"


async def test_a_request_has_no_headers_but_its_own_and_no_cookies() -> None:
    async def cookie(exchange: Exchange) -> None:
        await exchange.reply(b"ok", headers={"Set-Cookie": "a=b"})

    async with Upstream(cookie) as upstream, endpoint(upstream.base_url.replace("127.0.0.1", "localhost")) as made:
        for _ in range(2):
            await body(await made.post(b"{}", "s3cret"))
        for request in upstream.requests:
            assert {name: value for name, value in request.headers.items() if name != "host"} == {
                "content-type": "application/json",
                "content-length": "2",
                "accept-encoding": "identity",
                "user-agent": "lightrouter",
                "authorization": "Bearer s3cret",
            }


@asynccontextmanager
async def over_tls(authority: Authority) -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}/v1"


async def test_tls_trusts_the_authorities_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, "ours")
    async with over_tls(authority) as url:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        async with endpoint(url) as made:
            assert await body(await made.post(b"{}", "")) == b"ok"


async def test_tls_of_a_stranger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    async with over_tls(Authority(tmp_path, "stranger")) as url, endpoint(url) as made:
        with pytest.raises(UpstreamError, match="cannot be trusted: TLS failed"):
            await made.post(b"{}", "")


async def test_a_connection_has_its_own_time_limit_tls_included() -> None:
    async def silent(exchange: Exchange) -> None:
        await exchange.hang()

    async with Upstream(silent) as upstream:
        url = upstream.base_url.replace("http://", "https://")
        async with endpoint(url, connect_timeout=0.05) as made:
            with pytest.raises(UpstreamError, match="did not accept the connection in time"):
                await made.post(b"{}", "")


async def test_the_pool_of_connections_has_no_limit_of_its_own() -> None:
    async with Upstream(ok) as upstream, endpoint(upstream.base_url) as made:
        many = 120
        gate = asyncio.Event()

        async def held(exchange: Exchange) -> None:
            await gate.wait()
            await ok(exchange)

        upstream.then(held)
        calls = [asyncio.create_task(made.post(b"{}", "")) for _ in range(many)]
        await upstream.arrived(many)
        gate.set()
        assert [await body(await call) for call in calls] == [b"ok"] * many


async def test_a_reply_read_to_its_end_keeps_the_connection_and_one_that_is_left_closes_it() -> None:
    async def long(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.chunk(b"data: 1\n\n")
        await exchange.hang()

    async with Upstream(ok, ok, long) as upstream, endpoint(upstream.base_url) as made:
        for _ in range(2):
            await body(await made.post(b"{}", ""))
        (connection,) = upstream.connections
        async with await made.post(b"{}", "") as reply:
            await reply.chunk()
            assert not connection.closed.is_set()
        await connection.closed.wait()
        assert len(upstream.connections) == 1


async def test_a_kept_connection_that_was_closed_is_stale_and_streams_are_not_kept_from_then_on() -> None:
    async def hang_up(exchange: Exchange) -> None:
        exchange.keep = False

    async with Upstream(hang_up, ok, hang_up, ok) as upstream, endpoint(upstream.base_url) as made:
        with pytest.raises(UpstreamError) as first:
            await made.post(b"{}", "")
        assert not first.value.stale
        await body(await made.post(b"{}", "", streamed=True))
        with pytest.raises(UpstreamError) as second:
            await made.post(b"{}", "", streamed=True)
        assert second.value.stale
        await body(await made.post(b"{}", "", streamed=True))
        assert [request.headers.get("connection") for request in upstream.requests] == [None, None, None, "close"]


async def test_headers_that_are_given_twice_count_as_one_list() -> None:
    async def packed(exchange: Exchange) -> None:
        content = gzip.compress(b"ok")
        lines = ["HTTP/1.1 200 OK", "Content-Encoding: identity", "Content-Encoding: gzip"]
        head = "\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""])
        await exchange.send(head.encode() + content)

    async with Upstream(packed) as upstream, endpoint(upstream.base_url) as made:
        assert await body(await made.post(b"{}", "")) == b"ok"
