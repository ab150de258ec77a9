"""A provider that cannot go on from a text writes it anew in the same call, and the adapter remembers it, once."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import ChatMessage, Role, Sampling
from tests.held import read
from tests.rpc.adapter_support import adapter, asked, generation, most
from tests.rpc.test_adapter_learns import goes_on, refuses
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

MESSAGES = [
    ChatMessage(role=Role.ROLE_SYSTEM, content="Be brief."),
    ChatMessage(role=Role.ROLE_USER, content="Why is the sky blue?"),
]
# All that a request may have.
SAMPLING = Sampling(max_output_tokens=100, temperature=0.5, top_p=0.9, seed=7, stop=["END"])
ANSWER = "Blue light is scattered most."


def openai(message: str, **members: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **members}}


def anthropic(message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}, "request_id": "req_1"}


def gemini(message: str) -> list[dict[str, Any]]:
    return [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}]


def vllm(message: str, code: int = 400) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": code}


UNSUPPORTED = "This model does not support assistant message prefill. The conversation must end with a user message."
THINKING = (
    "messages.2.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is "
    "enabled, a final `assistant` message must start with a thinking block (preceding the lastmost set of `tool_use` "
    "and `tool_result` blocks). To avoid this requirement, disable `thinking`. Please consult our documentation."
)
# The words of providers for a conversation that ends with the assistant's turn.
REFUSALS: dict[str, tuple[int, object]] = {
    "Anthropic": (400, anthropic(UNSUPPORTED)),
    "Anthropic, OpenAI's API": (400, openai(UNSUPPORTED, code="invalid_request_error")),
    "Anthropic, with thinking": (400, anthropic(THINKING)),
    "Anthropic, another sentence": (400, anthropic("Prefilling assistant messages is not supported for this model.")),
    "Bedrock": (400, {"message": "A conversation must end with a user message. Try again with one that does."}),
    "Gemini": (400, gemini("Please ensure that multiturn requests end with a user role.")),
    "Gemini, its own role": (400, gemini("Requests ending with a model turn are not supported by this model.")),
    "Gemini, unsupported": (400, gemini("Unsupported model turn at the end of the contents.")),
    "Gemini, order": (400, gemini("Please ensure that multiturn requests alternate between user and model.")),
    "OpenAI": (400, openai("Invalid value: 'assistant'. The last message must be from 'user' or 'tool'.")),
    "OpenAI, unsupported": (
        400,
        openai(
            "Unsupported value: 'messages[2].role' does not support 'assistant' with this model.",
            param="messages[2].role",
            code="unsupported_value",
        ),
    ),
    "vLLM": (
        400,
        vllm(
            "Cannot set `add_generation_prompt` to True when the last message is from the assistant. Consider using "
            "`continue_final_message` instead."
        ),
    ),
    "vLLM, template": (
        400,
        vllm("continue_final_message is set but the final message does not appear in the chat after the template"),
    ),
    "vLLM, validation": (
        422,
        {"detail": [{"loc": ["body", "messages", 2, "role"], "msg": "unexpected value", "type": "value_error.const"}]},
    ),
    "TGI": (
        422,
        {
            "error": "Template error: invalid operation: Conversation roles must alternate user/assistant/...",
            "error_type": "template_error",
        },
    ),
    "Mistral": (
        400,
        vllm("Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant", 3230),
    ),
    "DeepSeek": (
        400,
        openai(
            "The last message of deepseek-reasoner must be a user message, or an assistant message with prefix mode on."
        ),
    ),
    "Cohere": (422, {"message": "invalid request: the last message must have role user"}),
    "Azure": (
        400,
        {"error": {"code": "BadRequest", "message": "The conversation cannot end with an assistant message"}},
    ),
    "llama.cpp": (400, openai("Assistant response prefill is incompatible with enable_thinking.", code=400)),
    "llama.cpp, two turns": (400, openai("Cannot have 2 or more assistant messages at the end of the list.", code=400)),
    "llama.cpp, failed": (500, openai("Assistant response prefill is incompatible with enable_thinking.", code=500)),
    "no words": (400, {}),
    "no words, 422": (422, {}),
    "a number": (400, {"error": {"code": 20015, "message": "parameter is invalid"}}),
}


def refusing(status: int, body: object) -> Behaviour:
    """Refuses to go on with these words; writes the answer anew otherwise."""

    async def behave(exchange: Exchange) -> None:
        if goes_on(exchange.request.body):
            await exchange.reply(json.dumps(body).encode(), status)
        else:
            await behaviours.reply(ANSWER)(exchange)

    return behave


def completion(*, by_caller: bool = False) -> Generation:
    """Returns a call that goes on from a first part, which an earlier call or the caller wrote."""
    if by_caller:
        said = ChatMessage(role=Role.ROLE_ASSISTANT, content="Because blue")
        return Generation(messages=[*MESSAGES, said], sampling=SAMPLING)
    return Generation(messages=MESSAGES, prefix="Because blue", sampling=SAMPLING)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", REFUSALS)
@pytest.mark.parametrize("by_caller", [False, True])
async def test_a_provider_that_refuses_to_go_on(
    provider: str, streamed: bool, by_caller: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with Upstream(refusing(*REFUSALS[provider])) as upstream, adapter(upstream.base_url) as served:
        boot = await asked(served, Generation(messages=MESSAGES, sampling=SAMPLING), streamed=streamed)
        assert not boot.restarted
        for attempts in (2, 1, 1):
            answer = await asked(served, completion(by_caller=by_caller), streamed=streamed)
            assert (answer.text, answer.restarted, answer.result.attempts) == (ANSWER, True, attempts)
        assert [goes_on(request.body) for request in upstream.requests] == [False, True, False, False, False]
        assert await refuses(served) == ["prefill"]
        # Nothing else of the request is blamed.
        assert {"temperature", "top_p", "seed", "stop"} <= upstream.requests[-1].body.keys()
        assert [turn["role"] for turn in upstream.requests[-1].body["messages"]] == ["system", "user"]
    said = [record for record in caplog.records if "refuses" in record.getMessage()]
    assert [(record.levelno, record.getMessage()) for record in said] == [
        (logging.WARNING, "the provider of fast refuses: ['prefill']; requests avoid this from now on")
    ]


@pytest.mark.parametrize("streamed", [False, True])
async def test_words_on_the_order_of_turns_blame_nothing_else(streamed: bool) -> None:
    """Templates say the same of a system message, which is tried first if no call has had one."""
    async with Upstream(refusing(*REFUSALS["TGI"])) as upstream, adapter(upstream.base_url) as served:
        for attempts in (3, 1):
            answer = await asked(served, completion(), streamed=streamed)
            assert (answer.text, answer.restarted, answer.result.attempts) == (ANSWER, True, attempts)
        assert await refuses(served) == ["prefill"]


BEGUN = "Blue light is scattered more than red"


@pytest.mark.parametrize("tokens", [0, 3])
async def test_a_provider_that_ignores_the_first_part_twice(tokens: int, caplog: pytest.LogCaptureFixture) -> None:
    request = generation(prefix=BEGUN)
    async with Upstream(behaviours.reply(ANSWER)) as upstream, adapter(upstream.base_url) as served:
        for _ in range(4):
            held = await read(served.hold(request, tokens))
            assert held.output == (ANSWER, "")
            assert held.before.restarted or held.after.restarted
        assert [goes_on(request.body) for request in upstream.requests] == [True, True, False, False]
        assert await refuses(served) == ["prefill"]
    assert sum("refuses" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_provider_that_repeats_the_first_part_goes_on(known: bool, streamed: bool) -> None:
    async def behave(exchange: Exchange) -> None:
        await behaviours.reply(f"{BEGUN} light.")(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url, echoes_prefix=known) as served:
        for _ in range(3):
            answer = await asked(served, generation(prefix=BEGUN), streamed=streamed)
            assert (answer.text, answer.restarted) == (" light.", False)
        assert all(goes_on(request.body) for request in upstream.requests)
        assert await refuses(served) == []


async def test_a_held_call_that_is_refused_is_written_anew_and_held() -> None:
    """Its checkpoint comes after the tokens of the first part, which it writes again, and those that were asked for."""

    async def behave(exchange: Exchange) -> None:
        refused = behaviours.status(400, UNSUPPORTED)
        await (refused if goes_on(exchange.request.body) else behaviours.tokens(list("abcdefgh")))(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        boot = await asked(served, generation(sampling=most(3)), streamed=False)
        request = generation(prefix=boot.text, continuation=boot.result.continuation)
        for attempts in (2, 1):
            held = await read(served.hold(request, 2))
            assert held.checkpoint is not None
            assert held.checkpoint.attempts == attempts
            assert (held.before.restarted, held.before.text, held.after.text) == (True, "abcde", "fgh")


async def test_no_text_is_settled_before_the_use_of_the_prefill_is_known() -> None:
    prefix = "Blue light"
    events = [behaviours.delta(token) for token in ["Blue", " light", " is", " here", "."]]
    async with (
        Upstream(behaviours.stream([*events, behaviours.delta(finish="stop")])) as upstream,
        adapter(upstream.base_url) as served,
    ):
        held = await read(served.hold(generation(prefix=prefix), 1))
        assert held.checkpoint is not None
        assert held.booted == ("", "")
        assert held.output == (" is here.", "")
        assert not held.after.restarted
