"""Tokens of recorded texts, counted without any model's vocabulary.

A recording says what a model wrote, seldom in which tokens. `count` approximates what byte-pair encodings with
vocabularies of 50,000 to 200,000 entries make of a text: a word of up to eight letters with the space before it is one
token, a longer one has another for every eight letters; up to three digits are one, and up to three punctuation marks;
letters outside ASCII come two a token; a run of white space is one. Prose has some 1.3 tokens a word, or one for every
four to five characters. No real model counts exactly so, but all texts are counted alike. Beside the tokenizer of
SmolLM2 (49,152 entries) this counts .90 of the tokens of recorded MMLU-Pro outputs, whose numbers that one splits digit
by digit, and 1.02 of those of AlpacaEval; for nine in ten of the single texts between .80 and 1.13.

Every character belongs to one token, and where a token ends depends on nothing behind it. So a cut text and its rest
have together as many tokens as the whole.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PIECE: Final = (
    r" ?(?:[A-Za-z]{1,8}|[0-9]{1,3}|[!-/:-@\[-`{-~]{1,3}|[^\x00-\x7f]{1,2})"
    r"|[ \t-\r\x1c-\x1f]+|[\x00-\x08\x0e-\x1b\x7f]"
)
_find_all: Final = re.compile(_PIECE).findall


def count(text: str) -> int:
    """Returns the number of tokens of `text`."""
    return len(_find_all(text))


def cut(text: str, tokens: int) -> str:
    """Returns the first `tokens` tokens of `text`, 0 upward; all of it where it has no more."""
    if tokens >= len(text):
        return text
    found = _first(tokens).match(text)
    return found.group() if found else ""


@lru_cache(maxsize=4096)
def _first(tokens: int) -> re.Pattern[str]:
    # Possessive: a token that is matched is never tried again in another way.
    return re.compile(rf"(?>{_PIECE}){{0,{tokens}}}+")
