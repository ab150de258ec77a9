"""JSON of a provider, parsed within a bounded time, because the parser lets no other task or thread run."""

from __future__ import annotations

import json
from typing import Final

# Measured with this decoder on one core: this many parts of the slowest kind take at most 10 ms. The rest of a document
# takes 10 ms a MiB.
_MOST_CONTAINERS: Final = 4_096
_MOST_MEMBERS: Final = 8_192
_MOST_QUOTES: Final = 32_768
# The time to parse an integer grows with the square of its digits.
_MOST_DIGITS: Final = 100
_SMALL: Final = 8 * 1024


def load(text: str) -> object:
    """Returns the JSON document in `text`, whose size the caller bounds.

    Raises:
        ValueError: `text` is no JSON, nests too deeply, or has more parts than any reply needs.
    """
    if len(text) > _SMALL and not (_is_simple(text) or _is_simple(_between_strings(text))):
        raise ValueError("too many parts")
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_json(text: str) -> bool:
    """Returns whether `load` reads `text`."""
    try:
        load(text)
    except ValueError:
        return False
    return True


def _is_simple(text: str) -> bool:
    return text.count("[") + text.count("{") <= _MOST_CONTAINERS and text.count(",") <= _MOST_MEMBERS


def _between_strings(text: str) -> str:
    """Returns `text` without its strings.

    Raises:
        ValueError: It has too many strings.
    """
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    if text.count('"') > _MOST_QUOTES:
        raise ValueError("too many strings")
    return "".join(text.split('"')[::2])


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number that counts nothing")
    return int(digits)


_decode = json.JSONDecoder(parse_int=_integer).decode
