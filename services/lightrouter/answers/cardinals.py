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
_WORDS: Final = re.compile(
    rf"\W*(?:(?:about|exactly|approximately|simply|just)\s+)?(?:(?P<hundreds>a|{_ONE})[\s-]hundred(?:\s+(?:and\s+)?)?)?"
    rf"(?:(?P<tens>{'|'.join(_TENS)})[\s-]?)?(?P<ones>{_ONE})?(?P<unit>\s+[^\W\d_]{{1,16}})?\W*",
    re.IGNORECASE,
)


def cardinal(text: str) -> int | None:
    """Returns the number that `text` is in words, with at most one more word, like a unit; None for any other text."""
    found = _WORDS.fullmatch(text)
    if found is None or not any(found.group("hundreds", "tens", "ones")):
        return None
    hundreds, tens, ones = (part and part.lower() for part in found.group("hundreds", "tens", "ones"))
    return (_ONES.get(hundreds, 1) * 100 if hundreds else 0) + _TENS.get(tens, 0) + _ONES.get(ones, 0)
