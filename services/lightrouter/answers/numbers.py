r"""Numbers as people and models write them: `1,234.5`, `1 000 000`, `3,5`, `-$3`, `½`, `50 %`, `3.5e3`, `१२`.

The one grammar of numbers: scorers, votes, agreement, the lab and the learned selector read them with it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final, NamedTuple

from lightrouter.answers.announced import announcements, unmarked
from lightrouter.answers.plain import plain, without_tex

_MOST_CHARACTERS: Final = 8_192
# A longer run of digits is a key or noise, and costs time to work with.
_MOST_DIGITS: Final = 64
_MOST_EXPONENT: Final = 400

# 1,234,567 and 12,34,567; 1 234 567 and 1'234'567 and 1_234; 1.234.567. A group that a digit follows is none.
_GROUPED: Final = (
    r"\d{1,3}(?:,\d{3})+(?!,?\d)(?P<point>\.\d+)?"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)(?:\.\d+)?"
    r"|\d{1,3}(?:(?P<sign>[ '_])\d{3})(?:(?P=sign)\d{3})*(?!\d)(?:[.,]\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d+(?![\d.,]\d)|\d{1,3}(?:\.\d{3}){2,}(?![\d.,]\d)"
)
# A comma with one or two digits behind it, or with any number behind a zero, is a decimal one: 3,5 and 0,125. In
# brackets, and behind another comma, it parts the members of a list.
_DECIMAL_COMMA: Final = r"(?<!\d,)(?<![(\[{])(?<![(\[{]-)(?:0,\d+|\d+,\d{1,2}|\d+,\d{4,})(?!,?\d)(?!\s?[)\]}])"
_PLAIN: Final = rf"{_DECIMAL_COMMA}|\d+(?:\.\d+)?|\.\d+"
_UNSIGNED: Final = rf"(?:{_GROUPED}|{_PLAIN})"
_CURRENCY: Final = (
    r"(?:(?:(?<![A-Za-z])(?:US|CA|AU|R|C|A))?\$|[\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u0e3f]"
    r"|(?<![A-Za-z])(?:USD?|EUR|GBP|JPY|CNY|RMB|INR|CHF|CAD?|AUD?|R|Rs\.?))"
)
_START: Final = re.compile(r"\d|\.(?=\d)")
_BEFORE: Final = re.compile(rf"(?P<sign>[-+]\s?)?(?P<currency>{_CURRENCY}\s?)?(?P<inner>[-+])?$", re.IGNORECASE)
_MOST_BEFORE: Final = 10
_NUMBER: Final = re.compile(
    rf"(?P<number>{_UNSIGNED})"
    r"(?:(?P<e>e[-+]?\d{1,3}(?![\w.]))"
    r"|\s{0,2}(?:\u00d7|\*|x(?=\s{0,2}10\s?(?:\^|\*\*)))\s{0,2}10\s?(?:\^|\*\*)\s?[{(]?\s?(?P<ten>[-+]?\d{1,3})\s?[)}]?"
    r"|\s?(?:\^|\*\*)\s?[{(]?\s?(?P<power>[-+]?\d{1,3})\s?[)}]?(?!\w)"
    r"|(?P<mixed>\s\d{1,9}/\d{1,9}(?![/\d]))|\s?/\s?(?P<below>\d{1,18})(?![\d/.,]*\d))?"
    r"(?P<percent>\s?%|\s?(?:percent|per\s?cent|pct|prozent|procent|por\s?ciento|pour\s?cent|per\s?cento"
    r"|\u043f\u0440\u043e\u0446\u0435\u043d\u0442\w*)\b)?"
    r"(?P<many>\s?(?:thousand|million|billion|trillion)s?\b|\s?[\u4e07\u842c\u4ebf\u5104\u5146])?",
    re.IGNORECASE,
)
_MANY: Final = {
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "\u4e07": 10**4, "\u842c": 10**4, "\u4ebf": 10**8, "\u5104": 10**8, "\u5146": 10**12,
}  # fmt: skip
_BEHIND: Final = re.compile(rf"(?:{_CURRENCY}|dollars?|euros?)?[.,;:]?", re.IGNORECASE)
_ORDINAL: Final = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z_\\]")
_MOST_SPAN: Final = 160
_MOST_TRIES: Final = 16
_SEPARATORS: Final = re.compile(r"[ '_]")


class Number(NamedTuple):
    """A number that stands in a text.

    Attributes:
        value: Its value; of a percentage the share, so that 50 % is 1/2.
        percent: Whether it is written as a percentage.
        span: Where it stands in the text that was searched, from and to.
    """

    value: Fraction
    percent: bool
    span: tuple[int, int]


def numbers(text: str) -> list[Number]:
    """Returns the numbers in `text`, which is plain and without TeX, in their order; some 20 us for each."""
    found = []
    at = 0
    while start := _START.search(text, at):
        number, at = _at(text, start.start(), at)
        if number is not None:
            found.append(number)
    return found


def number_of(text: str) -> Number | None:
    """Returns the number that `text`, as anybody may have written it, is; None where it is more than one number."""
    if len(text) > _MOST_DIGITS * 4:
        return None
    text = without_tex(plain(text)).strip()
    start = _START.search(text)
    if start is None:
        return None
    number, _ = _at(text, start.start(), 0)
    if number is None or text[: number.span[0]].strip():
        return None
    # What stands behind may say the currency or end a sentence.
    return number if _BEHIND.fullmatch(text[number.span[1] :].strip()) else None


def answer_number(text: str) -> Number | None:
    r"""Returns the number that `text` answers with; None where it has none.

    An announced one ("#### 18", `\boxed{42}`, "The answer is 42") counts before the last in the text. Of an announced
    equation what stands behind the last = counts. The last 8,192 characters are looked at.
    """
    text = unmarked(plain(text[-_MOST_CHARACTERS:]))
    for said in announcements(text):
        stated = without_tex(said)
        found = numbers(stated.rpartition("=")[2]) or numbers(stated)
        if found:
            return found[0]
    return _last(without_tex(text))


def written(number: Number) -> str:
    """Returns a number in its shortest exact form: 1234, -0.5, 1/3; a percentage as the share that it is."""
    value = number.value
    if value.denominator == 1:
        return str(value.numerator)
    twos_and_fives = value.denominator
    for prime in (2, 5):
        while not twos_and_fives % prime:
            twos_and_fives //= prime
    if twos_and_fives > 1:
        return f"{value.numerator}/{value.denominator}"
    digits = 0
    while (value * 10**digits).denominator > 1:
        digits += 1
    scaled = abs(value.numerator) * 10**digits // value.denominator
    whole, part = divmod(scaled, 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"


def _last(text: str) -> Number | None:
    """Returns the last number of a text: found from its last digit on, however long the text is."""
    end = len(text)
    for _ in range(_MOST_TRIES):
        digit = max(text.rfind(each, 0, end) for each in "0123456789")
        if digit < 0:
            return None
        begin = max(0, digit - _MOST_SPAN)
        found = numbers(text[begin : digit + _MOST_SPAN])
        if found:
            number = found[-1]
            return number._replace(span=(begin + number.span[0], begin + number.span[1]))
        # Digits that are a part of a name, such as H2O.
        end = begin or digit
    return None


def _at(text: str, begin: int, after: int) -> tuple[Number | None, int]:
    """Returns the number whose digits begin at `begin`, and where to look on; what stands before `after` is not its."""
    found = _NUMBER.match(text, begin)
    if found is None:
        return None, begin + 1
    before = _BEFORE.search(text, max(after, begin - _MOST_BEFORE), begin)
    start = before.start() if before else begin
    ahead = text[start - 1 : start] if start else ""
    # Digits behind a Latin letter are a part of a name, such as H2O or v2.
    named = start == begin and _NAME.match(ahead)
    if named or _ORDINAL.match(text, found.end()) or len(found["number"]) > _MOST_DIGITS:
        return None, found.end()
    value = _scaled(_value(found["number"]), found)
    if value is None:
        return None, found.end()
    if found["percent"]:
        value /= 100
    if found["many"]:
        value *= _MANY[found["many"].strip().lower().removesuffix("s")]
    if before and (before["inner"] == "-" or (before["sign"] or "").startswith("-")) and _is_sign(text, before, ahead):
        value = -value
    return Number(value, bool(found["percent"]), (start, found.end())), found.end()


def _value(digits: str) -> Fraction:
    digits = _SEPARATORS.sub("", digits)
    head, comma, tail = digits.rpartition(",")
    if (comma and "." in tail) or (re.fullmatch(r"\d{1,3}(,\d{2,3})*,\d{3}", digits) and not digits.startswith("0,")):
        digits = digits.replace(",", "")
    elif comma:
        # The comma is the decimal one, and points are groups.
        digits = head.replace(".", "") + "." + tail
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    return Fraction(digits.replace(",", ""))


def _scaled(value: Fraction, found: re.Match[str]) -> Fraction | None:
    if exponent := found["e"] or found["ten"]:
        power = int(exponent.lstrip("eE"))
        return value * Fraction(10) ** power if abs(power) <= _MOST_EXPONENT else None
    if found["power"]:
        power = int(found["power"])
        small = len(found["number"]) * abs(power) <= _MOST_EXPONENT
        return value**power if small and (value or power >= 0) else None
    if found["mixed"]:
        above, below = map(int, found["mixed"].split("/"))
        return value + Fraction(above, below) if below else None
    if found["below"]:
        below = int(found["below"])
        return value / below if below else None
    return value


def _is_sign(text: str, before: re.Match[str], ahead: str) -> bool:
    """Whether the dash before a number is its sign, rather than a hyphen, a range or a difference (10-4, 3 - 5)."""
    if ahead.isalnum() or ahead in {")", "]", "%"}:
        return False
    if not (before["sign"] or "").endswith((" ", "\t", "\n")):
        return True
    # With a space behind it is a sign only where a value begins.
    rest = text[max(0, before.start() - _MOST_BEFORE) : before.start()].rstrip()
    return not rest or rest[-1] in "=(:[{,<>"
