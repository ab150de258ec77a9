"""Prompts as hashed words, so that an artifact stores numbers of its training prompts, not their text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import crc32

from lightrouter.answers.scripts import RUN, pairs, shadow
from lightrouter.runtime.text import normalized

BUCKETS = 1 << 18
"""Number of values of a hashed word."""
_WORD = re.compile(r"[a-z]{2,}|\d", re.ASCII)
# In a shadow, in which marks stand with their letters; a single letter that bears a mark is a syllable, and counts.
_ANY_WORD = re.compile(rf"[a-z](?:[a-z]|\x02)+|{RUN}|\d", re.ASCII)
# Characters to read from the start and the end of longer prompts: their topic is within them.
_MOST_CHARACTERS = 8_000


def hashed_words(prompt: str) -> dict[int, int]:
    """Returns the counts of hashed words in a prompt; all digits are one word.

    In scripts without spaces each two neighbouring letters are a word, see `answers.scripts`.
    """
    if len(prompt) > _MOST_CHARACTERS:
        half = _MOST_CHARACTERS // 2
        prompt = f"{prompt[:half]} {prompt[-half:]}"
    counts: dict[int, int] = {}
    for word in _words(prompt):
        key = crc32(word.encode(errors="replace")) % BUCKETS
        counts[key] = counts.get(key, 0) + 1
    return counts


def _words(prompt: str) -> Iterator[str]:
    if prompt.isascii():
        for word in _WORD.findall(prompt.lower()):
            yield "0" if word.isdigit() else word
        return
    # Twice, since case folding may part what was composed (Unicode, section 3.13).
    plain = normalized("NFKC", normalized("NFKC", prompt).casefold())
    seen = shadow(plain)
    for match in _ANY_WORD.finditer(seen):
        word = plain[match.start() : match.end()]
        if seen[match.start()].isdigit():
            yield "0"
        elif seen[match.start()].isalpha():
            yield word
        else:
            yield from pairs(word)
