"""Currencies beside a number: how they look, the short scales before or behind them, and who writes 1.000 for 1000."""

from __future__ import annotations

import re
from typing import Final

_SIGNS: Final = "\u20ab\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u0e3f"
CURRENCY: Final = (
    rf"(?:(?:(?<![A-Za-z])[A-Z]{{1,3}})?\$|[{_SIGNS}]"
    r"|(?<![A-Za-z])(?:USD?|EUR|GBP|JPY|CNY|RMB|INR|CHF|IDR|VND|BRL|DKK|CAD?|AUD?|R|R[sp]\.?))"
)
"""Matches a currency before a number, or a code or sign behind it."""
# Dollars of the United States have no sign in a canonical form, since theirs is also TeX's.
_NAMES: Final = {
    "eur": "\u20ac", "gbp": "\u00a3", "inr": "\u20b9", "rs": "\u20b9", "us": "", "usd": "", "us$": "",
    "ca": "cad", "ca$": "cad", "c$": "cad", "au": "aud", "au$": "aud", "a$": "aud", "r$": "brl", "rmb": "cny",
    "vnd": "\u20ab", "rp": "idr",
}  # fmt: skip
_NAMED: Final = re.compile(
    r"[a-z]{1,3}\$|eur|(?<![a-z])(?:usd?|gbp|jpy|cny|rmb|inr|chf|vnd|idr|brl|dkk|cad?|aud?|rs?|rp)(?![a-z])",
    re.IGNORECASE,
)
# The point separates groups in the languages of these currencies, which have no thousandths in use.
_GROUPING: Final = (
    r"(?:\u20ab|VN[D\u0110]|\u0111(?:\u1ed3ng)?|R\$|BRL|reais|Rp|IDR|rupiah|\u20ba|TL|liras?|DKK|kroner|kr)(?!\w)"
)
_EURO: Final = r"(?:\u20ac|EUR(?!\w)|euros?(?!\w))"
# R$ 5 has lost its sign, which might be TeX's.
_BEFORE: Final = re.compile(
    r"(?:(?P<grouping>\u20ab|(?-i:R\s)|R\$|BRL|Rp\.?|IDR|VND|\u20ba|DKK)|\u20ac|EUR)\s?\Z", re.IGNORECASE
)
_BEHIND: Final = re.compile(rf"\s?(?:(?P<grouping>{_GROUPING})|{_EURO})", re.IGNORECASE)
GROUPED_BEHIND: Final = rf"[1-9]\d{{0,2}}\.\d{{3}}(?i:\s?(?:{_GROUPING}|{_EURO}))"
"""Matches a number whose point may separate groups, with the currency behind it."""
_ONE_POINT: Final = re.compile(r"[1-9]\d{0,2}\.\d{3}")
# Prices of fuel, of power and of shares have thousandths: 1.749 a litre.
_EACH: Final = re.compile(r"\s?(?:/|per\b|pro\b|je\b|an?\b|each\b|par\b|por\b|al\b)", re.IGNORECASE)
# Points before one or two digits, and commas before three, are of a text that writes 1,000 for a thousand.
_DECIMAL_POINT: Final = re.compile(r"(?<![\d.,])\d+\.\d{1,2}(?![\d.]|,\d)|\d,\d{3}(?!\d)")
# A choice: how far from a number another one shows how the text writes them.
_NEAR: Final = 160
_MONEY_BEHIND: Final = (
    r"(?i:\s?(?:US\$|[$\u20ac\u00a3\u00a5\u20b9]"
    r"|(?:USD|EUR|GBP|JPY|CNY|INR|CAD|AUD|CHF|dollars?|euros?|pounds?|rupees?|yen)(?!\w)))"
)
SHORT_BEHIND: Final = rf"\s?(?:[KMBTkmb]|[Mm]n|MM|[Tt]r?n|bln){_MONEY_BEHIND}"
"""Matches a short scale with a currency behind it."""
# $5M, $5 m and 5M USD; without a currency M is a unit, like molar, and T a tesla. $5 T-shirts are none, and neither is
# $5 CR, a credit.
_ALWAYS: Final = r"k(?!\w)"
_AFTER_MONEY: Final = (
    r"(?:[KMBmbT]|MM|\s{1,2}[KMBTkmb](?![-\u2010\u2011'/&]|\sshirts?\b)|\s?(?:[Mm]n|MN|[Tt]r?n|bln))(?!\w)"
)
_BEFORE_MONEY: Final = rf"\s?(?:[KMBTkmb]|[Mm]n|MM|[Tt]r?n|bln)(?={_MONEY_BEHIND})"
_SHORT: Final = re.compile(f"{_ALWAYS}|{_BEFORE_MONEY}")
_SHORT_AFTER_MONEY: Final = re.compile(f"{_ALWAYS}|{_BEFORE_MONEY}|{_AFTER_MONEY}")
_SHORT_AFTER_RUPEES: Final = re.compile(rf"{_SHORT_AFTER_MONEY.pattern}|\s?(?:[Cc]r|L)(?!\w)")
# These are words of English as well: it gives us 448 K.
_WORDS: Final = frozenset({"us", "ca", "au", "r"})
_RUPEES: Final = re.compile(r"\u20b9|INR|Rs", re.IGNORECASE)
_SCALES: Final = {
    "k": 10**3, "m": 10**6, "mn": 10**6, "mm": 10**6, "l": 10**5, "cr": 10**7, "b": 10**9, "bln": 10**9,
    "t": 10**12, "tn": 10**12, "trn": 10**12,
}  # fmt: skip


def sign_of(text: str) -> str:
    """Returns the sign or name of the currency of an amount; "" for dollars and for none."""
    named = _NAMED.search(text)
    if named:
        name = named[0].lower()
        return _NAMES.get(name, name.replace("$", "d"))
    return next((character for character in text if character in _SIGNS), "")


def short_scale(text: str, end: int, currency: str | None) -> tuple[int, int]:
    """Returns what the letters at `end` multiply a number by, and their end; 1 if they are no scale.

    `currency` is what stands before the number.
    """
    pattern = _SHORT
    if currency and currency.strip() not in _WORDS:
        pattern = _SHORT_AFTER_RUPEES if _RUPEES.match(currency) else _SHORT_AFTER_MONEY
    short = pattern.match(text, end)
    return (_SCALES[short[0].strip().lower()], short.end()) if short else (1, end)


def separates_groups(text: str, begin: int, end: int, currency: str | None, behind: int) -> bool:
    """Whether the point of the number from `begin` to `end` separates thousands, as its currency shows.

    `currency` is what stands before the number; one behind it stands at `behind`.
    """
    if not _ONE_POINT.fullmatch(text, begin, end):
        return False
    found = (_BEFORE.fullmatch(currency) if currency else None) or _BEHIND.match(text, behind)
    if found is None:
        return False
    if found["grouping"]:
        return True
    each = _EACH.match(text, max(behind, found.end()) if not currency else behind)
    near = text[max(0, begin - _NEAR) : begin], text[end : end + _NEAR]
    return each is None and not any(map(_DECIMAL_POINT.search, near))
