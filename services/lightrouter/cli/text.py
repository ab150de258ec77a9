"""Formats money, time and model text for a terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration

from lightrouter.runtime.enums import label
from lightrouter.runtime.text import one_line, printable, printable_json

if TYPE_CHECKING:
    from lightrouter.runtime.enums import Enumeration

__all__ = ["dollars", "enum_word", "log", "one_line", "printable", "printable_json", "reason", "seconds"]

_NANO: Final = 10**9


def log(line: str) -> None:
    """Writes a line to standard error."""
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def reason(error: Exception) -> str:
    """Returns what an exception says, without the system's number before it."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def dollars(nanousd: int) -> str:
    """Returns nano-dollars as US dollars to the last digit, `$0.000045300`."""
    sign = "-" if nanousd < 0 else ""
    whole, fraction = divmod(abs(nanousd), _NANO)
    return f"{sign}${whole}.{fraction:09}"


def seconds(duration: Duration) -> str:
    """Returns a duration in seconds, `1.25 s`."""
    return f"{duration.ToNanoseconds() / _NANO:.2f} s"


def enum_word(enum: Enumeration, number: int) -> str:
    """Returns an enum value's label for people: `SELECTION_REASON_CLEAR_LEAD` is `clear lead`."""
    return label(enum, number).replace("_", " ")
