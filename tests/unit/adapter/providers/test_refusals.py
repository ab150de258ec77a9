"""Refusals in providers' own words, and their remedies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lightrouter.adapter.providers.error_body import read_error
from lightrouter.adapter.providers.refusals import Refusal, features, refusal
from lightrouter.adapter.providers.turns import alternating, without_system
from lightrouter.adapter.quirks import PREFILL, Quirks

USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": "Well"}


def sent(*turns: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(turns or (USER,)), "stream": False, **members}


def error(message: str, **members: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **members}})


def meant(body: str, request: dict[str, Any], status: int | None = 400) -> Refusal:
    return refusal(status, read_error(body), request)


def named(body: str, request: dict[str, Any], status: int | None = 400) -> Quirks:
    found = meant(body, request, status).remedies
    assert found
    assert found[0].named
    return found[0].quirks


OPTIONS: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.5,
    "seed": 7,
    "stop": ["END"],
    "stream_options": {"include_usage": True},
}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (
            error(
                "Unsupported parameter: 'temperature' is not supported with this model.",
                param="temperature",
                code="unsupported_parameter",
            ),
            "temperature",
        ),
        (
            error(
                "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is"
                " supported.",
                param="temperature",
                code="unsupported_value",
            ),
            "temperature",
        ),
        (error("invalid temperature: only 1 is allowed for this model"), "temperature"),
        (error("`temperature` is deprecated for this model."), "temperature"),
        (error("temperature: range: 0 < temperature <= 1"), "temperature=0.0"),
        ('{"error": "Input validation error: `temperature` must be strictly positive"}', "temperature=0.0"),
        (error("`temperature` and `top_p` cannot both be specified for this model. Please use only one."), None),
        (error("Unrecognized request argument supplied: seed"), "seed"),
        ('{"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted", "type": "x"}]}', "seed"),
        (error("Extra inputs are not permitted", param="seed"), "seed"),
        (error("property 'seed' is unsupported"), "seed"),
        (error("不支持参数 seed"), "seed"),
        (error("Unsupported parameter: 'stop' is not supported with this model.", param="stop"), "stop"),
        (error("Argument not supported on this model: stop"), "stop"),
        (error("Extra inputs are not permitted, field: 'stream_options'"), "stream_options"),
        (
            json.dumps(
                {
                    "object": "error",
                    "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra'}]",
                    "code": 400,
                }
            ),
            "stream_options",
        ),
        (error('Unknown name "streamOptions": Cannot find field.'), "stream_options"),
        (error("Unknown field: top_p"), "top_p"),
        (error("topP is not supported"), "top_p"),
    ],
)
@pytest.mark.parametrize("status", [400, 404, 422, None])
def test_a_member_that_is_named_is_left_away(body: str, refused: str | None, status: int | None) -> None:
    expected = refused or "top_p with temperature"
    assert named(body, sent(**OPTIONS), status).refused == {expected}


@pytest.mark.parametrize(
    ("body", "limit", "quirks"),
    [
        (
            error(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'"
                " instead.",
                param="max_tokens",
                code="unsupported_parameter",
            ),
            200,
            Quirks(other_max_tokens=True),
        ),
        (
            error(
                "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 10 instead."
            ),
            10,
            Quirks(least_tokens=16),
        ),
        (error("max_tokens must be at least 32"), 10, Quirks(least_tokens=32)),
        (error("max_tokens must be greater than 15"), 10, Quirks(least_tokens=16)),
        (error("max_tokens is too small"), 10, Quirks(least_tokens=16)),
        (error("`max_tokens` must be greater than `thinking.budget_tokens`."), 100, Quirks(least_tokens=2049)),
        (
            error(
                "max_tokens is too large: 8000. This model supports at most 4096 completion tokens, whereas you"
                " provided 8000."
            ),
            8000,
            Quirks(most_tokens=4096),
        ),
        (
            error("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
            9000,
            Quirks(most_tokens=8192),
        ),
        (error("Range of max_tokens should be [16, 8192]"), 8, Quirks(least_tokens=16)),
        (
            error(
                "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the"
                " `context_window` for this model"
            ),
            9000,
            Quirks(most_tokens=8192),
        ),
        (
            error(
                "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens"
                " value that is lower than 8192."
            ),
            9000,
            Quirks(most_tokens=8192),
        ),
    ],
)
def test_a_token_limit_is_put_as_it_is_taken(body: str, limit: int, quirks: Quirks) -> None:
    assert named(body, sent(max_tokens=limit, thinking={"budget_tokens": 2048})) == quirks


def test_the_other_name_of_the_limit_may_be_the_older_one() -> None:
    body = '{"detail": [{"loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}]}'
    assert named(body, sent(max_completion_tokens=5), 422) == Quirks(other_max_tokens=True)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("This model does not support assistant message prefill. The conversation must end with a user message.", 400),
        ("Please ensure that single turn requests end with a user role or the role field is empty.", 400),
        ("Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant", 400),
        ("Cannot have 2 or more assistant messages at the end of the list.", 400),
        ("Assistant response prefill is incompatible with enable_thinking.", 500),
        ("body.continue_final_message: Extra inputs are not permitted", 422),
        ("The last message must be from the user", 400),
    ],
)
def test_a_prefill_that_is_refused_is_written_anew(message: str, status: int) -> None:
    assert named(error(message), sent(USER, ASSISTANT), status) == Quirks(refuses_prefill=True)


@pytest.mark.parametrize(
    ("message", "turns", "quirks", "status"),
    [
        ("System role not supported", (SYSTEM, USER), Quirks(merges_system=True), 400),
        ("System role not supported", (SYSTEM, USER), Quirks(merges_system=True), 500),
        (
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            (SYSTEM, USER),
            Quirks(merges_system=True),
            400,
        ),
        (
            "Developer instruction is not enabled for models/gemma-3-27b-it",
            (SYSTEM, USER),
            Quirks(merges_system=True),
            400,
        ),
        (
            "Conversation roles must alternate user/assistant/user/assistant/...",
            (SYSTEM, USER),
            Quirks(merges_system=True),
            400,
        ),
        (
            "Conversation roles must alternate user/assistant/user/assistant/...",
            (USER, USER),
            Quirks(merges_turns=True),
            400,
        ),
        ("Template error: syntax error: roles must alternate", (USER, USER), Quirks(merges_turns=True), 422),
        ("System message must be at the beginning.", (USER, SYSTEM, USER), Quirks(merges_turns=True), 400),
        ("Conversation must start with a user message", (ASSISTANT, USER), Quirks(merges_turns=True), 400),
        (
            "messages.1: all messages must have non-empty content",
            (USER, {"role": "assistant", "content": ""}, USER),
            Quirks(merges_turns=True),
            400,
        ),
    ],
)
def test_roles_and_turns_are_put_as_the_template_takes_them(
    message: str, turns: tuple[dict[str, Any], ...], quirks: Quirks, status: int
) -> None:
    assert named(error(message), sent(*turns), status) == quirks


@pytest.mark.parametrize(
    "body",
    [
        error("This model's maximum context length is 4096 tokens. Please reduce the length.", param="messages"),
        error("prompt is too long: 210000 tokens > 200000 maximum"),
        error(
            "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 4096"
            " tokens and your request has 100 input tokens"
        ),
        error(
            "The response was filtered due to the prompt triggering content management policy", code="content_filter"
        ),
        error("Invalid image: the temperature chart cannot be read"),
        error("Input data may contain inappropriate content."),
        error("The decoder prompt (length 9000) is longer than the maximum model length of 8192."),
        error("This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
        error("InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"),
        error(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 8000 `inputs` tokens"
        ),
        error("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        error("Prompt 超长"),
        error("系统检测到输入或生成内容可能包含不安全或敏感内容"),
    ],
)
def test_the_requests_own_fault_has_no_remedy(body: str) -> None:
    assert meant(body, sent(USER, ASSISTANT, max_tokens=8000, **OPTIONS)) == Refusal(own_fault=True)


@pytest.mark.parametrize("body", ["", "no", error("Bad Request"), error("ungültige Anfrage"), "<html>bad</html>"])
def test_a_refusal_that_names_no_member_is_found_by_trials(body: str) -> None:
    found = meant(body, sent(SYSTEM, USER, ASSISTANT, seed=1, stream_options={})).remedies
    assert [guess.quirks for guess in found] == [
        Quirks(refuses_prefill=True),
        Quirks(refused=frozenset({"stream_options"})),
        Quirks(refused=frozenset({"seed"})),
        Quirks(merges_system=True),
    ]
    assert not any(guess.named for guess in found)


@pytest.mark.parametrize("words", ["the request exceeds the available context size", "prompt is too long"])
def test_a_server_that_fails_at_a_long_prompt_is_no_worse_for_it(words: str) -> None:
    assert meant(error(words), sent(), 500) == Refusal(own_fault=True)


@pytest.mark.parametrize("words", ["User location is not supported for the API use.", "Model x does not exist"])
def test_what_the_provider_never_serves_is_not_guessed_at(words: str) -> None:
    assert meant(error(words), sent(**OPTIONS)) == Refusal(no_model=True)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, None])
def test_only_a_bad_request_is_guessed_at(status: int | None) -> None:
    assert meant("no", sent(USER, ASSISTANT, **OPTIONS), status).remedies == ()


def test_a_plain_request_has_nothing_to_be_tried() -> None:
    assert meant("no", sent()) == Refusal(own_fault=True)
    assert features(sent()) == frozenset()
    assert PREFILL in features(sent(USER, ASSISTANT))


def test_strict_turns() -> None:
    empty = {"role": "user", "content": " "}
    assert alternating([SYSTEM, ASSISTANT, USER, empty, USER, SYSTEM, ASSISTANT]) == [
        {"role": "system", "content": "Be brief.\n\nBe brief."},
        {"role": "user", "content": "."},
        ASSISTANT,
        {"role": "user", "content": "Hi\n\nHi"},
        ASSISTANT,
    ]
    assert alternating([]) == []


def test_a_system_message_joins_the_first_users_turn() -> None:
    assert without_system([SYSTEM, ASSISTANT, USER]) == [ASSISTANT, {"role": "user", "content": "Be brief.\n\nHi"}]
    assert without_system([SYSTEM]) == [{"role": "user", "content": "Be brief."}]
    assert without_system([USER]) == [USER]
