"""Finds the lettered options of a prompt, in the forms that people and data sets use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

# The letters of exam options, in their order: Latin, Cyrillic, Greek, Arabic (both forms of the first letter), Hebrew,
# Korean, Japanese, Chinese, Hindi, Bengali, Thai.
_ALPHABETS: Final = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "\u0410\u0411\u0412\u0413\u0414\u0415\u0416\u0417\u0418\u041a",
    "\u0391\u0392\u0393\u0394\u0395\u0396\u0397\u0398\u0399\u039a",
    "\u0623\u0628\u062c\u062f\u0647\u0648\u0632\u062d",
    "\u0627\u0628\u062c\u062f\u0647\u0648\u0632\u062d",
    "\u05d0\u05d1\u05d2\u05d3\u05d4\u05d5\u05d6\u05d7",
    "\uac00\ub098\ub2e4\ub77c\ub9c8\ubc14\uc0ac\uc544",
    "\u30a2\u30a4\u30a6\u30a8\u30aa\u30ab\u30ad\u30af",
    "\u7532\u4e59\u4e19\u4e01\u620a\u5df1\u5e9a\u8f9b",
    "\u0915\u0916\u0917\u0918\u0919\u091a\u091b\u091c",
    "\u0995\u0996\u0997\u0998\u0999\u099a\u099b\u099c",
    "\u0e01\u0e02\u0e04\u0e07\u0e08\u0e09\u0e0a\u0e0b",
)
# The first letters of the alphabets, and each two letters that follow each other.
_FIRST: Final = frozenset(letters[0] for letters in _ALPHABETS)
_NEXT: Final = frozenset(two for letters in _ALPHABETS for two in pairwise(letters))
# A letter in brackets, before a mark, or alone in bold type. Full-width marks as Chinese and Japanese exams have them.
_OPEN: Final = r"[(\[{\uff08\uff3b\u3010\u3014\u300c]"
_CLOSE: Final = r"[)\]}\uff09\uff3d\u3011\u3015\u300d]"
_BEHIND: Final = r"(?:\\?[.):\]\u3001\uff0e\uff1a\uff09\u3002]|/(?=\s)|[ \t]+[-\u2013\u2014|](?=\s))"
_BOLD: Final = r"(?:\*{1,3}|_{1,3}|`|</?(?:b|strong)>|\\textbf\{|\})"
# A letter in brackets, in a circle or in a box, all in one character.
_CLOTHED: Final = r"([\u249c-\u24b5\u24b6-\u24e9\U0001f130-\U0001f149])"
_ONE: Final = r"([^\W\d_])"
_MARKER: Final = (
    rf"(?:{_BOLD}{_ONE}{_BOLD}{_BEHIND}?|"
    rf"{_BOLD}?(?:{_OPEN}\s?{_ONE}\s?{_CLOSE}[.:]?|{_ONE}\s?{_BEHIND}|{_CLOTHED}){_BOLD}?)"
)
_CALLED: Final = (
    r"(?i:(?:option|choice|answer|antwort|r\u00e9ponse|opci\u00f3n|variante|\u0432\u0430\u0440\u0438\u0430\u043d\u0442)\s+"
    r"|\u9009\u9879\s?|\u9078\u9805\s?|\u9078\u629e\u80a2\s?)?"
)
# A line may be quoted, a row, an item, a heading, or have a box to tick.
_ITEM: Final = r"[ \t\u3000>|]*(?:[-*+\u2022\u00b7]\s+|\#{1,6}\s+|\\item\s*)?(?:\[[ xX]?\]\s+)?"
_AT_LINE: Final = re.compile(rf"(?m)^{_ITEM}{_CALLED}(?:{_MARKER}|\${_ONE}\${_BEHIND})")
_IN_LINE: Final = re.compile(
    rf"(?:^|(?<=[\s;,:?>|$\uff1b\uff0c\u3002\uff1f\uff1a])|(?<=quad)|(?=[\uff08\uff3b\u3010\u3014])){_MARKER}"
)
# The head of a table whose columns are the options: | A | B | C |, with or without a cell before them.
_HEAD: Final = re.compile(rf"{_CALLED}(?:{_MARKER}|{_ONE})")
_RULE: Final = re.compile(r"[\s|:+=-]*")
# What may stand behind an option in one line: a space of TeX, an end of HTML's.
_BETWEEN: Final = re.compile(r"(?:\s|\\(?:q?quad|[ ,;])|\$|</?\w{1,8}\s?/?>)+\Z")
_CLOSED: Final = re.compile(rf"{_CLOSE}{_BOLD}?$")
_SPACE: Final = " \t\r\u3000"
_SEPARATORS: Final = " \t\r\u3000;,|\uff1b\uff0c"
# In one line, initials and names ("hepatitis A: ... B: ...") look like two options, but rarely like three.
_LEAST_OPEN: Final = 3


# Choices: a longer table, or a longer row, has no options.
_MOST_ROWS: Final = 200
_LONGEST_ROW: Final = 2_000


class Offered(NamedTuple):
    """The options of a prompt.

    Attributes:
        stem: The text before them.
        texts: The text of each, by its letter; small and full-width letters count as capitals.
    """

    stem: str
    texts: dict[str, str]


class _Marker(NamedTuple):
    letter: str
    start: int
    end: int


def offered(prompt: str) -> Offered:
    """Returns the last list of two options or more; no texts if there is none.

    Each option has a line, all are in one line, or each has a column of a table.
    """
    lines = _last_list(_markers(_AT_LINE, prompt), prompt)
    if not lines and (table := _columns(prompt)):
        return table
    found = lines or _last_list(_markers(_IN_LINE, prompt), prompt, one_line=True)
    ends = [*(marker.start for marker in found[1:]), len(prompt)]
    texts = {marker.letter: _first_line(prompt[marker.end : end]) for marker, end in zip(found, ends, strict=False)}
    if not lines:
        texts = {letter: _BETWEEN.sub("", text).strip(_SEPARATORS) for letter, text in texts.items()}
        closed = all(_CLOSED.search(prompt, marker.start, marker.end) for marker in found)
        if not all(texts.values()) or (len(texts) < _LEAST_OPEN and not closed):
            return Offered(prompt, {})
    return Offered(prompt[: found[0].start], texts) if texts else Offered(prompt, {})


def _columns(prompt: str) -> Offered | None:
    """Returns the options that are the columns of a table: a row of letters, and one row of texts below it."""
    if "|" not in prompt and "\t" not in prompt:
        return None
    rows = [(line, _cells(line)) for line in prompt.splitlines()[-_MOST_ROWS:] if not _RULE.fullmatch(line)]
    for (line, heads), (_, texts), (_, below) in zip(rows, rows[1:], [*rows[2:], ("", [""])], strict=False):
        letters = [_letter(head) if (head := _HEAD.fullmatch(cell)) else "" for cell in heads]
        options = letters if letters[0] else letters[1:]
        in_order = len(options) > 1 and options[0] in _FIRST and all(pair in _NEXT for pair in pairwise(options))
        # More rows are a table of something else.
        if in_order and all(texts) and len(texts) == len(heads) != len(below):
            found = {letter: text for letter, text in zip(letters, texts, strict=True) if letter}
            return Offered(prompt[: prompt.rindex(line)], found)
    return None


def _cells(line: str) -> list[str]:
    if len(line) > _LONGEST_ROW:
        return [""]
    return [cell.strip() for cell in re.split(r"\t|\|", line.strip().strip("|"))]


def _letter(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[match.lastindex or 0]).strip("()").upper()


def _markers(pattern: re.Pattern[str], prompt: str) -> Iterable[_Marker]:
    for match in pattern.finditer(prompt):
        yield _Marker(_letter(match), match.start(), match.end())


def _last_list(markers: Iterable[_Marker], prompt: str, *, one_line: bool = False) -> list[_Marker]:
    """Returns the last markers in alphabetical sequence, at least two, else none."""
    last: list[_Marker] = []
    current: list[_Marker] = []
    for marker in markers:
        if marker.letter in _FIRST:
            current = [marker]
        elif current and (current[-1].letter, marker.letter) in _NEXT:
            if one_line and "\n" in prompt[current[-1].end : marker.start]:
                current = []
                continue
            current.append(marker)
            last = current
    return last


def _first_line(text: str) -> str:
    """Returns the first line that is not empty, without the end of bold type."""
    line = next((each for each in text.split("\n") if each.strip(_SPACE)), "").strip(_SPACE)
    return line.removesuffix("**").removesuffix("__").rstrip(_SPACE)
