"""Error bodies of providers, in all their shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.providers.error_body import error_body, read_error

LOC = [{"loc": ["body", "max_tokens"], "msg": "must be over 0", "type": "value_error"}]

SHAPES: list[tuple[Any, int | None, str]] = [
    ({"error": {"message": "no", "code": 503}}, 503, "no"),
    ({"error": {"message": "no", "code": "503"}}, 503, "no"),
    ({"error": {"message": "no", "type": "overloaded_error"}}, 529, "no"),
    ({"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}, 429, "no"),
    ([{"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}], 503, "no"),
    ([{}, {"error": {"message": "no", "status": "UNAVAILABLE"}}], 503, "no"),
    ({"error": [{"message": "no", "code": 400}]}, 400, "no"),
    ({"error": "no"}, None, "no"),
    ({"error": "no", "code": 500}, 500, "no"),
    ({"error": {"code": 12}, "message": "no"}, None, "no"),
    ({"error": {"error": {"message": "no", "code": 502}}}, 502, "no"),
    ({"detail": "no"}, None, "no"),
    ({"detail": LOC}, None, "body.max_tokens: must be over 0"),
    ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, 400, "no"),
    ({"object": "error", "message": {"detail": LOC}, "code": 422}, 422, "body.max_tokens: must be over 0"),
    ({"errors": [{"message": "no", "code": 7003}, {"message": "never"}]}, None, "no; never"),
    ({"error_code": 18, "error_msg": "no"}, None, "no"),
    ({"code": "InvalidParameter", "message": "no", "request_id": "1"}, None, "no"),
    ({"success": False, "message": "no"}, None, "no"),
    ({"base_resp": {"status_code": 1004, "status_msg": "no"}}, None, "no"),
    ({"choices": [{"error": {"code": 502, "message": "no"}, "delta": {}, "finish_reason": "error"}]}, 502, "no"),
    ({"error": {"message": '{"error": {"message": "no", "code": 400}}'}}, 400, "no"),
    ({"message": '{"detail": [{"loc": ["body", "seed"], "msg": "no"}]}', "code": 422}, 422, "body.seed: no"),
    ({"error": {"message": "{no", "code": 500}}, 500, "{no"),
    (
        {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "slow down"}}},
        429,
        "Provider returned error: slow down",
    ),
]


@pytest.mark.parametrize(("document", "status", "words"), SHAPES)
def test_shapes(document: Any, status: int | None, words: str) -> None:
    said = error_body(document)
    assert said
    assert (said.status, said.words) == (status, words)
    refused = read_error(json.dumps(document))
    assert (refused.status, refused.words) == (status, words)
    in_an_event = read_error(f"event: error\ndata: {json.dumps(document)}\n\n")
    assert in_an_event.words == words


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        [{}],
        {},
        {"error": None},
        {"error": {}},
        {"error": ""},
        {"type": "ping"},
        {"choices": [{"error": None}]},
        {"choices": [{"message": {"content": "x"}}], "code": 200, "message": "ok"},
        {"base_resp": {"status_code": 0}},
        {"id": "1", "message": {"role": "assistant"}},
        {"status": "in_progress", "message": "wait"},
        {"code": 0, "message": "ok"},
        {"code": "200", "message": "ok"},
    ],
)
def test_documents_without_an_error(document: Any) -> None:
    assert error_body(document) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [("", ""), ("<html>No</html>", ""), ("Too many requests", "Too many requests"), ('"no"', "no"), ("[1]", "")],
)
def test_refusals_that_are_no_object(body: str, words: str) -> None:
    assert read_error(body).words == words


@pytest.mark.parametrize(
    ("error", "unpaid"),
    [
        ({"code": "insufficient_quota"}, True),
        ({"type": "insufficient_quota", "code": None}, True),
        ({"type": "exceeded_current_quota_error"}, True),
        ({"code": "1113"}, True),
        ({"code": "rate_limit_exceeded", "type": "requests"}, False),
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, False),
        *(
            ({"message": words}, True)
            for words in (
                "You exceeded your current quota, please check your plan and billing details.",
                "Billing hard limit has been reached",
                "You have reached your specified API usage limits. You will regain access on 2026-12-01.",
                "Key limit exceeded (total limit). Manage it in the settings.",
                "Your newly created team doesn't have any credits yet.",
                "Your team has either used all available credits or reached its monthly spending limit.",
                "Credit limit exceeded, please navigate to the settings",
                "Account x is suspended, possibly due to reaching the monthly spending limit",
                "Your prepayment credits are depleted.",
                "Your project has exceeded its monthly spending cap.",
                "The request failed because your account has an overdue balance",
                "Sorry, your account balance is insufficient",
                "This request requires more credits, or fewer max_tokens.",
                "You have exceeded your monthly included credits",
                "余额不足或无可用资源包,请充值。",
            )
        ),
        # These pass.
        ({"message": "You exceeded your current quota. Please retry in 34.07s."}, False),
        ({"message": "You exceeded your current quota.", "status": "RESOURCE_EXHAUSTED"}, False),
        ({"message": "You exceeded your current quota.", "details": [{"retryDelay": "34s"}]}, False),
        ({"message": "Rate limit reached on tokens per day (TPD): Limit 100, Used 99, Requested 5."}, False),
        ({"message": "You are using a Trial key, which is limited to 10 API calls / minute."}, False),
        ({"message": "Requests have exceeded token rate limit of your current pricing tier."}, False),
    ],
)
def test_an_account_that_is_used_up(error: dict[str, Any], unpaid: bool) -> None:
    said = error_body({"error": error})
    assert said
    assert said.unpaid == unpaid


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        ({"message": "no"}, None),
        (
            {"details": [{"@type": "x"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]},
            34.5,
        ),
        ({"details": [{"retryDelay": {"seconds": 3}}]}, 3),
        ({"details": [{"retryDelay": {"seconds": "3", "nanos": 500_000_000}}]}, 3.5),
        ({"details": [{"metadata": {"quotaResetDelay": "12.5s"}}]}, 12.5),
        ({"metadata": {"retry_after_seconds": 29.5}}, 29.5),
        ({"resets_in_seconds": 90, "resets_at": 1764000000}, 90),
        ({"metadata": {"raw": '{"error": {"message": "slow", "retry_after": 9}}'}}, 9),
        ({"message": 'AnthropicException - {"error": {"details": [{"retryDelay": "9s"}]}}'}, 9),
        ({"retry_after": 7}, 7),
        ({"retry_after_ms": 250}, 0.25),
        ({"message": "Model x is currently loading", "estimated_time": 20.5}, 20.5),
        ({"metadata": {"headers": {"Retry-After": "9"}}}, 9),
        ({"message": "Rate limit reached. Please try again in 1m30.5s."}, 90.5),
        ({"message": "Please try again in 20ms. Visit our site"}, 0.02),
        ({"message": "Please retry after 7 seconds."}, 7),
        ({"message": "Please wait 2 minutes"}, 120),
        ({"message": "try again in a few moments"}, None),
        ({"details": "soon", "retry_after": True}, None),
    ],
)
def test_waits(error: dict[str, Any], wait: float | None) -> None:
    said = error_body({"error": error})
    assert said
    assert said.wait == wait


@pytest.mark.parametrize(
    ("words", "cut"),
    [
        ("Could not finish the message because max_tokens or model output limit was reached.", True),
        ("max_tokens must be at least 16", False),
        ("Your rate limit was reached", False),
    ],
)
def test_a_limit_that_was_spent_before_any_text(words: str, cut: bool) -> None:
    assert read_error(json.dumps({"error": {"message": words}})).cut == cut


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "status", "errors", "loc", "msg", "retry_after"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read(document: Any) -> None:
    for said in (error_body(document), read_error(json.dumps(document))):
        assert said is None or isinstance(said.words, str)
        assert said is None or said.wait is None or 0 <= said.wait <= 86_400


def test_deep_nesting_is_read() -> None:
    assert read_error("[" * 100_000).words
    document: Any = "no"
    for _ in range(500):
        document = {"error": document}
    assert error_body(document)
