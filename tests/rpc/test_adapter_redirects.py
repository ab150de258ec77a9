"""Redirects: followed within the origin; the key goes nowhere else; the error names the target."""

from __future__ import annotations

import pytest

from lightrouter.runtime.errors import Code, ServiceError
from tests.rpc.adapter_support import adapter, generation
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream


def to(location: str, code: int = 307) -> Behaviour:
    return behaviours.status(code, headers={"Location": location})


@pytest.mark.parametrize("code", [307, 308])
@pytest.mark.parametrize("location", ["/v2/chat/completions", "other?x=1"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_same_request_goes_where_it_is_sent_within_the_origin(
    code: int, location: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    upstream = Upstream(to(location, code), behaviours.reply("Hello"))
    async with upstream, adapter(upstream.base_url, api_key_env="SOME_KEY") as served:
        await served.ask(generation(), 20, streamed=streamed)
        first, second = upstream.requests
        assert second.method == "POST"
        assert second.raw == first.raw
        assert second.headers["authorization"] == "Bearer s3cret"
        assert second.path == ("/v1/chat/other?x=1" if location.startswith("other") else location)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_the_key_goes_to_no_other_origin_and_the_error_names_it(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    async with Upstream(behaviours.reply("Hello")) as other:
        target = f"{other.base_url}/chat/completions"
        upstream = Upstream(to(f"{target}?token=t0p", code))
        async with upstream, adapter(upstream.base_url, api_key_env="SOME_KEY") as served:
            with pytest.raises(ServiceError) as caught:
                await served.generate(generation())
        assert caught.value.code is Code.FAILED_PRECONDITION
        assert f"redirects to {target}: " in caught.value.message
        assert "t0p" not in caught.value.message
        assert other.requests == []
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("location", ["", "http://[", "mailto:a@b", "https:///x", "\x00"])
async def test_a_redirect_to_nowhere_is_one_sentence(location: str) -> None:
    upstream = Upstream(to(location))
    async with upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
        assert caught.value.code in {Code.FAILED_PRECONDITION, Code.UNAVAILABLE}


async def test_a_loop_ends() -> None:
    upstream = Upstream(to("/v1/chat/completions"))
    async with upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError):
            await served.generate(generation())
        assert len(upstream.requests) == 4


async def test_azures_version_and_key_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    async with Upstream(behaviours.reply("Hello")) as upstream:
        url = f"{upstream.base_url}/deployments/fast/?api-version=2024-10-21"
        async with adapter(url, api_key_env="SOME_KEY", api_key_header="api-key") as served:
            await served.generate(generation())
        (request,) = upstream.requests
        assert request.path == "/v1/deployments/fast/chat/completions?api-version=2024-10-21"
        assert request.headers["api-key"] == "s3cret"
        assert "authorization" not in request.headers
