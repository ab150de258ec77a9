"""Makes untrusted text safe for a terminal or a log."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs"})
_PLAIN: Final = re.compile(r"[\n\t\x20-\x7e]*+")


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
