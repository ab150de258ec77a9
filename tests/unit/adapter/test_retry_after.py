"""The pause that a provider asks for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.retry_after import seconds, wait_from_headers, wait_from_members, wait_from_words

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("", None),
        ("3", 3),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("1e300", 86_400),
        ("99999999999999999999", 86_400),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("120ms", 0.12),
        ("6m0s", 360),
        ("1h2m3.5s", 3723.5),
        ("1d", 86_400),
        ("PT30S", 30),
        ("1 minute and 5 seconds", 65),
        ("17h32m0s", 63_120),
        ("34s", 34),
        ("30s", 30),
        ("1m30s", 90),
        ("1m 30s", 90),
        ("1h30m", 5400),
        ("30 S", 30),
        ("30secs", 30),
        ("in 30 seconds", 30),
        ("1500 ms", 1.5),
        ("500us", 0.0005),
        ("500\u00b5s", 0.0005),
        ("100ns", 1e-7),
        ("-30s", 0),
        ("-0", 0),
        ("+5", 5),
        ("5;", 5),
        ("30;q=1", 30),
        ('"5"', 5),
        ("'5'", 5),
        # Hours, minutes and seconds by a clock.
        ("00:00:30", 30),
        ("01:02:03", 3723),
        ("1:00:00", 3600),
        ("00:30", 30),
        ("0:30", 30),
        ("00:00:30.5", 30.5),
        ("-00:00:30", 0),
        ("9999:59:59", 86_400),
        ("1:2:3:4", None),
        # ISO 8601.
        ("PT1M30S", 90),
        ("P1D", 86_400),
        ("P0DT0H0M30S", 30),
        ("pt0.5s", 0.5),
        ("P", None),
        (str(EPOCH + 30), 30),
        (str((EPOCH + 30) * 1000), 30),
        (str(EPOCH - 30), 0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("Tue, 24 Nov 2026 12:00:30 -0000", 30),
        # The other two forms of dates in HTTP, and such as servers write.
        ("Tuesday, 24-Nov-26 12:00:30 GMT", 30),
        ("Tue Nov 24 12:00:30 2026", 30),
        ("Tue, 24 Nov 2026 12:00:30 UTC", 30),
        ("Tue, 24 Nov 2026 12:00:30", 30),
        ("24 Nov 2026 12:00:30 GMT", 30),
        ("Tue, 24 Nov 2026 13:00:30 +0100", 30),
        ("tue, 24 nov 2026 12:00:30 gmt", 30),
        ("2026-11-24 12:00:30", 30),
        ("2026-11-24T12:00:30+0000", 30),
        ("20261124T120030Z", 30),
        ("2026-11-24T12:00:30Z", 30),
        ("2026-11-24T13:00:30+01:00", 30),
        # Hostile dates that overflow.
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 86_400),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Fri, 31 Dec 2026 23:59:59 +999999999999", None),
        ("0001-01-01T00:00:00+23:59", 0),
        ("1" * 5000, 86_400),
    ],
)
def test_the_meaning_of_headers(header: str, wait: float | None) -> None:
    assert seconds(header, lambda: NOW) == pytest.approx(wait)


@given(st.text() | st.floats().map(str) | st.datetimes().map(str) | st.from_regex(r"\A[0-9 smhd.:+TZ-]{1,30}\Z"))
def test_any_header_is_read_or_ignored(header: str) -> None:
    wait = seconds(header)
    assert wait is None or 0 <= wait <= 86_400
    wait = wait_from_words(header)
    assert wait is None or 0 <= wait <= 86_400


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "1"}, 1.5),
        ({"retry-after-ms": "250ms"}, 0.25),
        ({"retry-after-ms": "-1"}, 0),
        ({"retry-after-ms": "nan"}, None),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"x-retry-after-seconds": "5"}, 5),
        ({"retry_after": "5"}, 5),
        ({"retry-after-millis": "1500"}, 1.5),
        ({"azureml-model-retry-after": "7"}, 7),
        ({"x-amzn-retry-after": "00:00:07"}, 7),
        ({"x-ratelimit-reset-ms": "1500"}, 1.5),
        ({"x-ratelimit-reset-after": "5"}, 5),
        ({"x-should-retry": "true"}, None),
        ({"retry-after": "5, 7"}, 7),
        ({"retry-after": "5, soon"}, None),
        ({"retry-after": "5 seconds"}, 5),
        ({"retry-after": "1 minute"}, 60),
        ({"retry-after": "20 milliseconds"}, 0.02),
        ({"retry-after": "5 years"}, None),
        ({"retry-after": "2", "x-ratelimit-reset-requests": "50s"}, 2),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 1),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
            },
            360,
        ),
        ({"x-ratelimit-reset": str((EPOCH + 12) * 1000)}, 12),
        ({"ratelimit-reset": "17"}, 17),
        ({"ratelimit": "limit=100, remaining=0, reset=23"}, 23),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-24T12:00:30Z"}, 30),
        ({"x-ratelimit-reset-requests": "whenever"}, None),
        # Nothing is left, or less; a limit of which something is left does not count, nor one of which nothing is said.
        ({"ratelimit-reset": "17", "ratelimit-remaining": "0", "x-rate-limit-reset": "5"}, 17),
        ({"ratelimit-reset": "17", "ratelimit-remaining": "-1", "x-rate-limit-reset": "5"}, 17),
        ({"ratelimit-reset": "17", "ratelimit-remaining": "1", "x-rate-limit-reset": "5"}, 5),
        ({"ratelimit-reset": "17", "ratelimit-remaining": "0.5", "x-rate-limit-reset": "5"}, 5),
        ({"ratelimit-reset": "17", "ratelimit-remaining": "none", "x-rate-limit-reset": "5"}, 5),
        # Of several used-up limits the longest wait counts, of the others the shortest.
        (
            {
                "x-ratelimit-reset": "9",
                "x-ratelimit-remaining": "0",
                "x-rate-limit-reset": "5",
                "x-rate-limit-remaining": "0",
                "ratelimit-reset": "17",
                "ratelimit-remaining": "3",
            },
            9,
        ),
        ({"x-ratelimit-reset": "9", "x-rate-limit-reset": "5", "ratelimit": "limit=1, reset=7"}, 5),
        ({"x-ratelimit-reset": "9", "ratelimit": "limit=1, reset=7"}, 7),
        ({"x-ratelimit-reset": "9", "x-ratelimit-remaining": "0", "ratelimit": "limit=1, reset=7"}, 9),
        ({"x-ratelimit-reset": "whenever", "x-ratelimit-remaining": "0", "x-rate-limit-reset": "5"}, 5),
        ({"ratelimit": "limit=1, reset=1e9"}, 1),
        ({"ratelimit": "limit=1, reset=999999"}, 86_400),
        ({"ratelimit": "x" * 200 + " reset=7"}, None),
        # Other names: proxies', Cerebras', Mistral's, Anthropic's.
        ({"x-retry-after": "4"}, 4),
        ({"x-ratelimit-retry-after": "4"}, 4),
        ({"x-dashscope-retry-after-ms": "400"}, 0.4),
        ({"x-ratelimit-reset-requests-day": "3600", "x-ratelimit-reset-tokens-minute": "12.5"}, 12.5),
        (
            {
                "x-ratelimit-reset-requests-day": "3600",
                "x-ratelimit-remaining-requests-day": "0",
                "x-ratelimit-reset-tokens-minute": "12.5",
            },
            3600,
        ),
        ({"ratelimitbysize-reset": "29", "ratelimitbysize-remaining": "0"}, 29),
        ({"anthropic-priority-input-tokens-reset": "2026-11-24T12:00:09Z"}, 9),
        ({"anthropic-ratelimit-unified-reset": str(EPOCH + 40)}, 40),
        # Two limits in one header; only the second is used up.
        ({"ratelimit": '"burst";r=5;t=3, "daily";r=0;t=300'}, 300),
        ({"reset": "5", "x-preset": "5"}, None),
    ],
)
def test_the_places_of_a_wait(headers: dict[str, str], wait: float | None) -> None:
    assert wait_from_headers(headers, limited=True, now=lambda: NOW) == wait


def test_the_reset_of_a_limit_means_nothing_while_none_is_reached() -> None:
    headers = {"x-ratelimit-reset-requests": "1s"}
    assert wait_from_headers(headers, limited=False, now=lambda: NOW) is None


@pytest.mark.parametrize(
    ("members", "wait"),
    [
        ({}, None),
        ({"retry_after": 5}, 5),
        ({"retry_after": "5s"}, 5),
        ({"retry_after": "00:00:05"}, 5),
        ({"retryAfter": 5}, 5),
        ({"Retry-After": "5"}, 5),
        ({"RetryAfter": 5.5}, 5.5),
        ({"retryAfterSeconds": 5}, 5),
        ({"retry_after_secs": 5}, 5),
        ({"retry_in": "5s"}, 5),
        ({"retryDelay": "34.07s"}, 34.07),
        ({"retry_delay": {"seconds": 5, "nanos": 500_000_000}}, 5.5),
        ({"retry_after_ms": 1500}, 1.5),
        ({"retryAfterMs": "1500"}, 1.5),
        ({"retry_after_ms": "250ms"}, 0.25),
        ({"retry_after_ms": 1e300}, 86_400),
        ({"retry_after_ms": "soon"}, None),
        ({"resets_at": EPOCH + 30}, 30),
        ({"reset_at": "2026-11-24T12:00:30Z"}, 30),
        ({"reset_time": "Tue, 24 Nov 2026 12:00:30 GMT"}, 30),
        ({"resets_in": "30s"}, 30),
        ({"resets_in_seconds": 30}, 30),
        ({"estimated_time": 20.5}, 20.5),
        ({"cooldown_time": 30}, 30),
        ({"headers": {"X-RateLimit-Reset": str((EPOCH + 30) * 1000)}}, 30),
        ({"headers": {"Retry-After-Ms": "1500"}}, 1.5),
        ({"headers": {"Retry-After": 5}}, 5),
        ({"headers": "retry-after: 5"}, None),
        # The longest of several.
        ({"retry_after": 1, "retryDelay": "7s"}, 7),
        ({"retry_after": None}, None),
        ({"retry_after": True}, None),
        ({"retry_after": [5]}, None),
        ({"retry_after": -1}, 0),
        ({"retry_after": float("nan")}, None),
        ({"retry_after": 1e300}, 86_400),
        ({"after": 5, "retry": 5}, None),
    ],
)
def test_the_members_of_a_wait(members: dict[str, object], wait: float | None) -> None:
    assert wait_from_members(members, lambda: NOW) == wait


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        ("try again in 00:00:30", 30),
        ("Please wait 1:30 before you retry", 90),
        ("Retry-After: 5", 5),
        ("error 429; retry after 5.", 5),
        ("Next request allowed in 12s", 12),
        ("Expected available in 42 seconds.", 42),
        ("cooldown: 30s", 30),
        ("Try again in approximately 45 seconds", 45),
        ("30秒後に再試行してください", 30),
        # A time of the day, and an amount of something else.
        ("Limit resets at 12:00:30 UTC", None),
        ("retry after 5 years", None),
        ("retry after 5 attempts", None),
        ("Please try again in 1d2h.", 86_400),
        ("Please retry in 32.899s.", 32.899),
        ("Retry after 2 minutes and 5 seconds", 125),
        ("Please try again in about 3 minutes", 180),
        ("Your quota will reset after 13h2m5s.", 46_925),
        ("limit resets in 3600s", 3600),
        ("resets in 1h 30m", 5400),
        ("Next reset: in 60 seconds", 60),
        ("Retry your request in 7s", 7),
        ("Please slow down. Wait for 10s.", 10),
        ("You can retry after 3.5 s", 3.5),
        ("Please retry after 1 second(s).", 1),
        ("Your limit will reset at 2026-11-24T12:10:00Z", 600),
        ("try again at 2026-11-24 13:10:00+01:00", 600),
        ("请在 30 秒后重试", 30),
        ("请 5 分钟后再试", 300),
        # No zone, no time, or no wait.
        ("Your limit will reset at 2026-11-24 12:10:00", None),
        ("try again in a few minutes", None),
        ("Rate limit of 50 per 86400s exceeded", None),
        ("in 3 seconds", None),
        ("", None),
    ],
)
def test_the_wait_in_a_sentence(words: str, wait: float | None) -> None:
    assert wait_from_words(words, lambda: NOW) == wait


@pytest.mark.parametrize("piece", ["1", "1h 1m ", "1 s and ", "retry a a ", "1.", ".1", "wait 1", "请"])
def test_a_hostile_sentence_takes_no_long_search(piece: str) -> None:
    # A search that grows with the square of the length takes minutes.
    assert (wait_from_words(piece * 40_000) or 0.0) >= 0.0
