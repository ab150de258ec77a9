"""Texts as comparable tokens: what is said, and which of it decides whether two texts say the same."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Numbers with their sign, words with an apostrophe inside, letters of scripts without spaces one by one, operators
# that change what a formula says, and the punctuation that ends a sentence or a clause.
_TOKEN = re.compile(
    r"(?<![\w.)\]])[-−]?\d+(?:[.,]\d+)*|\d+(?:[.,]\d+)*"
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
    r"|[^\W\d_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+(?:['’][^\W\d_]+)?"
    r"|[<>≤≥≠%€£¥]|(?<=[\w)\]] )[-+*/](?= [\w(\[])|(?<=[\w)\]])[+*/](?=[\w(\[])"
    r"|[.!?:;,\n]"
)
_ENDS_SENTENCE = frozenset(".!?:;\n")
_PUNCTUATION = frozenset(".!?:;,\n")
_OPERATORS = frozenset("<>≤≥≠%€£¥+-*/")

_STOPWORDS = frozenset(
    "a an the is are was were be been being am do does did has have had of to in on at by for with from as and or that "
    "this these those it its it's there here so then than which who whom what when where how i you he she we they them "
    "his her our your their me my us will would can could may might shall should must if but also just very more most "
    "some any such into over under about up out i'm we're you're they're that's let's i'll we'll one".split()
)
_NEGATIONS = frozenset({"not", "never", "cannot", "neither", "nor", "without", "hardly", "no"})
_OPPOSITES = {
    "false": "true",
    "incorrect": "correct",
    "wrong": "correct",
    "impossible": "possible",
    "invalid": "valid",
    "unsafe": "safe",
    "unlikely": "likely",
    "unequal": "equal",
    "odd": "even",
    "decrease": "increase",
    "decreases": "increases",
    "decreased": "increased",
    "negative": "positive",
    "less": "greater",
    "smaller": "larger",
    "before": "after",
    "disagree": "agree",
    "illegal": "legal",
}
_DECIDING_PAIRS = frozenset({*_OPPOSITES.values(), "yes"})
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split()
    )
    if word != "-"
}
# Without "may", which is mostly a verb.
_MONTHS = frozenset(
    "january february march april june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday".split()
)
_NEGATED = "¬"


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as tokens.

    Attributes:
        words: What is said, in order, without function words; a negated word carries a leading "¬".
        deciding: Those words that cannot differ where two texts say the same: numbers, dates, names, operators.
        has_negation: Whether any word is negated.
    """

    words: list[str]
    deciding: frozenset[str]
    has_negation: bool


def tokenize(text: str) -> Tokens:
    """Returns the tokens of any text; a text without words is taken by its characters."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    raw = _TOKEN.findall(plain)
    words: list[str] = []
    deciding: set[str] = set()
    negate = has_negation = False
    starts = True
    last = len(raw) - 1
    for index, token in enumerate(raw):
        if token in _PUNCTUATION:
            starts = starts or token in _ENDS_SENTENCE
            negate = False
            continue
        word = token.lower()
        if word in _STOPWORDS:
            starts = False
            continue
        if word in _NEGATIONS:
            if word == "no" and (index == last or raw[index + 1] in _PUNCTUATION):
                words.append("¬yes")
                has_negation = True
            else:
                negate = not negate
            starts = False
            continue
        first = word[0]
        if first.isalpha():
            if "'" in word or "’" in word:
                word, negates = _without_suffix(word)
                negate ^= negates
                if word in _STOPWORDS or not word:
                    starts = False
                    continue
            opposite = _OPPOSITES.get(word)
            if opposite:
                word = opposite
                negate = not negate
            number = _NUMBER_WORDS.get(word)
            if number:
                word = number
                deciding.add(word)
            elif (not starts and token[0].isupper()) or word in _MONTHS:
                deciding.add(word)
        elif first in _OPERATORS and len(word) == 1:
            deciding.add(word)
        else:
            word = _number(word)
            deciding.add(word)
        if negate:
            word = _NEGATED + word
            deciding.add(word)
            has_negation = True
            negate = False
        words.append(word)
        starts = False
    if not words:
        words = plain.lower().split() or list(plain)
    return Tokens(words, frozenset(deciding), has_negation)
