"""Numbers in English words: twelve, forty-two, two thousand and five, three quarters, two and a half, fifty percent."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from lightrouter.answers.vocabulary import NUMBERS

_ONES: Final = {"a": 1, "an": 1, "one": 1, **{word: int(digits) for word, digits in NUMBERS.items()}}
_TENS: Final = {
    word: 10 * tens
    for tens, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2)
}
_SMALL: Final = _ONES | _TENS
_LARGE: Final = {"dozen": 12, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHARES: Final = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100, "thousandth": 1000,
}  # fmt: skip
_NUMBER_WORD: Final = "|".join({**_SMALL, **_LARGE, "hundred": 100})
_SHARE_WORD: Final = rf"(?:{'|'.join(_SHARES)})s?"
_LEAD: Final = re.compile(r"\W*(?:(?:about|exactly|approximately|simply|just|roughly|around)\s+)?", re.IGNORECASE)
_MINUS: Final = re.compile(r"(?:minus|negative)\s+", re.IGNORECASE)
_WORDS: Final = re.compile(
    rf"(?:{_NUMBER_WORD})(?:(?:,?\s+and|,)?[\s-]+(?!an?\b)(?:{_NUMBER_WORD})\b)*\b", re.IGNORECASE
)
_SHARE: Final = re.compile(rf"[\s-]({_SHARE_WORD})\b", re.IGNORECASE)
_HALF: Final = re.compile(r"half\b(?:\s+(?:of\s+)?(?=an?\s))?", re.IGNORECASE)
_AND_SHARE: Final = re.compile(rf"\s+and\s+(an?|{_NUMBER_WORD})[\s-]({_SHARE_WORD})\b", re.IGNORECASE)
_SCALE: Final = re.compile(rf"\s+({'|'.join(_LARGE)})\b", re.IGNORECASE)
_POINT: Final = re.compile(rf"\s+point((?:[\s-](?:oh|{'|'.join(_ONES)})\b){{1,12}})", re.IGNORECASE)
_PERCENT: Final = re.compile(r"\s+per\s?cent\b", re.IGNORECASE)
# These behind a number change its meaning: two or three, two to one, five times six, one that nobody knows.
_OTHERS: Final = (
    r"(?:or|and|to|by|that|which|who|thing|more|less|times|plus|minus|out"
    rf"|in\s+(?:{_NUMBER_WORD})|{_NUMBER_WORD}|{_SHARE_WORD})\b"
)
_JOINED: Final = re.compile(
    rf"\W*(?:{_OTHERS}|[-+*/=\u00d7])|[^.\n]*(?::|\b(?:or|to)\s+(?:{_NUMBER_WORD})\b)", re.IGNORECASE
)
_OF: Final = re.compile(r"\s+of\b", re.IGNORECASE)
_UNIT: Final = re.compile(rf"(?:\s+(?!(?:of|{_OTHERS}))[^\W\d_]{{1,16}})?\W*", re.IGNORECASE)
_BEGIN: Final = re.compile(
    rf"\W*(?:(?:about|exactly|approximately|roughly|around|minus|negative)\s+)*"
    rf"(?!an?\b(?!\s+(?:hundred|{'|'.join(_LARGE)})))(?:{_NUMBER_WORD}|half)\b",
    re.IGNORECASE,
)
_LOOSE: Final = re.compile(r"\b(?:an?|dozen)\b", re.IGNORECASE)
_BARE_ARTICLE: Final = re.compile(r"an?", re.IGNORECASE)


def begins_with_cardinal(text: str) -> bool:
    """Tells whether a text begins with a number in English words."""
    return _BEGIN.match(text) is not None


def cardinal_of(text: str) -> Fraction | None:
    """Returns the whole number that a text is in English words; None if it is anything more, or a dozen."""
    at = _end(_MINUS, text, 0)
    if not _WORDS.fullmatch(text, at) or _LOOSE.search(text):
        return None
    value = _whole(text[at:])
    return -value if at and value is not None else value


def cardinal(text: str, *, alone: bool = False) -> tuple[Fraction, bool] | None:
    """Returns the number that a text begins with in English words, and whether it is a percentage.

    None if there is none, or if the words behind it make another number of it; with `alone`, and for "one", if more
    than a unit stands behind it.
    """
    begin = _end(_LEAD, text, 0)
    at = _end(_MINUS, text, begin)
    read = _read(text, at)
    if read is None:
        return None
    value, end = read
    percent = _PERCENT.match(text, end)
    if percent:
        value, end = value / 100, percent.end()
    rest = text[end:]
    if alone or (value == 1 and not rest.lstrip().startswith(("(", ","))):
        ends = _UNIT.fullmatch(rest) is not None
    else:
        ends = not _JOINED.match(rest) and (value < 1 or not _OF.match(rest))
    return (-value if at > begin else value, bool(percent)) if ends else None


def _read(text: str, at: int) -> tuple[Fraction, int] | None:
    """Returns the value of the words at a place, and their end."""
    if half := _HALF.match(text, at):
        rest = _read(text, half.end()) if half[0] != half[0].rstrip() else None
        return (rest[0] / 2, rest[1]) if rest else (Fraction(1, 2), half.start() + len("half"))
    found = _WORDS.match(text, at)
    if found is None:
        return None
    end = found.end()
    value = _whole(found[0])
    if value is None:
        return None
    if point := _POINT.match(text, end):
        digits = "".join(str(_ONES.get(word, 0)) for word in re.split(r"[\s-]+", point[1].lower().strip()))
        return value + Fraction(int(digits), 10 ** len(digits)), point.end()
    if share := _SHARE.match(text, end):
        return value / _share(share[1]), share.end()
    if share := _AND_SHARE.match(text, end):
        above = _whole(share[1])
        return _scaled(text, value + above / _share(share[2]), share.end()) if above else None
    return None if _BARE_ARTICLE.fullmatch(found[0]) else (value, end)


def _scaled(text: str, value: Fraction, end: int) -> tuple[Fraction, int]:
    """Returns a value times the word behind it: two and a half million."""
    scale = _SCALE.match(text, end)
    return (value * _LARGE[scale[1].lower()], scale.end()) if scale else (value, end)


def _whole(words: str) -> Fraction | None:
    """Returns the value of the words of a whole number; None if their order makes none, like five twenty."""
    total = part = 0
    last, scale = "", 0
    for word in re.split(r"[\s,-]+", words.lower()):
        if word == "and":
            continue
        if word in _SMALL:
            ten_before = last in _TENS and 0 < _SMALL[word] < 10
            if last in _SMALL and not ten_before:
                return None
            part += _SMALL[word]
        elif word == "hundred":
            part = (part or 1) * 100
        elif scale and _LARGE[word] >= scale:
            # Two hundred thousand million.
            total, part, scale = (total + part) * _LARGE[word], 0, _LARGE[word]
        else:
            total, part, scale = total + (part or 1) * _LARGE[word], 0, _LARGE[word]
        last = word
    return Fraction(total + part)


def _share(word: str) -> int:
    return _SHARES.get(word.lower()) or _SHARES[word.lower().removesuffix("s")]


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
