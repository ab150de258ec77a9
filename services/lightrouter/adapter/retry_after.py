"""How long a provider asks to be left alone, wherever it says so: headers, its error's members, or its words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Nobody who calls waits longer, and not every number of seconds fits the contract's durations.
_LONGEST_SECONDS: Final = 24 * 3600.0
# A number over these is a moment, since 1970 in seconds or milliseconds, rather than a duration.
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e12
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+) ?(ms|[smhd])(?![a-z])")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern} ?)+")
_WORDS: Final = re.compile(
    r"(?i)(?:again|retry|retrying|wait)(?: again)?(?: in| after| for)?:? "
    r"(\d+(?:\.\d+)?) ?(milliseconds?|seconds?|secs?|minutes?|mins?|hours?)\b"
)
_COMPACT_WORDS: Final = re.compile(r"(?i)(?:again|retry) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)(?![a-z])")
# Headers that say when a limit is full again, each with the one that says what is left of it.
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

Now = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def wait_from_headers(header: Callable[[str], str], *, limited: bool, now: Now = _utc_now) -> float | None:
    """Returns the seconds that a reply's headers ask for, a day at most; None without.

    Args:
        header: Returns a header's value by its name, empty where there is none.
        limited: Whether a limit was reached. The headers that say when a limit is full again count only then:
            providers send them with every reply.
        now: The moment from which dates are counted.
    """
    milliseconds = _number(header("retry-after-ms"))
    asked = [seconds(header("retry-after"), now), None if milliseconds is None else milliseconds / 1000]
    said = [_bounded(wait) for wait in asked if wait is not None]
    if said or not limited:
        return max(said, default=None)
    return _until_reset(header, now)


def wait_from_members(error: Mapping[str, object], now: Now = _utc_now) -> float | None:
    """Returns the seconds that the members of an error object ask for, a day at most; None without."""
    found: list[object] = [error.get(name) for name in ("retry_after", "retryAfter", "retryDelay", "retry_delay")]
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
        # OpenRouter passes the headers of a refusal on in its body.
        found += [value for name, value in headers.items() if str(name).lower() in {"retry-after", "x-ratelimit-reset"}]
    retry_after = [wait for value in found if (wait := _of_member(value, now)) is not None]
    return max(retry_after, default=None)


def wait_from_words(words: str) -> float | None:
    """Returns the seconds that a sentence such as "Please try again in 6.5s." asks for; None without."""
    if compact := _COMPACT_WORDS.search(words):
        return _duration(compact[1].lower())
    if spelt := _WORDS.search(words):
        unit = spelt[2].lower()
        factor = 0.001 if unit.startswith("mill") else _UNITS[unit[0]]
        return _bounded(float(spelt[1]) * factor)
    return None


def seconds(value: str, now: Now = _utc_now) -> float | None:
    """Returns the seconds that a header's value means: a number, a duration such as 1m30s, a moment, or a date.

    They are 0 at least and a day at most; None where the value is none of these.
    """
    value = value.strip()[:100]
    number = _number(value)
    if number is not None:
        return _from_number(number, now)
    if _DURATION.fullmatch(value.lower()):
        return _duration(value.lower())
    return _until(value, now)


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
    # Only a number that is near to now can be a moment.
    for size in (1000.0, 1.0):
        moment = number / size
        if (_EPOCH_MILLISECONDS if size > 1 else _EPOCH_SECONDS) < number and moment < 4 * _EPOCH_SECONDS:
            return _bounded(moment - now().timestamp())
    return _bounded(number)


def _duration(text: str) -> float:
    return _bounded(sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(text)))


def _until(value: str, now: Now) -> float | None:
    # A date may be crafted so that its year, its offset or the difference does not fit.
    try:
        moment = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _bounded((moment - now()).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until_reset(header: Callable[[str], str], now: Now) -> float | None:
    """Returns when the limit that is used up is full again; the nearest where nothing says which that is."""
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
