"""Words that multiply the number before them: thousand, dozen, lakh, Millionen, mil millones, 万, ล้าน."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Final

# Words that mean different numbers in different languages, like Billion, have their English meaning.
_SPACED: Final[dict[str, int]] = {
    "hundreds?": 10**2, "thousands?": 10**3, "millions?": 10**6, "billions?": 10**9, "trillions?": 10**12,
    "bn": 10**9, "dozens?": 12, "lakhs?": 10**5, "crores?": 10**7,
    "tausend": 10**3, "millionen": 10**6, "mio": 10**6, "milliarden?": 10**9, "mrd": 10**9, "milliards?": 10**9,
    "mille": 10**3, "mila": 10**3, "mil": 10**3, "mill[oó]n(?:es)?": 10**6, "milh(?:ão|ões)": 10**6,
    "bilh(?:ão|ões)": 10**9, "milion[ei]?": 10**6, "miliard[oiey]?": 10**9, "miljoen": 10**6, "miljard(?:er)?": 10**9,
    "miljon(?:er)?": 10**6, "tysi(?:ąc|ące|ęcy)": 10**3, "tys": 10**3, "tisíce?": 10**3, "milion(?:y|ów|ů)": 10**6,
    "miliard(?:ów|ů)": 10**9, "mln": 10**6, "mld": 10**9,
    # Other words follow an English bin.
    r"bin(?=\W*(?:$|[\n.,;!?)']|TL\b|lira|dolar|euro|kişi))": 10**3, "milyon": 10**6, "milyar": 10**9,
    "ngh[iì]n": 10**3, "ngàn": 10**3, "triệu": 10**6, "t[ỷỉ]": 10**9, "ribu": 10**3, "juta": 10**6, "miliar": 10**9,
    "тысяч[аиу]?": 10**3, "тыс": 10**3, "миллион(?:а|ов)?": 10**6, "мільйон(?:и|ів)?": 10**6, "млн": 10**6,
    "миллиард(?:а|ов)?": 10**9, "млрд": 10**9,
    "χιλιάδες": 10**3, "εκατομμύρι[οα]": 10**6,
    "(?:ألف|آلاف)(?:ًا|اً)?": 10**3, "(?:مليون|ملايين)(?:ًا|اً)?": 10**6, "(?:مليار|مليارات)(?:ًا|اً)?": 10**9,
    "هزار": 10**3, "میلیون": 10**6, "میلیارد": 10**9, "אלף": 10**3, "מיליון": 10**6,
    "लाख": 10**5, "करोड़": 10**7, "हज़?ार": 10**3, "লক্ষ": 10**5, "কোটি": 10**7, "হাজার": 10**3,
}  # fmt: skip
# A word may follow these at once.
_JOINED: Final[dict[str, int]] = {"ร้อย": 100, "พัน": 10**3, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6}
UNSPACED: Final[dict[str, int | Fraction]] = {
    "百": 100, "백": 100, "千": 10**3, "천": 10**3, "万": 10**4, "萬": 10**4, "만": 10**4, "‰": Fraction(1, 1000),
    "亿": 10**8, "億": 10**8, "억": 10**8, "兆": 10**12, "조": 10**12,
}  # fmt: skip
_WORDS: Final = "|".join(_SPACED)
SCALE: Final = (
    rf"(?:\s{{0,2}}(?:{_WORDS})(?!\w)){{1,3}}|(?:\s?(?:{'|'.join(_JOINED)})){{1,3}}|\s?[{''.join(UNSPACED)}]{{1,3}}"
)
"""Matches up to three words that multiply the number before them, with the spaces before them."""


@lru_cache(maxsize=256)
def times(words: str) -> int | Fraction:
    """Returns the product of the words that SCALE matched."""
    words = words.strip()
    if words[0] in UNSPACED:
        return prod(map(UNSPACED.__getitem__, words))
    if joined := re.findall("|".join(_JOINED), words):
        return prod(map(_JOINED.__getitem__, joined))
    return prod(map(_time, words.split()))


def _time(word: str) -> int:
    return next(value for spelt, value in _SPACED.items() if re.match(rf"(?:{spelt})$", word, re.IGNORECASE))
