"""Counts the fields of a message before it is parsed: what it costs to parse and check grows with their number.

Parsing and checking run in native code that keeps every other thread and the event loop waiting. Two megabytes of
empty turns are a million fields, and took a minute to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor

# A choice: see `most_fields`.
_BYTES_PER_FIELD: Final = 512
# A choice: so many are counted, or checked, or estimated in 20 ms; a thousand turns with a tool call each have 7,000.
_LEAST_ALLOWED: Final = 8_192

# From the encoding of Protocol Buffers: kinds of values, the bytes of those of fixed size, and the bit that says that a
# number goes on, in at most ten bytes.
_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_MORE: Final = 0x80
_MOST_BITS: Final = 70


def most_fields(message_bytes: int) -> int:
    """Returns the maximum of a message's fields, if it may have `message_bytes` bytes.

    It is one field for 512 bytes, so that a service of the suite takes whatever a router has taken.
    """
    return max(_LEAST_ALLOWED, message_bytes // _BYTES_PER_FIELD)


def fields(raw: bytes, message: Descriptor, most: int) -> int:
    """Returns the number of fields in the encoded message `raw`, those of its submessages among them.

    Counting ends at `most` + 1. Fields behind a fault of the encoding do not count; parsing stops there too.
    """
    count = 0
    todo = [(0, len(raw), _submessages(message))]
    with suppress(IndexError):
        while todo:
            place, end, submessages = todo.pop()
            while place < end and count <= most:
                key = raw[place]
                place += 1
                count += 1
                if key >= _MORE:
                    key, place = _varint(raw, place - 1)
                kind = key & 7
                if kind == _BYTES:
                    length, place = _varint(raw, place)
                    submessage = submessages.get(key >> 3)
                    if submessage is not None:
                        todo.append((place, place + length, _submessages(submessage)))
                    place += length
                elif kind == _VARINT:
                    _, place = _varint(raw, place)
                else:
                    # Groups have no value of their own: their fields follow.
                    place += _FIXED.get(kind, 0)
    return count


@cache
def _submessages(message: Descriptor) -> Mapping[int, Descriptor]:
    """Returns the messages in the fields of a message, by the fields' numbers."""
    return {field.number: field.message_type for field in message.fields if field.message_type is not None}


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    """Returns the number at a place, and the place behind it."""
    number = raw[place]
    if number < _MORE:
        return number, place + 1
    number &= _MORE - 1
    for shift in range(7, _MOST_BITS, 7):
        place += 1
        byte = raw[place]
        number |= (byte & (_MORE - 1)) << shift
        if byte < _MORE:
            return number, place + 1
    raise IndexError
