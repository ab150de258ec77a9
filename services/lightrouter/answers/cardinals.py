"""Whole numbers below a thousand in English words: twelve, forty-two, three hundred and five."""

from __future__ import annotations

import re
from typing import Final

from lightrouter.answers.vocabulary import NUMBERS

_ONES: Final = {"one": 1, **{word: int(digits) for word, digits in NUMBERS.items()}}
_TENS: Final = {
    word: 10 * tens
    for tens, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2)
}
_ONE: Final = "|".join(_ONES)
_LEAD: Final = r"\W*(?:(?:about|exactly|approximately|simply|just)\s+)?(?:(?P<minus>minus|negative)\s+)?"
# These change the value, so the number is not read.
_SCALES: Final = r"hundred|thousand|million|billion|trillion|dozen|half|halves|third|quarter|percent|point|or|and|to"
_WORDS: Final = re.compile(
    rf"{_LEAD}(?:(?P<hundreds>a|{_ONE})[\s-]hundred(?:\s+(?:and\s+)?)?)?"
    rf"(?:(?P<tens>{'|'.join(_TENS)})[\s-]?)?(?P<ones>{_ONE})?(?:\s+(?!(?:{_SCALES})s?\b)[^\W\d_]{{1,16}})?\W*",
    re.IGNORECASE,
)
_BEGIN: Final = re.compile(
    rf"{_LEAD}(?:(?:{_ONE}|{'|'.join(_TENS)}|a hundred)\b"
    r"|[\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341\u767e])",
    re.IGNORECASE,
)


def begins_with_cardinal(text: str) -> bool:
    """Tells whether a text begins with a number in words, English or Chinese ones."""
    return _BEGIN.match(text) is not None


def cardinal(text: str) -> int | None:
    """Returns the number that a text is in English words, with at most a unit behind it; None for any other text."""
    found = _WORDS.fullmatch(text)
    if found is None or not any(found.group("hundreds", "tens", "ones")):
        return None
    hundreds, tens, ones = (part and part.lower() for part in found.group("hundreds", "tens", "ones"))
    value = (_ONES.get(hundreds, 1) * 100 if hundreds else 0) + _TENS.get(tens, 0) + _ONES.get(ones, 0)
    return -value if found["minus"] else value
