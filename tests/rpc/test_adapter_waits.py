"""Rate limits and pauses of a provider, as callers of its adapter see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lightrouter.runtime.circuit import State
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.rpc.adapter_support import adapter, answered, failed, generation, most
from tests.upstreams import behaviours
from tests.upstreams.upstream import Upstream

LENGTH = FinishReason.FINISH_REASON_LENGTH


async def test_a_limit_that_was_spent_before_any_text_is_a_cut_and_costs() -> None:
    words = "Could not finish the message because max_tokens or model output limit was reached. Try a higher one."
    response = await answered(behaviours.status(400, words), generation(sampling=most(20)))
    assert (response.text, response.result.finish_reason) == ("", LENGTH)
    assert response.result.usage.reasoning_tokens == response.result.usage.output_tokens == 20
    assert response.result.usage.estimated


@pytest.mark.parametrize("status", [400, 500])
async def test_a_spent_limit_is_a_failure_without_a_limit_or_with_another_status(status: int) -> None:
    words = "Could not finish the message because max_tokens or model output limit was reached."
    limit = generation() if status == 400 else generation(sampling=most(20))
    async with Upstream(behaviours.status(status, words)) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(limit)
    assert "Could not finish" in caught.value.message


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (429, {"retry-after-ms": "3600000"}, {}),
        (429, {"x-ratelimit-reset-requests": "1h"}, {}),
        (429, {"RateLimit-Reset": "3600"}, {}),
        (429, {}, {"details": [{"@type": "google.rpc.RetryInfo", "retryDelay": "3600s"}]}),
        (429, {}, {"message": "Please try again in 1h."}),
        (503, {"Retry-After": "3600"}, {}),
        (503, {}, {"retry_after": 3600}),
        (200, {}, {"code": 429, "retry_after": 3600}),
    ],
)
async def test_waits_are_honoured_and_passed_on(status: int, headers: dict[str, str], error: dict[str, Any]) -> None:
    body = json.dumps({"error": {"message": "no", **error}}).encode()
    limited = behaviours.status(status, headers=headers, body=body)
    async with Upstream(limited) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
        assert caught.value.retry_after == 3600
        assert len(upstream.requests) == 1


async def test_the_reset_of_a_limit_is_no_wait_while_none_is_reached() -> None:
    error = await failed(behaviours.status(503, headers={"x-ratelimit-reset-requests": "1h"}))
    assert error.retry_after is None


@pytest.mark.parametrize(
    "asked_for",
    ["Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 2026 23:59:59 +99999999999"],
)
async def test_a_crafted_wait_is_no_defect(asked_for: str) -> None:
    error = await failed(behaviours.status(429, headers={"Retry-After": asked_for}))
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED


@pytest.mark.parametrize("error", [{"code": "insufficient_quota"}, {"type": "insufficient_quota", "retry_after": 1}])
@pytest.mark.parametrize("status", [429, 200])
async def test_an_account_that_is_used_up_is_not_asked_again(status: int, error: dict[str, Any]) -> None:
    body = json.dumps({"error": {"message": "You exceeded your current quota", **error}}).encode()
    async with Upstream(behaviours.status(status, body=body)) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
        assert len(upstream.requests) == 1
    assert caught.value.code == Code.RESOURCE_EXHAUSTED
    assert caught.value.retry_after is None
    assert "You exceeded your current quota" in caught.value.message


async def test_failures_say_how_many_attempts_they_took() -> None:
    error = await failed(behaviours.status(500), limits={"retries": 2})
    assert error.attempts == 3


CLOSED, OPEN = State.CLOSED, State.OPEN


@pytest.mark.parametrize(
    ("status", "words", "state"),
    [
        pytest.param(404, "The model `tiny` does not exist or you do not have access to it.", OPEN, id="openai-model"),
        pytest.param(404, 'model "tiny" not found, try pulling it first', OPEN, id="ollama-model"),
        pytest.param(404, "Not Found", OPEN, id="address"),
        pytest.param(405, "Method Not Allowed", OPEN, id="method"),
        pytest.param(410, "Gone", OPEN, id="gone"),
        pytest.param(400, "Model Not Exist", OPEN, id="deepseek-model"),
        pytest.param(400, "Invalid model: tiny", OPEN, id="mistral-model"),
        pytest.param(400, "tiny is not a valid model ID", OPEN, id="openrouter-model"),
        pytest.param(
            400, "The model `tiny` has been decommissioned and is no longer supported.", OPEN, id="groq-model"
        ),
        pytest.param(400, "API key not valid. Please pass a valid API key.", OPEN, id="gemini-key"),
        pytest.param(401, "Incorrect API key provided", OPEN, id="401"),
        pytest.param(403, "You are not allowed to sample from this model", OPEN, id="403"),
        pytest.param(402, "Payment required", OPEN, id="402"),
        pytest.param(400, "Your credit balance is too low to access the Anthropic API.", OPEN, id="anthropic-balance"),
        pytest.param(403, "Your chosen model requires moderation and your input was flagged", CLOSED, id="moderation"),
        pytest.param(400, "something that nobody knows", CLOSED, id="400"),
        pytest.param(400, "This model's maximum context length is 8192 tokens.", CLOSED, id="context"),
        pytest.param(400, "inputs tokens + max_new_tokens must be <= 4096. Given: 5000 and 200", CLOSED, id="tgi"),
        pytest.param(413, "Request too large for model `tiny` on tokens per minute", CLOSED, id="groq-413"),
        pytest.param(
            429, "Request too large for tiny on tokens per min (TPM): Limit 1, Requested 9.", CLOSED, id="tpm"
        ),
        pytest.param(429, "Rate limit: Limit 10000, Used 0, Requested 12000.", CLOSED, id="numbers"),
    ],
)
async def test_only_what_is_the_candidates_own_fault_opens_its_circuit(status: int, words: str, state: State) -> None:
    members: dict[str, Any] = {"circuit": {"failures": 2}}
    async with Upstream(behaviours.status(status, words)) as upstream, adapter(upstream.base_url, **members) as served:
        for _ in range(2):
            with pytest.raises(ServiceError) as caught:
                await served.generate(generation())
            assert not caught.value.retry_after
            assert words[:20] in caught.value.message
        assert served.live.engine.provider_state.circuit.state is state
        assert len(upstream.requests) == 2
        assert not served.live.engine.provider_state.backoff.refusal()


async def test_an_ordinary_limit_is_waited_for_whatever_numbers_it_gives() -> None:
    words = "Rate limit reached on tokens per min (TPM): Limit 10000, Used 9000, Requested 3000. Try again in 1h."
    async with Upstream(behaviours.status(429, words)) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
        assert caught.value.retry_after == 3600
