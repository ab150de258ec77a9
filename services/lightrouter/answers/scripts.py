"""Words of every script: letters with their marks, and pairs of letters in scripts without spaces between words.

Pairs of letters (bigrams) stand for words in scripts that are written without spaces, as in Lucene's CJKBigramFilter:
for retrieval they do as well as words found by a dictionary (Nie et al., "On the Use of Words and N-grams for Chinese
Information Retrieval", IRAL 2000).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import Final

from lightrouter.runtime.text import normalized

# Scripts without spaces between words: those of line breaking class SA (Unicode Standard Annex 14), Balinese, Javanese,
# Yi, Han and Kana.
# Hangul has spaces, but particles are attached to words, so that equal words differ.
# Names of Unicode characters begin with these.
_UNSPACED: Final = (
    *("CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "HALFWIDTH ", "HANGUL ", "YI "),
    *("AHOM ", "BALINESE ", "JAVANESE ", "KHMER ", "LAO ", "MYANMAR ", "NEW TAI LUE ", "TAI ", "THAI "),
)
LETTER: Final = "\x01"
"""In a shadow, a letter of a script without spaces."""
_MARK: Final = "\x02"
_JOINERS: Final = "\u200c\u200d"
_SIGNS: Final = "\u2264\u2265\u2260\u00b1"
# A choice: as many as the basic plane of Unicode has.
_MOST_REMEMBERED: Final = 65_536

_FORMS: Final = {
    "'": "\u2019\u02bc\uff07",
    "-": "\u2212",
    ".": "\u3002\uff61\u0964\u0965\u06d4\u0589\u1362\u104b\u17d4\uff0e",
    "!": "\uff01",
    "?": "\uff1f\u061f\u037e",
    ":": "\uff1a",
    ";": "\uff1b\u061b",
    ",": "\u3001\uff0c\uff64\u060c",
    "\n": "\u2028\u2029\u0085",
}
PUNCTUATION: Final[dict[str, str]] = {other: plain for plain, others in _FORMS.items() for other in others}
"""Punctuation of other scripts, and what it is in ASCII."""
WORD: Final = rf"[A-Za-z][A-Za-z{_MARK}]*(?:'[A-Za-z][A-Za-z{_MARK}]*)?"
"""In a shadow, a word, with an apostrophe inside."""
RUN: Final = rf"(?:{LETTER}{_MARK}*)+"
"""In a shadow, a run of letters of scripts without spaces."""

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_OTHER_DIGIT: Final = re.compile(r"(?![0-9])\d")
_ASCII_WORD: Final = re.compile(r"\w+", re.ASCII)
_ANY_WORD: Final = re.compile(rf"\w[\w{_MARK}]*|{RUN}", re.ASCII)
_CLUSTER: Final = re.compile(rf"{LETTER}{_MARK}*")


class _Classes(dict[int, str]):
    """The shadow of each character, computed at its first use."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        self[code] = found = _class_of(chr(code))
        return found


_CLASSES: Final = _Classes()


def shadow(text: str) -> str:
    """Returns a text of the same length in ASCII, in which patterns for ASCII find the words of every script.

    A letter or digit of any script becomes a letter or a digit, punctuation its ASCII form, a sign of comparison or
    money "<", and everything else a space.
    """
    return _NOT_ASCII.sub(lambda match: match[0].translate(_CLASSES), text)


def words(text: str) -> list[str]:
    """Returns the words of a text in their order, composed; for a run without spaces, each two neighbouring letters."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    text = normalized("NFC", text)
    seen = shadow(text)
    found: list[str] = []
    for match in _ANY_WORD.finditer(seen):
        word = text[match.start() : match.end()]
        found += pairs(word) if seen[match.start()] == LETTER else [word]
    return found


def pairs(run: str) -> list[str]:
    """Returns each pair of neighbouring letters of a run, with their marks; for one letter, that letter."""
    seen = shadow(run)
    letters = [run[match.start() : match.end()] for match in _CLUSTER.finditer(seen)] if _MARK in seen else run
    return [one + other for one, other in pairwise(letters)] or list(letters)


def unspaced(token: str) -> bool:
    """Tells whether a token begins with a letter of a script without spaces."""
    return _CLASSES[ord(token[0])] == LETTER


def _class_of(character: str) -> str:
    category = unicodedata.category(character)
    if character in PUNCTUATION:
        return PUNCTUATION[character]
    if category[0] == "M" or character in _JOINERS:
        return _MARK
    if category == "Nd":
        return "0"
    if category[0] in "LN":
        return LETTER if unicodedata.name(character, "").startswith(_UNSPACED) else "a"
    return "<" if category == "Sc" or character in _SIGNS else " "


def ascii_digits(text: str) -> str:
    """Returns a text with the decimal digits of every script as 0 to 9."""
    return _OTHER_DIGIT.sub(lambda match: str(unicodedata.decimal(match[0])), text)
