"""The pause that a provider asks for, in the headers, the members or the words of an error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# A choice: a day. No caller waits longer, and larger numbers may not fit a google.protobuf.Duration.
_LONGEST_SECONDS: Final = 24 * 3600.0
# A larger number is a point in time, in seconds or milliseconds since 1970, not a duration: 1e9 s is September 2001.
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e12
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_SIZES: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "秒": 1.0, "分": 60.0, "小": 3600.0}
_PART: Final = re.compile(
    r"(?<![\d.])(\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}) ?"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|秒|分钟?|小时)(?![a-z])"
)
# Bounded, so that a hostile text takes no long search: days, hours, minutes, seconds.
_DURATION: Final = rf"{_PART.pattern}(?:,? ?(?:and )?{_PART.pattern}){{0,3}}"
_WHOLE: Final = re.compile(_DURATION)
_WORDS: Final = re.compile(
    rf"\b(?:again|retry(?:ing)?|wait|resets?)\b(?:[ :]+(?!\d)\w+){{0,3}}[ :]+(?P<wait>{_DURATION})"
    rf"|(?P<later>{_DURATION})[后後].{{0,6}}[重再]试"
)
_AT: Final = re.compile(
    r"\b(?:again|retry|resets?) (?:at|on|after):? (\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:\.\d+)?(?:z|[+-]\d\d:\d\d))"
)
# The names of the headers with the time at which a limit is full again; in that of what is left, `remaining` stands for
# `reset`.
_RESET: Final = re.compile(r"rate-?limit\w*-(?:.*-)?reset\b|^anthropic-.*-reset$")
_RATE_LIMIT: Final = re.compile(r"(?i)\b(?:reset|t)=(\d+(?:\.\d+)?)")
_NONE_LEFT: Final = re.compile(r"(?i)\b(?:remaining|r)=0\b")

# `estimated_time` is Hugging Face's, for a model that loads; `quotaResetDelay` Google's.
_WAIT_MEMBERS: Final = (
    *("retry_after", "retryAfter", "retryDelay", "retry_delay", "retry_after_seconds", "retryAfterSeconds"),
    *("resets_in_seconds", "quotaResetDelay", "estimated_time"),
)

Now = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def wait_from_headers(headers: Mapping[str, str], *, limited: bool, now: Now = _utc_now) -> float | None:
    """Returns the seconds that a reply's headers ask for, at most a day; None if they ask for nothing.

    Args:
        headers: The headers, by their names in lower case.
        limited: Whether a limit was reached. Only then do the headers of limits count: providers send them with every
            reply.
        now: Returns the current time.
    """
    said = []
    for name, value in headers.items():
        if name.endswith("retry-after"):
            said.append(seconds(value, now))
        elif (
            name.endswith("retry-after-ms") and (milliseconds := _number(value.lower().removesuffix("ms"))) is not None
        ):
            said.append(_bounded(milliseconds / 1000))
    waits = [wait for wait in said if wait is not None]
    if waits or not limited:
        return max(waits, default=None)
    return _until_reset(headers, now)


def wait_from_members(error: Mapping[str, object], now: Now = _utc_now) -> float | None:
    """Returns the seconds that the members of an error object ask for, at most a day; None if they ask for nothing."""
    found: list[object] = [error.get(name) for name in _WAIT_MEMBERS]
    milliseconds = error.get("retry_after_ms")
    if milliseconds is not None:
        found.append(f"{milliseconds}ms")
    headers = error.get("headers")
    if isinstance(headers, dict):
        # OpenRouter passes on the headers of an error in its body.
        found += [value for name, value in headers.items() if str(name).lower() in {"retry-after", "x-ratelimit-reset"}]
    retry_after = [wait for value in found if (wait := _of_member(value, now)) is not None]
    return max(retry_after, default=None)


def wait_from_words(words: str, now: Now = _utc_now) -> float | None:
    """Returns the seconds of a sentence such as "Please try again in 6.5s."; None if it asks for nothing."""
    words = words.lower()
    if found := _WORDS.search(words):
        return _duration(found["wait"] or found["later"])
    at = _AT.search(words)
    return _until(at[1].upper(), now) if at else None


def seconds(value: str, now: Now = _utc_now) -> float | None:
    """Returns the seconds of a header's value: a number, a duration such as 1m30s, a timestamp, or a date.

    They are between 0 and a day. None if the value is none of these.
    """
    value = value.strip()[:100]
    number = _number(value)
    if number is not None:
        return _from_number(number, now)
    # ISO 8601 writes PT30S.
    duration = value.lower().removeprefix("pt")
    if _WHOLE.fullmatch(duration):
        return _duration(duration)
    several = [_number(each) for each in value.split(",")]
    # The header may come twice, from the provider and from a proxy before it.
    numbers = [each for each in several if each is not None]
    if len(numbers) > 1 and len(numbers) == len(several):
        return _from_number(max(numbers), now)
    return _until(value, now)


def _of_member(value: object, now: Now) -> float | None:
    if isinstance(value, dict):
        # A google.protobuf.Duration that was not written as text.
        parts = [_number(str(value.get(name, 0))) for name in ("seconds", "nanos")]
        value = None if None in parts else (parts[0] or 0.0) + (parts[1] or 0.0) / 1e9
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return seconds(str(value), now)


def _number(value: str) -> float | None:
    if not _NUMBER.fullmatch(value.strip()[:100]):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _from_number(number: float, now: Now) -> float:
    # Only a number near the current time can be a timestamp.
    for size in (1000.0, 1.0):
        moment = number / size
        if (_EPOCH_MILLISECONDS if size > 1 else _EPOCH_SECONDS) < number and moment < 4 * _EPOCH_SECONDS:
            return _bounded(moment - now().timestamp())
    return _bounded(number)


def _duration(text: str) -> float:
    parts = _PART.findall(text)
    return _bounded(
        sum(
            float(amount) * (0.001 if unit[:2] == "ms" or "mill" in unit else _SIZES[unit[0]]) for amount, unit in parts
        )
    )


def _until(value: str, now: Now) -> float | None:
    # In a hostile date the year, the offset or the difference may overflow.
    try:
        moment = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _bounded((moment - now()).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until_reset(headers: Mapping[str, str], now: Now) -> float | None:
    """Returns the seconds until the used-up limit is full again; the shortest of all if none is known as used up."""
    used_up: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if _RESET.search(name) and (wait := seconds(value, now)) is not None:
            left = _number(headers.get(name.replace("reset-after", "reset").replace("reset", "remaining"), ""))
            (used_up if left is not None and left <= 0 else others).append(wait)
    # Several limits, each with its name in quotes, or one.
    for limit in re.split(r", *(?=\")", headers.get("ratelimit", "")[:200]):
        if found := _RATE_LIMIT.search(limit):
            (used_up if _NONE_LEFT.search(limit) else others).append(_bounded(float(found[1])))
    return max(used_up) if used_up else min(others, default=None)


def _bounded(wait: float) -> float:
    return min(max(wait, 0.0), _LONGEST_SECONDS)
