"""A misbehaving provider, as callers of its adapter see it, over a real channel and a real HTTP server."""

from __future__ import annotations

import asyncio
import logging

import pytest

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.telemetry import names
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.clock import Clock
from tests.rpc.adapter_support import LONG, adapter, generation, most
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

MB = 1024 * 1024
BROKEN_JSON = b'{"choices":[{"message":{"content":"Hel'


def failures() -> list[tuple[str, Behaviour, Code, str, int]]:
    """Returns by name: a behaviour, with the status, the reason and the number of requests that follow from it."""
    return [
        ("hang", behaviours.hang, Code.DEADLINE_EXCEEDED, "UPSTREAM_TIMEOUT", 1),
        ("hang_up", behaviours.hang_up, Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", 2),
        ("reset", behaviours.reset, Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", 2),
        ("429", behaviours.status(429), Code.RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED", 2),
        ("500", behaviours.status(500), Code.UNAVAILABLE, "UPSTREAM_ERROR", 2),
        ("502 html", behaviours.status(502, body=b"<html>"), Code.UNAVAILABLE, "UPSTREAM_ERROR", 2),
        ("401", behaviours.status(401), Code.FAILED_PRECONDITION, "UPSTREAM_UNAUTHENTICATED", 1),
        ("403", behaviours.status(403), Code.FAILED_PRECONDITION, "UPSTREAM_UNAUTHENTICATED", 1),
        ("400", behaviours.status(400), Code.FAILED_PRECONDITION, "UPSTREAM_REJECTED", 1),
        ("302", behaviours.status(302, headers={"Location": "/x"}), Code.FAILED_PRECONDITION, "UPSTREAM_REJECTED", 1),
        ("html", behaviours.html, Code.UNAVAILABLE, "UPSTREAM_MALFORMED", 1),
        ("broken json", behaviours.raw(BROKEN_JSON), Code.UNAVAILABLE, "UPSTREAM_MALFORMED", 1),
        ("empty body", behaviours.raw(b""), Code.UNAVAILABLE, "UPSTREAM_MALFORMED", 1),
        ("no http", _no_http, Code.UNAVAILABLE, "UPSTREAM_MALFORMED", 1),
        ("invalid utf-8", behaviours.invalid_utf8, Code.UNAVAILABLE, "UPSTREAM_MALFORMED", 1),
        ("error in reply", behaviours.raw(b'{"error":{"code":503}}'), Code.UNAVAILABLE, "UPSTREAM_ERROR", 2),
        ("100 MB", behaviours.huge(100 * MB), Code.UNAVAILABLE, "UPSTREAM_TOO_LARGE", 1),
        ("100 MB announced", behaviours.huge(100 * MB, announced=True), Code.UNAVAILABLE, "UPSTREAM_TOO_LARGE", 1),
        ("endless comments", behaviours.endless_comments, Code.UNAVAILABLE, "UPSTREAM_TOO_LARGE", 1),
        ("empty text", behaviours.reply(""), Code.UNAVAILABLE, "EMPTY_OUTPUT", 1),
        ("blank text", behaviours.reply(" \n"), Code.UNAVAILABLE, "EMPTY_OUTPUT", 1),
        ("null text", behaviours.reply(None, "content_filter"), Code.UNAVAILABLE, "EMPTY_OUTPUT", 1),
        ("slow drip", behaviours.drip("a" * 1000, 0.05), Code.DEADLINE_EXCEEDED, "UPSTREAM_TIMEOUT", 1),
    ]


async def _no_http(exchange: Exchange) -> None:
    exchange.keep = False
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


@pytest.mark.parametrize("streamed", [False, True], ids=["generate", "stream"])
@pytest.mark.parametrize(
    ("name", "behaviour", "code", "reason", "requests"), [pytest.param(*each, id=each[0]) for each in failures()]
)
async def test_failure(
    name: str, behaviour: Behaviour, code: Code, reason: str, requests: int, streamed: bool, clock: Clock
) -> None:
    limits = {"retries": 1, "max_response_bytes": MB, "request_timeout_s": 2 * LONG}
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url, limits=limits) as served:
        call = asyncio.create_task(served.ask(generation(), LONG, streamed=streamed))
        if reason == "UPSTREAM_TIMEOUT":
            # If nothing else ends the call, its deadline does.
            await upstream.arrived()
            clock.advance(LONG)
        with pytest.raises(ServiceError) as caught:
            await call
        assert caught.value.code == code
        assert caught.value.reason == ErrorReason.Value(f"ERROR_REASON_{reason}")
        # A stream asks for counts, which the provider may refuse: one more request leaves them out.
        assert len(upstream.requests) == requests + (name == "400" and streamed)
        if reason in {"UPSTREAM_TIMEOUT", "UPSTREAM_TOO_LARGE"}:
            await upstream.all_closed()


async def test_an_endless_stream_ends_at_the_limit_or_the_deadline() -> None:
    limits = {"max_response_bytes": MB}
    async with Upstream(behaviours.endless) as upstream, adapter(upstream.base_url, limits=limits) as served:
        texts: list[str] = []
        with pytest.raises(ServiceError) as caught:
            await served.read(generation(), texts)
        assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE
        assert 0 < len("".join(texts)) < MB
        await upstream.all_closed()


async def test_an_endpoint_that_nobody_listens_on() -> None:
    async with Upstream(behaviours.hang) as upstream:
        base_url = upstream.base_url
    async with adapter(base_url, limits={"retries": 1}) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE


@pytest.mark.parametrize(
    "cut", [behaviours.reset_mid_stream("Hel", "lo"), behaviours.stream([behaviours.delta("Hello")], None, done=False)]
)
async def test_a_stream_that_breaks_is_not_begun_again(cut: Behaviour) -> None:
    async with Upstream(cut) as upstream, adapter(upstream.base_url) as served:
        texts: list[str] = []
        with pytest.raises(ServiceError) as caught:
            await served.read(generation(), texts)
        assert "".join(texts) == "Hello"
        assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
        assert len(upstream.requests) == 1


async def test_a_stream_that_breaks_before_its_text_is_begun_again() -> None:
    async with (
        Upstream(behaviours.reset_mid_stream(), behaviours.reply("Hello")) as upstream,
        adapter(upstream.base_url) as served,
    ):
        events = [event async for event in served.stream(generation())]
    assert "".join(event.chunk.text for event in events) == "Hello"
    assert events[-1].result.attempts == 2


async def test_a_broken_stream_that_nobody_watches_is_begun_again() -> None:
    async with Upstream(behaviours.model("Hello world")) as upstream, adapter(upstream.base_url) as served:
        boot = await served.generate(generation(sampling=most(5)))
        upstream.then(behaviours.reset_mid_stream(" wo"), behaviours.model("Hello world"))
        rest = await served.generate(generation(prefix=boot.text, continuation=boot.result.continuation))
    assert boot.text + rest.text == "Hello world"
    assert rest.result.attempts == 2


async def test_retry_after_is_honoured() -> None:
    limited = behaviours.status(429, headers={"Retry-After": "0.3"})
    async with Upstream(limited, behaviours.reply("Hello")) as upstream, adapter(upstream.base_url) as served:
        response = await served.generate(generation())
        assert response.text == "Hello"
        assert response.result.attempts == 2
        assert upstream.requests[1].at - upstream.requests[0].at >= 0.3


async def test_retry_after_beyond_the_deadline_is_told_at_once() -> None:
    limited = behaviours.status(429, "slow down", headers={"Retry-After": "3600"})
    async with Upstream(limited) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
        assert caught.value.retry_after == 3600
        assert "slow down" in caught.value.message
        assert len(upstream.requests) == 1


async def test_wrong_counts_are_counted_here() -> None:
    wrong = {"prompt_tokens": 3, "completion_tokens": 10**9}
    async with (
        Upstream(behaviours.reply("Hello world!", usage=wrong)) as upstream,
        adapter(upstream.base_url) as served,
    ):
        for response in (
            (await served.generate(generation())).result,
            [event async for event in served.stream(generation())][-1].result,
        ):
            assert response.usage.estimated
            assert response.usage.output_tokens == 3


async def test_only_reasoning_is_no_failure() -> None:
    hidden = behaviours.reply("", "length", reasoning_content="hmm")
    async with Upstream(hidden) as upstream, adapter(upstream.base_url) as served:
        response = await served.generate(generation(sampling=most(5)))
    assert (response.text, response.reasoning) == ("", "hmm")
    assert response.result.finish_reason == FinishReason.FINISH_REASON_LENGTH


async def test_reasoning_that_nobody_sees_is_no_failure() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 50}}
    async with (
        Upstream(behaviours.reply("", "length", usage), behaviours.reply("Hello")) as upstream,
        adapter(upstream.base_url) as served,
    ):
        boot = await served.generate(generation(sampling=most(50)))
        assert boot.text == ""
        assert boot.result.finish_reason == FinishReason.FINISH_REASON_LENGTH
        assert boot.result.usage.reasoning_tokens == 50
        rest = await served.generate(generation(continuation=boot.result.continuation, sampling=most(20)))
        assert (rest.text, rest.restarted) == ("Hello", True)
        # The model must write its reasoning again before any text.
        assert upstream.requests[1].body["max_tokens"] == 70


async def test_a_watched_call_without_any_text_has_no_time_to_its_first() -> None:
    async with Upstream(behaviours.reply(None, "length")) as upstream, adapter(upstream.base_url) as served:
        *_, last = [event async for event in served.stream(generation(sampling=most(5)))]
        span = served.spans.get_finished_spans()[-1]
    assert last.result.finish_reason == FinishReason.FINISH_REASON_LENGTH
    assert not last.result.HasField("time_to_first_token")
    assert names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK not in (span.attributes or {})


@pytest.mark.parametrize("asked", ["1e300", "99999999999999999999"])
async def test_retry_after_without_an_end_is_told_as_a_day(asked: str) -> None:
    limited = behaviours.status(429, "slow down", headers={"Retry-After": asked})
    async with Upstream(limited) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED
    assert caught.value.retry_after == 24 * 3600


async def test_errors_never_show_a_key(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "topsecret0123456789"
    monkeypatch.setenv("TEST_KEY", secret)
    caplog.set_level(logging.DEBUG)
    refusals = [behaviours.status(code, f"the key {secret} is bad") for code in (400, 401, 429, 500)]
    async with (
        Upstream(behaviours.hang_up, *refusals) as upstream,
        adapter(upstream.base_url, api_key_env="TEST_KEY", limits={"retries": 0}) as served,
    ):
        for _ in range(5):
            with pytest.raises(ServiceError) as caught:
                await served.generate(generation())
            assert secret not in str(caught.value)
        assert all(request.headers["authorization"] == f"Bearer {secret}" for request in upstream.requests)
        spans = str([(span.attributes, span.status.description) for span in served.spans.get_finished_spans()])
    assert secret not in spans
    assert secret not in caplog.text


async def test_a_missing_key_costs_nothing() -> None:
    async with (
        Upstream(behaviours.reply("x")) as upstream,
        adapter(upstream.base_url, api_key_env="LIGHTROUTER_TEST_NOT_SET") as served,
    ):
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
        assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED
        assert "LIGHTROUTER_TEST_NOT_SET" in caught.value.message
        assert not upstream.requests
