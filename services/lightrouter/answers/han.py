"""Numbers in Chinese and Japanese signs: 四十二, 三百二十五元, 两千, 三万五千, 三分之一, 百分之五十, 三点五."""

# Letters of other scripts are meant where they look like Latin ones.
# ruff: noqa: RUF001
from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_DIGITS: Final = {
    "零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
}  # fmt: skip
_TENS: Final = {"十": 10, "百": 100, "千": 1000}
_LARGE: Final = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
_SIGNS: Final = "".join((*_DIGITS, *_TENS, *_LARGE))
# What may stand behind a number: a unit and the end of the sentence. Other signs make another word of it: 三角形, 一样,
# 五月, 三点, 二次函数. A thing may follow a word that counts things: 三个苹果.
_COUNTED: Final = rf"[个個只隻条條颗顆棵朵头頭辆輛本名位张張][^\W\d_{_SIGNS}]{{0,4}}"
_UNITS: Final = (
    "元|块|塊|人|天|升|米|克|吨|噸|岁|歲|种|種|件|页|頁|度|公斤|斤|里|里|支|枝|盒|箱|袋|瓶|杯|步|组|組|倍|年|次|小时|小時"
    "|分钟|分鐘|時間|平方米|立方米|厘米|公里|千米|千克|円|枚|匹|台|冊|回|歩|つ|歳|ドル|メートル|キロ|パーセント"
)
_NUMBER: Final = re.compile(
    r"\W*(?:大约|大約|约|約|一共|总共|共)?(?P<minus>负|負|マイナス)?"
    rf"(?:(?P<percent>百分之)|(?P<below>[{_SIGNS}]{{1,12}})分(?:之|の))?"
    rf"(?P<whole>[{_SIGNS}]{{1,24}})(?:[点點](?P<part>[{''.join(_DIGITS)}]{{1,12}}))?"
    rf"(?P<unit>{_COUNTED}|{_UNITS})?(?:です|でした|だ|である|となります|になります)?\W*$"
)
_BEGIN: Final = re.compile(rf"\W*[负負]?[{_SIGNS}]")
# A longer row of digits is a number such as 二〇二四; two of them are "seven or eight".
_FEWEST_IN_ROW: Final = 3


def begins_with_han(text: str) -> bool:
    """Tells whether a text begins with a Chinese numeral."""
    return _BEGIN.match(text) is not None


def han(text: str) -> tuple[Fraction, bool] | None:
    """Returns the number that a text is in Chinese signs, at most a unit behind it, and whether it is a percentage."""
    found = _NUMBER.match(text)
    if found is None:
        return None
    value = _value(found["whole"])
    if value is None or (found["whole"] == "一" and len(found["unit"] or "") > 1):
        # 一个谜
        return None
    number = Fraction(value)
    if found["part"]:
        number += Fraction(int("".join(str(_DIGITS[sign]) for sign in found["part"])), 10 ** len(found["part"]))
    if found["percent"]:
        number /= 100
    if found["below"]:
        below = _value(found["below"])
        if not below:
            return None
        number /= below
    return -number if found["minus"] else number, bool(found["percent"])


def _value(signs: str) -> int | None:
    """Returns the value of a whole number; None if it is no number, such as 百度 or 九五五."""
    if len(signs) >= _FEWEST_IN_ROW and _DIGITS.keys() >= set(signs):
        return int("".join(str(_DIGITS[sign]) for sign in signs))
    total = part = digit = 0
    fresh = True
    for sign in signs:
        if sign in _DIGITS:
            if digit:
                return None
            digit, fresh = _DIGITS[sign], False
        elif sign in _TENS:
            part += (digit or 1) * _TENS[sign]
            digit, fresh = 0, False
        elif fresh:
            return None
        else:
            total, part, digit = total + (part + digit) * _LARGE[sign], 0, 0
    return total + part + digit
