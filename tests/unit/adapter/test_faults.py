"""A provider's own words are scrubbed before callers see them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter import faults
from lightrouter.v1.error_reason_pb2 import ErrorReason

KEY = "abcdef0123456789"


@pytest.mark.parametrize(
    ("status", "reason", "retryable", "works"),
    [
        (301, ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, False, False),
        (400, ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, False, None),
        (401, ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, False, False),
        (403, ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, False, False),
        (404, ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, False, False),
        (429, ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED, True, False),
        # A passing failure, the provider's or of a proxy before it: Cloudflare's are 520 to 530.
        *(
            (status, ErrorReason.ERROR_REASON_UPSTREAM_ERROR, True, False)
            for status in (
                *(408, 409, 420, 421, 423, 424, 425, 444, 460, 498, 499),
                *(500, 501, 502, 503, 504, 505, 507, 508, 509, 511, *range(520, 531), 561, 598, 599, 600, 999),
            )
        ),
        # The request's own fault.
        *(
            (status, ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, False, None)
            for status in (411, 413, 414, 422, 431, 451)
        ),
        # The address, the model or the account of the candidate.
        *(
            (status, ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, False, False)
            for status in (300, 303, 304, 305, 402, 405, 406, 407, 410, 412, 415, 416, 417, 418, 426, 428)
        ),
    ],
)
def test_faults_by_status(status: int, reason: ErrorReason.ValueType, retryable: bool, works: bool | None) -> None:
    error = faults.by_status(status, "words", 3)
    assert (error.reason, error.retryable, error.works) == (reason, retryable, works)
    assert str(status) in error.message
    assert "words" in error.message


def test_secrets_are_scrubbed() -> None:
    words = f"Incorrect API key provided: {KEY}. Also Bearer xyz.abc-123 and sk-proj-1234****5678"
    shown = faults.scrubbed(words, KEY, [])
    assert shown == "Incorrect API key provided: ***. Also *** and ***"


def test_the_prompt_is_scrubbed() -> None:
    prompt = "my neighbour's diagnosis is a private matter"
    shown = faults.scrubbed(f"the message '{prompt}' was refused", "", ["something else", prompt])
    assert shown == "the message '…"


def test_half_a_character_in_a_providers_words_is_shown_as_such() -> None:
    assert faults.scrubbed("no \ud800!", "", []) == "no ?!"


@given(st.text("ab ", min_size=40, max_size=80), st.integers(0, 50), st.text("ab ", max_size=60), st.text(max_size=30))
def test_errors_keep_no_long_run_of_the_prompt(prompt: str, begin: int, before: str, after: str) -> None:
    shown = faults.scrubbed(f"{before}{prompt[begin : begin + 30]}{after}", "", ["nothing", prompt])
    assert not any(shown[at : at + 24] in prompt for at in range(len(shown) - 23))


@given(st.text(), st.text())
def test_words_are_bounded(words: str, prompt: str) -> None:
    shown = faults.scrubbed(words * 50, KEY, [prompt])
    assert len(shown) <= 200
    assert "\n" not in shown


@given(st.text(max_size=100), st.text(max_size=400))
def test_errors_keep_no_key(before: str, after: str) -> None:
    assert KEY not in faults.scrubbed(before + KEY + after, KEY, [])
