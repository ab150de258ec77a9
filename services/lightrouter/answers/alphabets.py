"""The letters of options in other alphabets than the Latin one: Б, Γ, ب, ג, ग, ข, 나, ②, and those that look Latin."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001, RUF003
from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Final

from lightrouter.answers.judged import NOUN

# Capitals of other scripts that look like Latin ones.
_LOOKALIKES: Final = str.maketrans("АВСЕНКМОРТХΑΒΕΗΙΚΜΝΟΡΤΧΖ", "ABCEHKMOPTXABEHIKMNOPTXZ")
_CYRILLIC: Final = "АБВГДЕЖЗ"
# The orders in which options have these letters. One text may have its letters from one of them only.
_SPACED: Final = ("ΑΒΓΔΕΖ", "αβγδε", "أبجده", "אבגדה", "कखगघ")
_UNSPACED: Final = ("กขคงจ", "가나다라마", "アイウエオ")
_CIRCLED: Final = str.maketrans("①②③④⑤⑥⑦⑧", "ABCDEFGH")


def _by_place(*orders: str) -> dict[str, str]:
    return {letter: ascii_uppercase[place] for order in orders for place, letter in enumerate(order)}


_LATIN: Final = _by_place(*_SPACED, _CYRILLIC, _CYRILLIC.lower()) | {"ا": "A"}
_WHOLLY: Final = _by_place(*_UNSPACED)
# Cyrillic letters of which none looks like a Latin one: where one is an option, В is the third letter and not B.
_ORDERED: Final = re.compile(r"(?<!\w)[БГДЖЗ](?=[).:]|\s*(?:$|[,;—]))", re.MULTILINE)
_LONE: Final = re.compile(rf"(?<![\w'-])[{''.join(_LATIN)}](?![\w'\u0900-\u0903\u093a-\u094f\u0640-\u065f-])")
_WHOLE: Final = re.compile(
    rf"\W*(?:{NOUN}\s*)?(?P<letter>[{''.join(_WHOLLY)}])\W*"
    r"(?:번|항|입니다|번입니다|이다|이에요|예요|です|だ|である|ครับ|ค่ะ)?\W*",
)
_HANGUL: Final = re.compile(r"[\uac00-\ud7af]")
# A choice: what states a letter is short.
_MOST_STATED: Final = 48


def uncircled(text: str) -> str:
    """Returns a text with letters for the circled digits with which Korean numbers options, or that are all of it.

    In Chinese and Japanese they are the numbers of statements, of which an option names several.
    """
    if text.isascii() or not (_HANGUL.search(text) or len(text.strip("()[]. \n")) == 1):
        return text
    return text.translate(_CIRCLED)


def latin(said: str, text: str) -> str:
    """Returns `said`, which a text states as its answer, with the letter of an option as the Latin one of its place.

    Args:
        said: What is stated.
        text: The whole text, which may show in which alphabet the options are.
    """
    if said.isascii():
        return said
    if len(said) <= _MOST_STATED and (found := _WHOLE.fullmatch(said)):
        return _WHOLLY[found["letter"]]
    ordered = _ORDERED.search(text) is not None

    def by_place(lone: re.Match[str]) -> str:
        looks = lone[0].translate(_LOOKALIKES)
        return looks if looks.isascii() and not ordered else _LATIN[lone[0]]

    return _LONE.sub(by_place, said).translate(_LOOKALIKES)
