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
_SMALL_SIZES: Final = {"ms": 1e-3, "mi": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(
    r"(?<![\d.])(\d{1,9}(?:\.\d{0,12})?|\.\d{1,12}) ?"
    r"(ms|milli(?:second)?s?|[uµμ]s|ns|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|秒|分钟?|小时)(?![a-z])"
)
# Bounded, so that a hostile text takes no long search: days, hours, minutes, seconds.
_DURATION: Final = rf"{_PART.pattern}(?:,? ?(?:and )?{_PART.pattern}){{0,3}}"
_WHOLE: Final = re.compile(_DURATION)
# Hours, minutes and seconds, or minutes and seconds.
_CLOCK: Final = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2}(?:\.\d{0,12})?)")
_WORDS: Final = re.compile(
    r"\b(?:again|retry(?:ing)?|wait|resets?|available|allowed|cooldown)\b(?:[ :]+(?!\d)\w+){0,3}[ :]+"
    # Behind "at" it is a time of the day.
    rf"(?P<wait>{_DURATION}|(?:(?<=in )|(?<=for )|(?<=after )|(?<=wait )){_CLOCK.pattern}(?![\d:]))"
    rf"|(?P<later>{_DURATION})[后後].{{0,6}}[重再][试試]"
    # A header in words.
    r"|\bretry[- ]after:? (?P<seconds>\d{1,9}(?:\.\d{1,12})?)(?=[.,;)\]\"'\n]*(?:\s|$))(?! ?[a-z])"
)
_AT: Final = re.compile(
    r"\b(?:again|retry|resets?) (?:at|on|after):? (\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:\.\d+)?(?:z|[+-]\d\d:\d\d))"
)
# The names of the headers with the time at which a limit is full again; in that of what is left, `remaining` stands for
# `reset`.
_RESET: Final = re.compile(r"rate-?limit\w*-(?:.*-)?reset\b|^anthropic-.*-reset$")
_RATE_LIMIT: Final = re.compile(r"(?i)\b(?:reset|t)=(\d+(?:\.\d+)?)")
_NONE_LEFT: Final = re.compile(r"(?i)\b(?:remaining|r)=0\b")

_RESET_MS: Final = re.compile(r"[-_](?:ms|millis\w*)$")
_AFTER: Final = re.compile(r"(?:^|[-_])retry[-_]after(?:[-_](?:s|secs|seconds))?$")
_AFTER_MS: Final = re.compile(r"(?:^|[-_])retry[-_]after[-_](?:ms|millis\w*)$")

# Members of errors by their letters alone. `estimated_time` is Hugging Face's, for a model that loads;
# `quotaResetDelay` Google's.
_WAIT_MEMBER: Final = re.compile(
    r"(?:retry(?:after|delay|in|at|time)|resets?(?:in|after|at|time))(?:s|secs|seconds)?"
    r"|quotaresetdelay|estimatedtime|wait(?:time|seconds)|cooldown(?:time|seconds)?"
)
_WAIT_MEMBER_MS: Final = re.compile(r"(?:retry(?:after|delay|in)|resets?(?:in|after)|wait)(?:ms|millis[a-z]*)")
_NO_LETTER: Final = re.compile(r"[^a-z]")

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
        if _AFTER.search(name):
            said.append(seconds(value, now))
        elif _AFTER_MS.search(name):
            said.append(_milliseconds(value))
    waits = [wait for wait in said if wait is not None]
    if waits or not limited:
        return max(waits, default=None)
    return _until_reset(headers, now)


def wait_from_members(error: Mapping[str, object], now: Now = _utc_now) -> float | None:
    """Returns the seconds that the members of an error object ask for, at most a day; None if they ask for nothing."""
    found: list[float | None] = []
    for name, value in error.items():
        letters = _NO_LETTER.sub("", name.lower())
        if _WAIT_MEMBER.fullmatch(letters):
            found.append(_of_member(value, now))
        elif _WAIT_MEMBER_MS.fullmatch(letters) and isinstance(value, int | float | str):
            found.append(_milliseconds(str(value)))
    headers = error.get("headers")
    if isinstance(headers, dict):
        # OpenRouter passes on the headers of an error in its body.
        passed_on = {str(name).lower(): str(value) for name, value in headers.items()}
        found.append(wait_from_headers(passed_on, limited=True, now=now))
    return max((wait for wait in found if wait is not None), default=None)


def wait_from_words(words: str, now: Now = _utc_now) -> float | None:
    """Returns the seconds of a sentence such as "Please try again in 6.5s."; None if it asks for nothing."""
    words = words.lower()
    if found := _WORDS.search(words):
        return seconds(found["wait"] or found["later"] or found["seconds"], now)
    at = _AT.search(words)
    return _until(at[1].upper(), now) if at else None


def seconds(value: str, now: Now = _utc_now) -> float | None:
    """Returns the seconds of a header's value: a number, a duration such as 1m30s or 00:01:30, a timestamp, or a date.

    They are between 0 and a day. None if the value is none of these.
    """
    value = value.strip()[:100].partition(";")[0].strip(" \"'")
    number = _number(value)
    if number is not None:
        return _from_number(number, now)
    if (duration := _duration(value.lower().removeprefix("in "))) is not None:
        return duration
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


def _milliseconds(value: str) -> float | None:
    number = _number(value.strip().lower().removesuffix("ms"))
    return None if number is None else _bounded(number / 1000)


def _duration(text: str) -> float | None:
    """Returns the seconds of a duration in lower case; None if the text is none. One below 0 is over."""
    past = text.startswith("-")
    text = text.removeprefix("-")
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, rest = clock.groups()
        wait = int(hours or 0) * 3600.0 + int(minutes) * 60.0 + float(rest)
    else:
        # ISO 8601 writes P1DT30S.
        text = text[1:].replace("t", "", 1) if text.startswith("p") else text
        if not _WHOLE.fullmatch(text):
            return None
        wait = sum(float(amount) * (_small(unit) or _SIZES[unit[0]]) for amount, unit in _PART.findall(text))
    return 0.0 if past else _bounded(wait)


def _small(unit: str) -> float | None:
    """Returns the size of a unit that is less than a second; None for the others, such as minutes."""
    return None if unit.startswith("min") else _SMALL_SIZES.get(unit[:2])


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
        wait = (
            (_milliseconds(value) if _RESET_MS.search(name) else seconds(value, now)) if _RESET.search(name) else None
        )
        if wait is not None:
            left = _number(headers.get(name.replace("reset-after", "reset").replace("reset", "remaining"), ""))
            (used_up if left is not None and left <= 0 else others).append(wait)
    # Several limits, each with its name in quotes, or one.
    for limit in re.split(r", *(?=\")", headers.get("ratelimit", "")[:200]):
        if found := _RATE_LIMIT.search(limit):
            (used_up if _NONE_LEFT.search(limit) else others).append(_bounded(float(found[1])))
    return max(used_up) if used_up else min(others, default=None)


def _bounded(wait: float) -> float:
    return min(max(wait, 0.0), _LONGEST_SECONDS)
