r"""Numbers as people and models write them: `1,234.5`, `1 000 000`, `3,5`, `-$3`, `½`, `50 %`, `3.5e3`, `१२`.

The one grammar of numbers: scorers, votes, agreement, the lab and the learned selector read them with it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from math import factorial
from typing import Final, NamedTuple

from lightrouter.answers.announced import announcements, unmarked, unretracted
from lightrouter.answers.currencies import CURRENCY, GROUPED_BEHIND, SHORT_BEHIND, separates_groups, short_scale
from lightrouter.answers.plain import plain, without_tex
from lightrouter.answers.scales import SCALE, UNSPACED, times
from lightrouter.answers.spelt import begins_spelt, spelt
from lightrouter.answers.terms import are_several, without_formula

# The lengths and numbers in this module are choices: an answer is near the end of a text, and no measure needs more
# digits or a larger exponent than a double float has.
_MOST_CHARACTERS: Final = 8_192
# A longer run of digits is a key or noise, and slow to compute with.
_MOST_DIGITS: Final = 64
_MOST_EXPONENT: Final = 400

# 1,234,567 and 12,34,567; 1 234 567 and 1'234'567 and 1_234; 1.234.567. A group followed by a digit is not a group.
_GROUPED: Final = (
    r"\d{1,3}(?:,\d{3})+(?!,?\d)(?P<point>\.\d+)?"
    r"|\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)(?:\.\d+)?"
    r"|\d{1,3}(?:(?P<sign>[ '_])\d{3})(?:(?P=sign)\d{3})*(?!\d)(?:[.,]\d+)?"
    r"|\d{1,3}(?:\.\d{3})+,\d+(?![\d.,]\d)|\d{1,3}(?:\.\d{3}){2,}(?![\d.,]\d)"
)
# A comma followed by one or two digits, or by any number of digits after a zero, is a decimal comma: 3,5 and 0,125. In
# brackets, and after another comma, it separates the members of a list.
_DECIMAL_COMMA: Final = r"(?<!\d,)(?<![(\[{])(?<![(\[{]-)(?:0,\d+|\d+,\d{1,2}|\d+,\d{4,})(?!,?\d)(?!\s?[)\]}])"
_PLAIN: Final = rf"{_DECIMAL_COMMA}|\d+(?:\.\d+)?|\.\d+"
_UNSIGNED: Final = rf"(?:{_GROUPED}|{_PLAIN})"
_START: Final = re.compile(r"\d|(?<!\d)\.(?=\d)")
# Versions, addresses, dates, times, ratios, hexadecimal numbers and ranges, unless points separate groups of digits.
_CHAIN: Final = re.compile(
    r"\d+([-./])\d+(?:\1\d+)+|\d+(?::\d+)+|\d{1,2}h\d{2}(?!\d)|\d+'\s?\d+\"|\d+ : \d+|0(?:x[\da-f]+|[bo]\d+)"
    r"|\d+(?:\.\d+)?(?:(\s?)\.\.\2|\.{3}|\u2026)-?\d+(?:\.\d+)?",
    re.IGNORECASE,
)
# "minus" is a sign or an operator, like the dash; "negative" is always a sign.
_SIGN: Final = (
    r"[-+]\s?|\b(?:minus|negative|moins|menos|meno|eksi|\u043c\u0438\u043d\u0443\u0441|\u043c\u0456\u043d\u0443\u0441)\s"
    r"|[\u8d1f\u8ca0]|\u30de\u30a4\u30ca\u30b9|\ub9c8\uc774\ub108\uc2a4\s?|\uc74c\uc218\s?|\u090b\u0923\s"
)
_BEFORE: Final = re.compile(
    rf"(?P<sign>{_SIGN})?(?P<share>(?<![\w)])%|\u767e\u5206\u4e4b\s?)?(?P<currency>{CURRENCY}\s?)?(?P<inner>[-+])?$",
    re.IGNORECASE,
)
# After these characters a number has neither sign nor currency.
_NO_SIGN: Final = frozenset("0123456789/,;:=*_\n()[]{}")
_NO_SIGN_SPACED: Final = frozenset("=*\u00d7/,:;")
# A choice: the longest currency and sign before a number, with spaces.
_MOST_BEFORE: Final = 16
# Where an operator or a word for arrangements follows, ! is no exclamation.
_FACTORIAL: Final = (
    r"!(?=\s{0,2}(?:[=*/\u00d7\u00f7\u00b7+]|-\s?\d|\((?=\d)|(?:ways|permutations|arrangements|orders|orderings)\b))"
)
_NUMBER: Final = re.compile(
    rf"(?P<number>{_UNSIGNED})"
    r"(?:(?P<e>e[-+]?\d{1,3}(?![\w.]))"
    r"|\s{0,2}(?:\u00d7|\*|[\u2022\u2219](?=\s{0,2}10)|times(?=\s10\^)|x(?=\s{0,2}10\s?(?:\^|\*\*)))\s{0,2}10\s?(?:\^|\*\*)\s?[{(]?\s?(?P<ten>[-+]?\d{1,3})\s?[)}]?"
    r"|\s?(?:\^|\*\*)\s?[{(]?\s?(?P<power>[-+]?\d{1,3})\s?[)}]?(?!\w)"
    rf"|(?P<factorial>{_FACTORIAL})"
    r"|(?P<mixed>\s{1,2}\d{1,9}/\d{1,9}(?![/\d]))|\s?/\s?(?P<below>-?\d{1,18})(?![\d/.,]*\d)"
    r"|\s?(?:\u5206\u4e4b|\u5206\u306e|\ubd84\uc758)\s?(?P<above>\d{1,18}))?"
    r"(?P<percent>\s?%|\s{0,2}(?:percent|per\s?cent|pct|prozent|procent|por\s?cien?to|por\s?cento|pour\s?cent|per\s?cento"
    r"|\u043f\u0440\u043e\u0446\u0435\u043d\u0442\w*|\u0432\u0456\u0434\u0441\u043e\u0442\u043a\w*)\b"
    r"|\s?(?:\u30d1\u30fc\u30bb\u30f3\u30c8|\ud37c\uc13c\ud2b8|\ud504\ub85c|\u092a\u094d\u0930\u0924\u093f\u0936\u0924"
    r"|\u0e40\u0e1b\u0e2d\u0e23\u0e4c\u0e40\u0e0b\u0e47\u0e19\u0e15\u0e4c|ph\u1ea7n tr\u0103m"
    r"|\u0628\u0627\u0644\u0645\u0626\u0629|\u0628\u0627\u0644\u0645\u0627\u0626\u0629|\u062f\u0631\u0635\u062f))?"
    rf"(?P<many>{SCALE})?",
    re.IGNORECASE,
)
# A single digit after a word for 10,000 may mean thousands, so it is no part of the sum.
_LEAST_PART: Final = 10
# A run of digits that is a complete number: no text after it and no word before it changes its value. Most numbers are
# of this kind, and reading them takes a fifth of the time (measured).
_SIMPLE: Final = re.compile(
    rf"(?!0[A-Za-z]|{GROUPED_BEHIND})(\d{{1,18}})(?:\.(\d{{1,18}}))?(?!{SHORT_BEHIND}|\.\.|{_FACTORIAL})"
    r"(?!k|s\b|\s{0,2}(?:[XxPpHh]|[Bb][Nn]|[Tt][HhRrAa]|[Mm](?:[Ii][Ll]|[Ii][Oo]|[Rr][Dd])|[Bb][Ii][Ll]|[Ll][Aa][Kk]|[Cc][Rr][Oo]"
    r"|[Dd][Oo][Zz]|[Bb][Ii][Nn]|[Mm][Ll][DdNn]|[Mm][Ii][Ll]|[Mm][Ii][Jj]|[Nn][Gg]|[Rr][Ii][Bb]|[Jj][Uu][Tt]|[Tt](?:[Yy]|[Ii][Ss]|[Ii][Mm]|[^\x00-\x7f])|[\"\u2032]"
    r"|[Ee][-+\d]|[Ss][Tt]|[Nn][Dd]|[Rr][Dd]))"
    r"(?=\Z|[.,](?!\d)|[ \n]?[\u00d7*](?!\*|\s{0,2}10)|[ \n]?/(?![\s\d-])|[;!?)\]}\u00b0]|[:-](?!\d)"
    r"|[ \n]{1,2}-|[ \n]{0,2}[A-Za-z(=+<>\"\\&])"
)
# A choice: few words are longer; a longer one takes the slower way.
_LONGEST_WORD_BEFORE: Final = 12
_WORDS_BEFORE: Final = frozenset(
    [
        *("minus", "negative", "moins", "menos", "meno", "eksi"),
        *("us", "usd", "ca", "cad", "au", "aud", "r", "rs", "eur", "gbp", "jpy", "cny", "rmb", "inr", "chf"),
        *("rp", "idr", "vnd", "brl", "dkk"),
    ]
)
# "us" is also a microsecond.
_BEHIND: Final = re.compile(
    rf"(?:(?!(?:us|ca|au|r)[.,;:]?$){CURRENCY}|dollars?|euros?|\u0111(?:\u1ed3ng)?|rupiah)?[.,;:]?", re.IGNORECASE
)
_ORDINAL: Final = re.compile(
    r"(?:st|nd|rd|th)\b|(?<=\d{4})s\b|[\u00ba\u00aa]|\s?(?:\u756a\u76ee|\ubc88\uc9f8|[\u03c0\u221a])", re.IGNORECASE
)
# Before digits that are part of a name or a term: H2O, v2, m^2, \u221a2; \u7b2c makes an ordinal.
_NAMED: Final = re.compile(r"(?:[A-Za-z_\\\u7b2c]|[A-Za-z]\^-?|\u221a\(?|[A-Za-z\u03c0)]/\(?|\u00b1 ?)\Z")
# Choices: the characters around a digit in which its number lies, and the digits tried from the end of a text.
_MOST_SPAN: Final = 160
_MOST_TRIES: Final = 16
_MOST_DENIAL: Final = 48
_MOST_DENIED: Final = 4
_VARIABLE: Final = re.compile(r"(?:^|[\s\d])[a-z]$")
_AND_VARIABLE: Final = re.compile(r"\d\W*(?:[,;&]|\b(?:and|or|und|oder|et|ou|y|o)\b)\s*[a-z]\s*$", re.IGNORECASE)
_RAISED: Final = re.compile(r"<sup>\s?([-+\u2212]?\d{1,4})\s?</sup>")
_LOWERED: Final = re.compile(r"<sub>[^<>]{1,16}</sub>")
_EQUATION: Final = re.compile(r"(?<=\s)\([^()=]{1,80}=[^()]{1,80}\)")
_DENIED: Final = re.compile(
    r"(?:\b(?:not|never|nicht|pas|niet|inte|ikke|nie|\u043d\u0435|no\ses|non\s\u00e8|n\u00e3o\s\u00e9)|n't|(?:n't|\bnot)\s(?:think|believe|say)\b[^.!?\n\d]{0,24}|\u4e0d\u662f|\u5e76\u975e|\u4e26\u975e)"
    r"\s*(?:be\s|equal\s|exactly\s|to\s)*$",
    re.IGNORECASE,
)
_SEPARATORS: Final = re.compile(r"[ '_]")


class Number(NamedTuple):
    """A number that stands in a text.

    Attributes:
        value: Its value; a percentage is a share: 50 % is 1/2.
        percent: Whether it is written as a percentage.
        span: Its start and end in the searched text.
    """

    value: Fraction
    percent: bool
    span: tuple[int, int]


def numbers(text: str) -> list[Number]:
    """Returns the numbers in `text` in their order; `text` must be plain and without TeX. Takes 4 to 20 us a number."""
    found = []
    at = 0
    while start := _START.search(text, at):
        number, at = _at(text, start.start(), at)
        if number is not None:
            found.append(number)
    return found


def number_of(text: str) -> Number | None:
    """Returns the number that `text` is, in any notation; None if it is anything more."""
    if len(text) > _MOST_DIGITS * 4:
        return None
    text = without_tex(plain(text)).strip()
    start = _START.search(text)
    if start is None:
        return None
    number, _ = _at(text, start.start(), 0)
    if number is None or text[: number.span[0]].strip() or is_short(text, number):
        return None
    # The rest may be the currency or the end of a sentence.
    return number if _BEHIND.fullmatch(text[number.span[1] :].strip()) else None


def is_short(text: str, number: Number) -> bool:
    """Whether a number ends with a letter that elsewhere is a variable or a unit: 5k."""
    return text[number.span[1] - 1] in "kKmMbBT"


def answer_number(text: str) -> Number | None:
    r"""Returns the number that `text` answers with; None if it has none.

    An announced number ("#### 18", `\boxed{42}`, "The answer is 42") takes precedence over the last one in the text. In
    an announced equation the part after the last = counts. Only the last 8,192 characters are read.
    """
    head, text = text[:_MOST_SPAN].lstrip(), unretracted(unmarked(plain(_untagged(text[-_MOST_CHARACTERS:]))))
    for said in announcements(text):
        stated = without_tex(said)
        if found := _spelt(stated, text):
            return found
        if _START.search(stated):
            return _stated(stated)
        if begins_spelt(stated):
            return None
    return _first_alone(head, text) or _last(without_tex(text)) or _spelt(text, text, alone=True)


def _spelt(text: str, whole: str, *, alone: bool = False) -> Number | None:
    """Returns the number that a text begins with in words."""
    found = spelt(text, whole, alone=alone) if len(text) <= 2 * _MOST_SPAN else None
    return found and Number(*found, span=(0, 0))


def _stated(text: str) -> Number | None:
    """Returns the number that an announcement states; None if it states several, or a date, a ratio and the like."""
    text = _aside(text)
    before, equals, said = text.rpartition("=")
    found = numbers(said)
    if equals and len(found) != 1 and (alone := number_of(before)):
        # 42 = 6 * 7
        return alone
    if equals and _AND_VARIABLE.search(before):
        return None
    said, found = (said, found) if found else (text, numbers(text))
    if (rest := without_formula(said)) != said:
        said, found = rest, numbers(rest)
    several = are_several(said, [each.span for each in found]) and len({each.value for each in found}) > 1
    return found[0] if found and not several else None


def _untagged(text: str) -> str:
    """Returns the text with HTML's raised numbers behind a ^, and without its indices."""
    return _LOWERED.sub("", _RAISED.sub(r"^\1", text)) if "<su" in text else text


def _aside(text: str) -> str:
    """Returns the text without an equation in brackets behind a number: 20 cups (3 x 20 = 60)."""
    rest = _EQUATION.sub("", text)
    return rest if _START.search(rest) else text


def _first_alone(head: str, text: str) -> Number | None:
    """Returns the number that is the first paragraph of a text, if the rest explains it."""
    first, gap, _ = head.partition("\n\n")
    if not gap or number_of(text.rstrip().rpartition("\n")[2]):
        return None
    return number_of(unmarked(plain(first)))


def written(number: Number) -> str:
    """Returns a number in its shortest exact form: 1234, -0.5, 1/3; a percentage as a share."""
    value = number.value
    if value.denominator == 1:
        return str(value.numerator)
    rest, digits = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while not rest % prime:
            rest //= prime
            power += 1
        digits = max(digits, power)
    if rest > 1:
        return f"{value.numerator}/{value.denominator}"
    scaled = abs(value.numerator) * 10**digits // value.denominator
    whole, part = divmod(scaled, 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"


def _last(text: str) -> Number | None:
    """Returns the last number of a text; searches backwards from its last digit, so the length does not matter."""
    end = len(text)
    for _ in range(_MOST_TRIES):
        digit = max(text.rfind(each, 0, end) for each in "0123456789")
        if digit < 0:
            return None
        begin = max(0, digit - _MOST_SPAN)
        found = numbers(near := text[begin : digit + _MOST_SPAN])
        for number in reversed(found[-_MOST_DENIED:]):
            at, end = number.span
            if not _DENIED.search(near, max(0, at - _MOST_DENIAL), at):
                return number._replace(span=(begin + at, begin + end))
        # These digits are part of a name, such as H2O.
        end = begin or digit
    return None


def _at(text: str, begin: int, after: int) -> tuple[Number | None, int]:
    """Returns the number whose digits begin at `begin`, and where to continue; nothing before `after` belongs to it."""
    if (simple := _SIMPLE.match(text, begin)) and _stands_alone(text, begin, after):
        whole, part = simple[1], simple[2] or ""
        value = Fraction(int(whole + part), 10 ** len(part)) if part else Fraction(int(whole))
        return Number(value, percent=False, span=simple.span()), simple.end()
    return _read_carefully(text, begin, after)


def _stands_alone(text: str, begin: int, after: int) -> bool:
    """Whether the text before a number certainly does not change it."""
    if begin == after:
        return not begin
    before = text[begin - 1]
    if before == " " and text[begin - 2] in _NO_SIGN_SPACED:
        return begin - 2 >= after
    if before != " ":
        return before in _NO_SIGN and not before.isdigit() and before not in "_/("
    word = text[max(after, begin - _LONGEST_WORD_BEFORE - 2) : begin - 1].rpartition(" ")[2]
    return word.isascii() and word.isalpha() and len(word) <= _LONGEST_WORD_BEFORE and word.lower() not in _WORDS_BEFORE


def _read_carefully(text: str, begin: int, after: int) -> tuple[Number | None, int]:
    found = _NUMBER.match(text, begin)
    if found is None:
        return None, begin + 1
    if (chain := _CHAIN.match(text, begin)) and chain.end() > found.end("number"):
        return None, chain.end()
    lone = begin == after or text[begin - 1] in _NO_SIGN
    before = None if lone else _BEFORE.search(text, max(after, begin - _MOST_BEFORE), begin)
    start = before.start() if before else begin
    ahead = text[start - 1 : start] if start else ""
    named = start == begin and _NAMED.search(text, max(0, begin - 3), begin)
    if named or _ORDINAL.match(text, found.end()) or len(found["number"]) > _MOST_DIGITS:
        return None, found.end()
    value = _scaled(_value(found["number"]), found)
    if value is None:
        return None, found.end()
    percent = bool(found["percent"] or (before and before["share"]))
    if percent:
        value /= 100
    currency = before["currency"] if before else None
    if separates_groups(text, begin, found.end("number"), currency, found.end()):
        value *= 1000
    value, end = _multiplied(text, value, found, currency)
    if before and (before["inner"] or before["sign"]):
        if not _is_sign(text, before, ahead):
            # The dash is not a sign, so it stays in the text.
            start = max(before.end("sign"), before.end("inner"))
        elif before["inner"] == "-" or _is_minus(before["sign"]):
            value = -value
    return Number(value, percent, (start, end)), end


def _multiplied(text: str, value: Fraction, found: re.Match[str], currency: str | None) -> tuple[Fraction, int]:
    """Returns a number times what stands behind it, like million, and its end."""
    end = found.end()
    if not found["many"]:
        short, end = short_scale(text, end, currency)
        return value * short, end
    word = found["many"].strip().lower()
    scale = times(word)
    total = value * scale
    # 1\u51042000\u4e07 is a sum whose parts become smaller; after 3\u4e07 a lone 5 may mean 5000.
    while word and word[0] in UNSPACED and (rest := _NUMBER.match(text, end + text[end : end + 1].isspace())):
        word = (rest["many"] or "").strip().lower()
        smaller = times(word) if word else 1
        part = _value(rest["number"]) * smaller
        if part >= scale or part < _LEAST_PART:
            break
        total, scale, end = total + part, smaller, rest.end()
    return total, end


def _is_minus(sign: str | None) -> bool:
    return bool(sign) and not str(sign).startswith("+")


def _value(digits: str) -> Fraction:
    digits = _SEPARATORS.sub("", digits)
    head, comma, tail = digits.rpartition(",")
    if (comma and "." in tail) or (re.fullmatch(r"\d{1,3}(,\d{2,3})*,\d{3}", digits) and not digits.startswith("0,")):
        digits = digits.replace(",", "")
    elif comma:
        # The comma is the decimal mark, and points separate groups.
        digits = head.replace(".", "") + "." + tail
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    whole, _, part = digits.replace(",", "").partition(".")
    return Fraction(int(whole + part), 10 ** len(part))


def _scaled(value: Fraction, found: re.Match[str]) -> Fraction | None:
    if exponent := found["e"] or found["ten"]:
        power = int(exponent.lstrip("eE"))
        return value * Fraction(10) ** power if abs(power) <= _MOST_EXPONENT else None
    if found["power"]:
        power = int(found["power"])
        small = len(found["number"]) * abs(power) <= _MOST_EXPONENT
        return value**power if small and (value or power >= 0) else None
    if found["factorial"]:
        small = value.denominator == 1 and value <= _MOST_EXPONENT
        return Fraction(factorial(int(value))) if small else None
    if found["mixed"]:
        above, below = map(int, found["mixed"].strip().split("/"))
        return value + Fraction(above, below) if below else None
    if found["above"]:
        return int(found["above"]) / value if value else None
    if found["below"]:
        below = int(found["below"])
        return value / below if below else None
    return value


def _is_sign(text: str, before: re.Match[str], ahead: str) -> bool:
    """Whether the dash before a number is its sign, rather than a hyphen, a range or a difference (10-4, 3 - 5)."""
    if ahead.isalnum() or ahead in {")", "]", "%"}:
        return False
    sign = before["sign"] or ""
    word = sign.strip().lower()
    if word == "negative" or not sign.endswith((" ", "\t", "\n")):
        return True
    # A dash followed by a space is a sign only if a value begins there.
    rest = text[max(0, before.start() - _MOST_BEFORE) : before.start()].rstrip()
    if word != "-":
        return not rest or not (rest[-1].isdigit() or rest[-1] in ")]%" or _VARIABLE.search(rest))
    return not rest or rest[-1] in "=(:[{,<>"
