"""Texts as comparable words, and which of the words cannot differ if two texts say the same."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from lightrouter.answers.pieces import MOST_CHARACTERS
from lightrouter.answers.scripts import RUN, WORD, ascii_digits, pairs, shadow, unspaced
from lightrouter.answers.vocabulary import DATES, FILLERS, NEGATIONS, NUMBERS, OPPOSITES
from lightrouter.runtime.text import normalized

_AFTER_OPERAND = r"(?<=[\w)\]])"
_NO_OPERAND_BEFORE = r"(?<![\w.)\]])"
# Operators that change the meaning of a formula, between spaces; a hyphen inside a word is not one.
_OPERATOR = rf"(?<![^ ])[-+*/](?=\n?(?: |\Z))|{_AFTER_OPERAND}[+*/](?=[\w(\[])"
# Numbers, with a sign unless an operand precedes it.
_NUMBER = rf"\d+(?:[.,]\d+)*|{_NO_OPERAND_BEFORE}-\d+(?:[.,]\d+)*"
_TOKEN = re.compile(rf"{WORD}|{RUN}|[.!?:;,\n<>%]|{_NUMBER}|{_OPERATOR}", re.ASCII)
# The same for ASCII texts, which are most texts, in less time.
_ASCII_TOKEN = re.compile(rf"[A-Za-z]+(?:'[A-Za-z]+)?|[.!?:;,\n<>%]|{_NUMBER}|{_OPERATOR}", re.ASCII)
# Longer tokens are rare and not worth caching. Choices, like the number of those that are cached.
_LONGEST_REMEMBERED = 32
_MOST_REMEMBERED = 65_536
_CLAUSE_ENDS = frozenset(",")
_SENTENCE_ENDS = frozenset(".!?:;\n")
_BULLETS = frozenset("-+*")
_OPERATORS = frozenset("<>%/") | _BULLETS
_NEGATED = "\u00ac"


# The roles of a token.
_WORD, _FILLER, _NEGATION, _CLAUSE_END, _SENTENCE_END, _RUN = range(6)


class Extent(NamedTuple):
    """What is said within the first words of a text.

    Attributes:
        words: The words; a negated one carries a leading "¬".
        deciding: Those words on which two texts that say the same cannot differ: numbers, dates, names, operators
            and what is negated.
    """

    words: frozenset[str]
    deciding: frozenset[str]


class Text:
    """A text as its words in order, without function words."""

    __slots__ = ("_all_pairs", "_deciding", "_extents", "_pairs", "words")

    def __init__(self, words: list[str], deciding: set[str]) -> None:
        self.words = words
        self._deciding = deciding
        self._extents: dict[int, Extent] = {}
        self._pairs: dict[int, frozenset[tuple[str, str]]] = {}
        self._all_pairs: list[tuple[str, str]] = []

    def first(self, length: int) -> Extent:
        """Returns what the first `length` words say, or all of them if there are fewer."""
        length = min(length, len(self.words))
        extent = self._extents.get(length)
        if extent is None:
            unique = frozenset(self.words[:length])
            extent = self._extents[length] = Extent(unique, unique & self._deciding)
        return extent

    def pairs(self, length: int) -> frozenset[tuple[str, str]]:
        """Returns each of the first `length` words with its successor among them."""
        length = min(length, len(self.words))
        pairs = self._pairs.get(length)
        if pairs is None:
            # Texts are compared up to many lengths; the pairs are made once.
            self._all_pairs = self._all_pairs or list(pairwise(self.words))
            pairs = self._pairs[length] = frozenset(self._all_pairs[: max(0, length - 1)])
        return pairs

    def all(self) -> Extent:
        """Returns what the whole text says."""
        return self.first(len(self.words))


class _Token(NamedTuple):
    role: int
    word: str
    flips: bool = False
    decides: bool = False
    capital: bool = False


def read(text: str, most: int = MOST_CHARACTERS) -> Text:
    """Returns the words within the first `most` characters of a text; if there are none, its parts between spaces."""
    plain, found = _tokens(text[:most])
    tokens = list(map(_REMEMBERED.__getitem__, found))
    words: list[str] = []
    deciding: set[str] = set()
    negate, begins = False, True
    for index, (role, word, flips, decides, capital) in enumerate(tokens):
        if role == _WORD:
            if begins and word in _BULLETS:
                continue
            negated = negate != flips
            counted = _NEGATED + word if negated else word
            if negated or decides or (capital and not begins):
                deciding.add(counted)
            words.append(counted)
            negate = begins = False
        elif role == _FILLER:
            begins = False
        elif role == _NEGATION:
            if word == "no" and _ends_clause(tokens, index + 1):
                words.append(_NEGATED + "yes")
                deciding.add(_NEGATED + "yes")
            else:
                negate = not negate
            begins = False
        elif role == _RUN:
            words.extend(pairs(word))
            negate = begins = False
        else:
            begins = begins or role == _SENTENCE_END
            negate = False
    return Text(words or plain.lower().rstrip(".! \n").split() or plain.split(), deciding)


def _tokens(text: str) -> tuple[str, list[str]]:
    """Returns a text in its compatible form, and its tokens."""
    if text.isascii():
        return text, _ASCII_TOKEN.findall(text)
    plain = normalized("NFKC", text)
    return plain, [plain[match.start() : match.end()] for match in _TOKEN.finditer(shadow(plain))]


def contradict(left: Extent, right: Extent) -> bool:
    """Tells whether each has a deciding word that the other lacks, or one negates a word that the other affirms."""
    only_left, only_right = left.deciding - right.words, right.deciding - left.words
    if _any_affirmed(only_left) and _any_affirmed(only_right):
        return True
    return any(_opposite(word) in right.words and _opposite(word) not in left.words for word in only_left) or any(
        _opposite(word) in left.words and _opposite(word) not in right.words for word in only_right
    )


def subject(extent: Extent) -> frozenset[str]:
    """Returns the subject: the words without numbers, dates and names, whether negated or not."""
    negated = {word[1:] for word in extent.deciding if word[0] == _NEGATED}
    return (extent.words - extent.deciding).union(negated)


def _any_affirmed(words: frozenset[str]) -> bool:
    return any(word[0] != _NEGATED for word in words)


def _opposite(word: str) -> str:
    return word[1:] if word[0] == _NEGATED else _NEGATED + word


def _ends_clause(tokens: list[_Token], index: int) -> bool:
    return index >= len(tokens) or tokens[index].role in {_CLAUSE_END, _SENTENCE_END}


def _classified(token: str) -> _Token:
    plain = shadow(token)
    if plain in _SENTENCE_ENDS:
        return _Token(_SENTENCE_END, plain)
    if plain in _CLAUSE_ENDS:
        return _Token(_CLAUSE_END, plain)
    if plain in _OPERATORS:
        return _Token(_WORD, token if plain == "<" else plain, decides=True)
    if plain[-1].isdigit():
        return _Token(_WORD, _number(ascii_digits(token)), decides=True)
    if unspaced(token):
        return _Token(_RUN, token)
    word, _, suffix = token.lower().replace("\u2019", "'").partition("'")
    if word in NEGATIONS or (suffix == "t" and word.endswith("n")):
        return _Token(_NEGATION, word)
    if word in FILLERS:
        return _Token(_FILLER, word)
    if word in NUMBERS:
        return _Token(_WORD, NUMBERS[word], decides=True)
    flips = word in OPPOSITES
    word = OPPOSITES.get(word, word)
    return _Token(_WORD, word, flips, word in DATES, token[0].isupper())


class _Remembered(dict[str, _Token]):
    """Tokens by their text; a look-up costs less than a call."""

    def __missing__(self, token: str) -> _Token:
        found = _classified(token)
        if len(token) <= _LONGEST_REMEMBERED:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()
            self[token] = found
        return found


_REMEMBERED = _Remembered()


def _number(token: str) -> str:
    """Returns a number in one spelling: 1,000 and 1000.0 and 01000 are 1000."""
    sign = "-" if token[0] in "-\u2212" else ""
    digits = token.lstrip("-\u2212")
    whole, *groups = digits.partition(".")[0].split(",")
    if groups and len(whole) <= 3 and all(len(group) == 3 for group in groups):
        digits = digits.replace(",", "")
    if digits.count(".") == 1:
        digits = digits.rstrip("0").rstrip(".")
    return sign + (digits.lstrip("0") or "0")
