"""Parsers of argument values; each refuses an invalid value with a sentence that says what it must be."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

# The largest seed that the protos allow (Sampling.seed).
_MOST_SEED = 2**31 - 1
# Choices: a larger value is a slip of the hand.
_MOST_SECONDS = 10**9
_MOST_DOLLARS = 1_000_000


def count(value: str) -> int:
    """Returns a whole number of 1 or more."""
    number = _whole(value)
    if number is None or number < 1:
        raise ArgumentTypeError(f"{value!r} is not a whole number of 1 or more")
    return number


def count_to(most: int) -> Callable[[str], int]:
    """Returns a parser for a whole number of 1 to `most`."""

    def read(value: str) -> int:
        number = count(value)
        if number > most:
            raise ArgumentTypeError(f"{value!r} is more than {most}")
        return number

    return read


boot_tokens = count_to(4096)
"""Reads B, within a policy's bounds."""


def seed(value: str) -> int:
    """Returns a seed, 0 to 2^31 - 1."""
    number = _whole(value)
    if number is None or not 0 <= number <= _MOST_SEED:
        raise ArgumentTypeError(f"{value!r} is not a whole number of 0 to {_MOST_SEED}")
    return number


def seconds(value: str) -> float:
    """Returns a time in seconds, above 0."""
    number = _number(value)
    if not 0 < number < _MOST_SECONDS:
        raise ArgumentTypeError(f"{value!r} is not a number of seconds above 0")
    return number


def share(value: str) -> float:
    """Returns a share, between 0 and 1."""
    number = _number(value)
    if not 0 < number < 1:
        raise ArgumentTypeError(f"{value!r} is not between 0 and 1")
    return number


def money(value: str) -> int:
    """Returns an amount of US dollars, above 0, in nano-dollars."""
    amount = _dollars(value)
    if not 0 < amount < _MOST_DOLLARS:
        raise ArgumentTypeError(f"must be an amount of US dollars above 0 and below {_MOST_DOLLARS}")
    nano = amount.scaleb(9)
    if nano != nano.to_integral_value():
        raise ArgumentTypeError("must be in whole nano-dollars, at most 9 decimal places")
    return int(nano)


def budget(value: str) -> int:
    """Returns an amount of US dollars, 0 or more, in nano-dollars."""
    return money(value) if _dollars(value) else 0


def _dollars(value: str) -> Decimal:
    """Returns an amount; -1 if it is not finite."""
    try:
        amount = Decimal(value.removeprefix("$"))
    except InvalidOperation:
        raise ArgumentTypeError("must be an amount of US dollars like 0.002") from None
    return amount if amount.is_finite() else Decimal(-1)


def _whole(value: str) -> int | None:
    try:
        return int(value)
    except ValueError:
        return None


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
