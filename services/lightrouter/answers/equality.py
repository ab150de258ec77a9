"""Decides whether two answers are the same: first by meaning, then without the text around them."""

from __future__ import annotations

import re
from typing import Final

from lightrouter.answers.announced import unmarked
from lightrouter.answers.numbers import is_short, number_of, numbers, written
from lightrouter.answers.plain import plain, without_tex
from lightrouter.runtime.text import normalized

# Choices. A longer answer is a text, in which numbers are compared as written.
_MOST_CHARACTERS: Final = 256
# Of a longer one only white space, case and composition are normalized.
_MOST_BARED: Final = 4_096
_MOST_PASSES: Final = 8
_CURRENCIES: Final = frozenset("\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u0e3f")
# Dollars of the United States have no sign in a canonical form, since theirs is also TeX's.
_NAMES: Final = {
    "eur": "\u20ac", "gbp": "\u00a3", "inr": "\u20b9", "rs": "\u20b9", "us": "", "usd": "", "us$": "",
    "ca": "cad", "ca$": "cad", "c$": "cad", "au": "aud", "au$": "aud", "a$": "aud", "r$": "brl", "rmb": "cny",
}  # fmt: skip
_NAMED: Final = re.compile(
    r"[a-z]{1,3}\$|eur|(?<![a-z])(?:usd?|gbp|jpy|cny|rmb|inr|chf|cad?|aud?|rs?)(?![a-z])", re.IGNORECASE
)
# The case of these letters of a unit counts: mW is not MW, Mb not MB.
_UNIT: Final = re.compile(r"(?<=\d)( ?(?:MB\b|M(?=(?:[A-Za-z]|[Hh][Zz]|[Pp][Aa]|[Ee][Vv]|bps)\b)|[A-Za-z]B\b))")
# Characters around an answer that are not part of it. Not in front: a point, a sign, an exclamation mark.
_BEFORE: Final = " \t\"'`:;,?\u00bf\u00a1"
_BEHIND: Final = " \t\"'`.,;:!?\u3002\uff01\uff1f\uff0c\u0964"
# The mark of a factorial, a derivative, inches or digits without end is a part of it.
_MARKED: Final = re.compile(r"(?:(?<!\w)[a-z]|\d|\))(?:!+|'+|\"+)$|\.\d+(?:\.{3}|\u2026)$")
_EQUAL_SIGNS: Final = (("<=", "\u2264"), (">=", "\u2265"), ("!=", "\u2260"))
_PRODUCT: Final = re.compile(r"(?<!\*)\*(?!\*)")
_PAIRS: Final = re.compile(r"\(\s*([^()\[\]{},]*)\s*\)|\[\s*([A-Za-z])\s*\]|\{\s*([A-Za-z])\s*\}")
_SPACES: Final = re.compile(r"\s*([^\w\s,'.]+)\s*")
_COMMAS: Final = re.compile(r"\s*,\s*")
_BOXED: Final = re.compile(r"\\f?box(?:ed)?\s*\{(.*)\}")


def canonical(answer: str) -> str:
    """Returns the canonical form of an answer: equal answers have equal forms.

    Numbers are equal by value, in any notation: 1,000 and 1000.0, 50% and 1/2. Texts are equal except for case,
    composition, white space, Markdown, TeX, quotes, and punctuation at the end. Brackets, signs and leading characters
    count: [1, 2] is not (1, 2), .5 not 5, !true not true.
    """
    if len(answer) > _MOST_BARED:
        return normalized("NFC", " ".join(answer.split()).casefold())
    text = answer
    # What stands around may hide more of it, and a value in the place of an expression may make a number of the whole.
    for _ in range(_MOST_PASSES):
        simpler = _simpler(text)
        if simpler == text:
            break
        text = simpler
    return text or answer.strip()


def value(text: str) -> str | None:
    """Returns the canonical form of a text that is only one number; None for any other."""
    if len(text) > _MOST_CHARACTERS or number_of(_bare(text)) is None:
        return None
    return canonical(text)


def _simpler(text: str) -> str:
    bare = _bare(text)
    number = number_of(bare)
    if number is not None:
        return _currency(bare) + written(number)
    valued = _with_values(bare) if len(bare) <= _MOST_CHARACTERS else bare
    for spelt, sign in _EQUAL_SIGNS:
        valued = valued.replace(spelt, sign)
    valued = _COMMAS.sub(", ", _SPACES.sub(r"\1", _PRODUCT.sub("\u00d7", valued)))
    parts = _UNIT.split(valued)
    parts[::2] = map(str.casefold, parts[::2])
    return normalized("NFC", "".join(parts)).strip()


def _currency(text: str) -> str:
    """Returns the sign or name of a currency; "" for dollars and for none."""
    named = _NAMED.search(text)
    if named:
        name = named[0].lower()
        return _NAMES.get(name, name.replace("$", "d"))
    return next((character for character in text if character in _CURRENCIES), "")


def _bare(answer: str) -> str:
    text = " ".join(unmarked(plain(answer)).split())
    quoted = text.startswith(("'", '"', "`"))
    if boxed := _BOXED.fullmatch(text.strip("$. ")):
        text = boxed[1]
    bare = " ".join(without_tex(text).split()).lstrip(_BEFORE)
    bare = bare if not quoted and _MARKED.search(bare) else bare.rstrip(_BEHIND)
    pair = _PAIRS.fullmatch(bare)
    return next(filter(None, pair.groups()), "") if pair else bare


def _with_values(text: str) -> str:
    """Returns a text with each number in canonical form."""
    parts: list[str] = []
    at = 0
    for number in numbers(text):
        begin, end = number.span
        if is_short(text, number):
            continue
        # 5km is 5 km.
        parts += [text[at:begin], _currency(text[begin:end]), written(number), " " * text[end : end + 1].isalpha()]
        at = end
    return "".join([*parts, text[at:]])
