"""Makes untrusted text safe for a terminal, for a log, and for Unicode's normalization."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from typing import Final, Literal

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs"})
_PLAIN: Final = re.compile(r"[\n\t\x20-\x7e]*+")
# The Stream-Safe Text Format of Unicode's annex 15: no script needs more marks on one letter.
_MOST_MARKS: Final = 30
# All other characters (Unicode 14) that normalization turns into combining marks.
_BECOME_MARKS: Final = "\u0f73\u0f75\u0f81\uff9e\uff9f"


def normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """Returns `text` in a normalization form of Unicode, with at most 30 combining marks in a row.

    Normalization sorts the marks of a letter in quadratic time: 200,000 of them take five seconds.
    """
    if text.isascii():
        return text
    return unicodedata.normalize(form, _long_runs_of_marks().sub(lambda run: run[0][:_MOST_MARKS], text))


@cache
def _long_runs_of_marks() -> re.Pattern[str]:
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x20000))))
    return re.compile(f"[{marks}{_BECOME_MARKS}]{{{_MOST_MARKS + 1},}}")


def printable(text: str) -> str:
    """Returns `text` without control characters, except line ends and tabs.

    Otherwise the text of a model or a provider could move the cursor or change the colours of the reader's terminal.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in _UNSEEN)


def one_line(text: str) -> str:
    """Returns `printable(text)` as one line, so that no part of it looks like a line of the log."""
    return " ".join(printable(text.replace("\r", " ")).split())


def printable_json(text: str) -> str:
    """Returns the same JSON with its control characters as escapes."""
    if _PLAIN.fullmatch(text):
        return text
    unseen = (char not in "\n\t" and unicodedata.category(char) in _UNSEEN for char in text)
    return "".join(json.dumps(char)[1:-1] if escape else char for char, escape in zip(text, unseen, strict=True))
