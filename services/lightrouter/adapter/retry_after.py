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
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+) ?(ms|[smhd])(?![a-z])")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern} ?)+")
_SPELT: Final = r"(\d+(?:\.\d+)?) ?(milliseconds?|seconds?|secs?|minutes?|mins?|hours?)\b"
_SPELT_OUT: Final = re.compile(_SPELT)
_WORDS: Final = re.compile(rf"(?i)(?:again|retry|retrying|wait)(?: again)?(?: in| after| for)?:? {_SPELT}")
_COMPACT_WORDS: Final = re.compile(r"(?i)(?:again|retry) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)(?![a-z])")
# Headers with the time at which a limit is full again, each with the header of what is left of that limit.
_RESETS: Final = (
    ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"),
    ("x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"),
    ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"),
    ("anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"),
    ("anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining"),
    ("anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining"),
    ("x-ratelimit-reset-after", "x-ratelimit-remaining"),
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("x-rate-limit-reset", "x-rate-limit-remaining"),
    ("ratelimit-reset", "ratelimit-remaining"),
)
_RATE_LIMIT: Final = re.compile(r"(?i)\b(?:reset|t)=(\d+(?:\.\d+)?)")

# `estimated_time` is Hugging Face's, for a model that loads.
_WAIT_MEMBERS: Final = ("retry_after", "retryAfter", "retryDelay", "retry_delay", "estimated_time")

Now = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def wait_from_headers(header: Callable[[str], str], *, limited: bool, now: Now = _utc_now) -> float | None:
    """Returns the seconds that a reply's headers ask for, at most a day; None if they ask for nothing.

    Args:
        header: Returns a header's value by its name, empty if it is missing.
        limited: Whether a limit was reached. Only then do the headers of limits count: providers send them with every
            reply.
        now: Returns the current time.
    """
    asked = [seconds(header("retry-after"), now)]
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(header(name).lower().removesuffix("ms"))
        asked.append(None if milliseconds is None else _bounded(milliseconds / 1000))
    said = [wait for wait in asked if wait is not None]
    if said or not limited:
        return max(said, default=None)
    return _until_reset(header, now)


def wait_from_members(error: Mapping[str, object], now: Now = _utc_now) -> float | None:
    """Returns the seconds that the members of an error object ask for, at most a day; None if they ask for nothing."""
    found: list[object] = [error.get(name) for name in _WAIT_MEMBERS]
    milliseconds = error.get("retry_after_ms")
    if milliseconds is not None:
        found.append(f"{milliseconds}ms")
    details = error.get("details")
    for detail in details[:16] if isinstance(details, list) else []:
        if isinstance(detail, dict):
            found += [detail.get("retryDelay"), detail.get("retry_delay")]
    metadata = error.get("metadata")
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    if isinstance(headers, dict):
        # OpenRouter passes on the headers of an error in its body.
        found += [value for name, value in headers.items() if str(name).lower() in {"retry-after", "x-ratelimit-reset"}]
    retry_after = [wait for value in found if (wait := _of_member(value, now)) is not None]
    return max(retry_after, default=None)


def wait_from_words(words: str) -> float | None:
    """Returns the seconds of a sentence such as "Please try again in 6.5s."; None if it asks for nothing."""
    if compact := _COMPACT_WORDS.search(words):
        return _duration(compact[1].lower())
    if spelt := _WORDS.search(words):
        return _spelt(spelt)
    return None


def seconds(value: str, now: Now = _utc_now) -> float | None:
    """Returns the seconds of a header's value: a number, a duration such as 1m30s, a timestamp, or a date.

    They are between 0 and a day. None if the value is none of these.
    """
    value = value.strip()[:100]
    number = _number(value)
    if number is not None:
        return _from_number(number, now)
    if _DURATION.fullmatch(value.lower()):
        return _duration(value.lower())
    if spelt := _SPELT_OUT.fullmatch(value.lower()):
        return _spelt(spelt)
    several = [_number(each) for each in value.split(",")]
    # The header may come twice, from the provider and from a proxy before it.
    numbers = [each for each in several if each is not None]
    if len(numbers) > 1 and len(numbers) == len(several):
        return _from_number(max(numbers), now)
    return _until(value, now)


def _spelt(found: re.Match[str]) -> float:
    unit = found[2].lower()
    return _bounded(float(found[1]) * (0.001 if unit.startswith("mill") else _UNITS[unit[0]]))


def _of_member(value: object, now: Now) -> float | None:
    if isinstance(value, dict):
        # A google.protobuf.Duration that was not written as text.
        value = value.get("seconds")
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
    return _bounded(sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text)))


def _until(value: str, now: Now) -> float | None:
    # In a hostile date the year, the offset or the difference may overflow.
    try:
        moment = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _bounded((moment - now()).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until_reset(header: Callable[[str], str], now: Now) -> float | None:
    """Returns the seconds until the used-up limit is full again; the shortest of all if none is known as used up."""
    used_up: list[float] = []
    others: list[float] = []
    for reset, remaining in _RESETS:
        wait = seconds(header(reset), now)
        if wait is not None:
            left = _number(header(remaining))
            (used_up if left is not None and left <= 0 else others).append(wait)
    if found := _RATE_LIMIT.search(header("ratelimit")[:200]):
        others.append(_bounded(float(found[1])))
    return max(used_up) if used_up else min(others, default=None)


def _bounded(wait: float) -> float:
    return min(max(wait, 0.0), _LONGEST_SECONDS)
