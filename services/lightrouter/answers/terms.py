"""What an announced text is if it is not one number: several numbers, a formula, a word for no value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

# What stands between several answers (3 and 5, 3-5, x = 3 or x = 5, 2 h 30 min), and behind the last one. Words that
# only look like such a unit and a joining word are left out: as of, instead of.
_JOIN: Final = re.compile(
    r"(?:\s{0,2}(?!(?:as|instead|out|because)\b)[^\W\d_]{1,9}|\s?[$\u20ac\u00a3\u00a5%])?\s*[,;]?\s*"
    r"(?:\.\.|[a-d]\)|[^\W\d_]{1,12}\s?:|[-,;/+*~&\u2014\u00d7\u00f7\u548c\u6216\u5230\u81f3\u3068\u3001\uacfc\uc640]|\u307e\u305f\u306f|\u5c0f\u65f6|\u6642\u9593|[\u5e74\u6708\u65f6\u6642\u70b9\uc2dc]|\u4f59\u308a?|\u3042\u307e\u308a|\ub098\uba38\uc9c0"
    r"|[<\u2264]\s*[a-z]\s*[<\u2264]"
    r"|(?:\b|\s|^)(?:and|or|to|vs\.?|by|und|oder|bis|et|ou|y|o|e|en|of|eller|och|lub|i|ve|veya|dan|atau|v\u00e0|ho\u1eb7c"
    r"|\u0438|\u0438\u043b\u0438|\ub610\ub294|\u0623\u0648|\u0648|\u092f\u093e|\u0914\u0930|\u0e2b\u0e23\u0e37\u0e2d"
    r"|r|remainder|rest|reste|resto|reszta|kalan|\u043e\u0441\u0442\u0430\u0442\u043e\u043a"
    r"|hours?|hrs?|h|min|minutes?|days?|weeks?|months?|years?|feet|foot|ft|lbs?|pounds?|kg|km|m|dollars?|euros?"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)(?=\W|$))"
    r"\s*(?:and\s+)?(?:[a-z]\s?=\s?)?[$\u20ac\u00a3\u00a5]?\s*",
    re.IGNORECASE,
)
_UNIT: Final = re.compile(r"(?:\s{0,2}[^\W\d_]{1,12})?\W*")
_FUNCTION: Final = r"a?(?:sin|cos|tan)h?|arc(?:sin|cos|tan)|ln|log|exp"
_FORMULA: Final = re.compile(
    # 5x, 3i, x^2, 5 + \u221a7, x > 5
    r"\d(?:[xyzni](?!\w)|e(?![-+\w]))|(?<![a-z])[xyz]\^|\d\s?[-+\u00d7*/]\s?\d*\s?(?:[\u221a\u03c0]|[xyzi](?!\w))"
    r"|(?<![\w)])[a-z]\s?[-+\u00d7*]\s?\d|\d\s?x\s?(?!10\s?(?:\^|\*\*))\d|\d\s?\u00b0\s?\d+\s?'|[\u221e\u222a\u2260]|\\langle"
    r"|(?<!\w)[xyznt]\s?(?:[<>\u2264\u2265]|\\[lg]eq?)|\\(?:binom|begin|sum|int|prod|lim|overline|bar)"
    rf"|(?<![a-z])(?:{_FUNCTION})(?:_\w|_?\{{\w+\}})?\s?[({{]?\s?\d"
)
_NO_VALUE: Final = re.compile(
    r"\W*(?:not\s+(?:known|given|determined|defined|possible)|unknown|undefined|unclear|indeterminate|infinite(?:ly)?|infinity|impossible)\b"
    r"(?!.*\bbut\b)",
    re.IGNORECASE,
)
_ABOUT: Final = re.compile(r"\u2248|\\approx|\b(?:approximately|about|roughly)\b", re.IGNORECASE)


def are_several(text: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Tells whether the numbers at `spans` are several answers rather than one with words around it."""
    between = [text[end:begin] for (_, end), (begin, _) in pairwise(spans)]
    return bool(between) and all(map(_JOIN.fullmatch, between)) and bool(_UNIT.fullmatch(text, spans[-1][1]))


def without_formula(text: str) -> str:
    """Returns the part of an announced text that may be a number; "" if it is a formula or says that there is none.

    That is the text, or the part behind "approximately" if a formula stands before it.
    """
    if _NO_VALUE.match(text):
        return ""
    found = _FORMULA.search(text)
    if not found:
        return text
    about = _ABOUT.search(text, found.start())
    return text[about.end() :] if about else ""
