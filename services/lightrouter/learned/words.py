"""Prompts as hashed words, so that an artifact holds numbers of its training prompts and not their text."""

from __future__ import annotations

import re
from zlib import crc32

BUCKETS = 1 << 18
"""Values that a hashed word may have, 0 to this."""
_WORD = re.compile(r"[^\W\d_]{2,}|\d")
# Longer prompts say what they are about within so many characters from their begin and their end.
_MOST_CHARACTERS = 8_000


def hashed_words(prompt: str) -> dict[int, int]:
    """Returns how often each hashed word stands in a prompt; all digits are one word."""
    if len(prompt) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        prompt = f"{prompt[:half]} {prompt[-half:]}"
    counts: dict[int, int] = {}
    for word in _WORD.findall(prompt.lower()):
        key = crc32(b"0" if word.isdigit() else word.encode(errors="replace")) % BUCKETS
        counts[key] = counts.get(key, 0) + 1
    return counts
