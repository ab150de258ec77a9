"""Tells when two texts have the same wording: known irrelevant differences are removed, and every other one decides.

A list of words that matter is never complete: every language has its own, and any name, number, unit or sign may
be the answer. So this module lists what does not matter. A gap in that list makes texts different, which costs at
most one more draft.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from lightrouter.answers.pieces import MOST_CHARACTERS, of_reading
from lightrouter.answers.plain import unraised
from lightrouter.answers.scripts import LETTER, PUNCTUATION, ascii_digits, shadow
from lightrouter.answers.vocabulary import NUMBERS, PREFIXED
from lightrouter.runtime.text import normalized

# Forms of a character that mean the same; raised, lowered, circled ones and fractions (10² is not 102) do not.
_SAME_FORMS: Final = (
    *("<wide>", "<narrow>", "<font>", "<noBreak>", "<compat>"),
    *("<initial>", "<medial>", "<final>", "<isolated>"),
)
# Byte order mark, soft hyphen, zero width space, word joiner, marks of direction, selectors of emoji style.
_INVISIBLE: Final = "\ufeff\u00ad\u200b\u2060\u200e\u200f\ufe0e\ufe0f"
_QUOTES: Final = {"\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"', "\u201e": '"'}
_FOLDED: Final = str.maketrans({**PUNCTUATION, **_QUOTES, **dict.fromkeys(_INVISIBLE, "")})
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
# With these, white space may have a meaning: code, and indented lines.
_LAYOUT: Final = re.compile(r"```|\n[ \t]+\S")
# A star before a point may be a pattern of file names.
_EMPHASIS: Final = re.compile(r"(?<![\w*])(\*{1,3})(?=[\w\"'(\[$])([^*\n]+)(?<=\S)\1(?![\w*])")
_BULLET: Final = re.compile(r"^([ \t]*)[*\u2022\u2013-] ", re.MULTILINE)
_NUMBERING: Final = re.compile(r"^([ \t]*\d{1,3})\) ", re.MULTILINE)
_LANGUAGE: Final = re.compile(r"^([ \t]*```)[\w+#.-]+[ \t]*$", re.MULTILINE)
# What follows does not count: the text may be cut there.
_DASH: Final = re.compile(r"(?<=\S) (?:[\u2013\u2014]|--)(?=\s|\Z)")
_EQUALS: Final = re.compile(r"(?<=\S) ?([<>!=]?=) ?")
# Chinese and Japanese are written with and without a space beside Latin letters and digits.
_HAN_OR_KANA: Final = r"[\u3040-\u30ff\u3400-\u9fff]"
_GAP: Final = re.compile(rf"(?<={_HAN_OR_KANA}) (?=[A-Za-z\d])|(?<=[A-Za-z\d]) (?={_HAN_OR_KANA})")
_QUOTED: Final = re.compile(r"""(["'])([^"'\n]+)\1""")
# Not in code and formulas, where a capital is another name.
_SENTENCE_BEGIN: Final = re.compile(r"(?:^[^\w\n\\`$]*+|[.!?:]['\")\]]?\s++['\"(\[]?)(\w+)", re.MULTILINE)
# Greek capitals that stand for something in formulas, and are no words.
_SIGNS: Final = "\u0393\u0394\u0398\u039b\u039e\u03a0\u03a3\u03a6\u03a8\u03a9"
# Not after a digit or a single letter: 5! and n! are factorials.
_EXCLAMATION: Final = re.compile(r"(?<=[^\W\d_]{2})!(?=\s|\Z)")
_GROUPED: Final = re.compile(r"(?<![\w.,(\[])\d{1,3}(?:,\d{3})+(?![\d,])")
_WHOLE: Final = re.compile(r"(?<![\w.,])(\d+)\.0+(?![\d.,]*\d)")
# The last word, or in scripts without spaces the last letter; the end of a very long word is enough. A choice.
_LAST_WORD: Final = re.compile(rf"(?:{LETTER}\x02*|[^\s{LETTER}]+)\Z")
# A choice: no word of a dictionary is as long.
_LONGEST_WORD: Final = 64
_SPELLINGS: Final = {
    **NUMBERS,
    **PREFIXED,
    "cannot": "can not",
    "can't": "can not",
    "won't": "will not",
    "shan't": "shall not",
}
_ENDINGS: Final = {"n't": " not", "'m": " am", "'re": " are", "'ll": " will", "'ve": " have", "'s": " is"}
# Behind other words 's tells whose it is.
_SPELLED: Final = re.compile(
    rf"\b(?:{'|'.join(_SPELLINGS)})(?![\w'])|(?<=[a-z])n't(?![\w'])|(?<=[A-Za-z])'(?:m|re|ll|ve)(?![\w'])"
    r"|(?:(?<=\b(?:it|he))|(?<=\b(?:she|who))|(?<=\b(?:that|here|what))|(?<=\b(?:there|where)))'s(?![\w'])"
)


class Wording:
    """The wording of one text, computed at its first comparison.

    Attributes:
        text: The text.
        complete: Whether it is whole rather than cut off.
        work: The work done so far, see `pieces.of_reading`.
    """

    __slots__ = ("_certain", "_parted", "_whole", "complete", "text", "work")

    def __init__(self, text: str, *, complete: bool) -> None:
        self.text = text
        self.complete = complete
        self._whole: str | None = None
        self._certain: str | None = None
        self._parted = False
        self.work = 0

    @property
    def whole(self) -> str:
        """The wording of the whole text."""
        if self._whole is None:
            self._whole = self._worded(self.text)
        return self._whole

    def begins(self, other: Wording) -> bool:
        """Tells whether the other text begins with the certain part of this one: all but its last word."""
        if self._certain is None:
            text = self.text.rstrip()
            last = _LAST_WORD.search(shadow(text[-_LONGEST_WORD:]))
            text = text[: -len(last[0])] if last else text
            self._certain, self._parted = self._worded(text), text[-1:].isspace()
        follows = other.whole[len(self._certain) :][:1]
        end = self._certain[-1:]
        goes_on = end.isalnum() and follows.isalnum() and not _GAP.match(f"{end} {follows}", 1)
        return other.whole.startswith(self._certain) and not (self._parted and goes_on)

    def _worded(self, text: str) -> str:
        self.work += of_reading(text)
        return _worded(text)


def same(left: Wording, right: Wording) -> bool:
    """Tells whether two texts have the same wording; symmetric.

    These differences do not count: the case of a sentence's first letter, the full stop at the end and an exclamation
    mark in its place, quotes around the whole, typographic forms of characters, digits of other scripts, white space
    outside code and around =, bold and italic type, the kind of bullets, numbering and dashes, the language of a code
    block, 1,000 for 1000.0, four for 4, x² for x^2, isn't for is not, impossible for not possible. A text that was cut
    off has the wording of a text that begins with it. Longer texts than 4,000 characters have it only if equal.
    """
    if left.text == right.text:
        return True
    if max(len(left.text), len(right.text)) > MOST_CHARACTERS:
        return False
    if left.complete and right.complete:
        return left.whole == right.whole
    return (not left.complete and left.begins(right)) or (not right.complete and right.begins(left))


def _worded(text: str) -> str:
    plain = text if text.isascii() else _folded(text)
    plain = _EMPHASIS.sub(r"\2", plain)
    plain = _LANGUAGE.sub(r"\1", _NUMBERING.sub(r"\1. ", _BULLET.sub(r"\1- ", plain)))
    plain = _EQUALS.sub(r"\1", _DASH.sub(" -", plain))
    plain = _SENTENCE_BEGIN.sub(_lower_first, plain)
    plain = _EXCLAMATION.sub(".", plain)
    plain = _GROUPED.sub(lambda match: match[0].replace(",", ""), plain)
    plain = _WHOLE.sub(r"\1", plain)
    plain = _SPELLED.sub(_spelt, plain)
    plain = _spaced(plain.strip()).removesuffix(".")
    quoted = _QUOTED.fullmatch(plain)
    return quoted[2].removesuffix(".") if quoted else plain


def _spaced(text: str) -> str:
    """Returns a text with one space for any white space, but for lines from the first on in which it may count."""
    layout = _LAYOUT.search(text)
    if layout is None:
        return " ".join(text.split())
    head = " ".join(text[: layout.start()].split())
    lines = [line.rstrip() for line in text[layout.start() :].lstrip("\n").splitlines()]
    return "\n".join([head, *lines] if head else lines)


def _spelt(match: re.Match[str]) -> str:
    return _SPELLINGS.get(match[0]) or _ENDINGS[match[0]]


def _lower_first(match: re.Match[str]) -> str:
    word = match[1]
    # MW is not mW, and a capital sigma is a sum.
    lowered = word[1:].islower() or (len(word) == 1 and word not in _SIGNS)
    return match[0].removesuffix(word) + word.lower() if lowered else match[0]


def _folded(text: str) -> str:
    composed = normalized("NFC", unraised(text))
    if not unicodedata.is_normalized("NFKC", composed):
        composed = _NOT_ASCII.sub(lambda match: _plain_form(match[0]), composed)
    return _GAP.sub("", ascii_digits(composed.translate(_FOLDED)))


def _plain_form(character: str) -> str:
    if unicodedata.decomposition(character).startswith(_SAME_FORMS):
        return unicodedata.normalize("NFKC", character)
    return character
