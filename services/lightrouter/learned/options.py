"""The lettered options of a prompt, and each option's features among the others.

An option's form tells something about whether it is right: wrong numbers are invented around the right one, a right
sentence is rarely the shortest, and options that were added later have similar wording. Test-wise examinees use this
(Millman, Bishop and Ebel, "An Analysis of Test-Wiseness", 1965).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean, median
from typing import Final, NamedTuple, TypeVar

from lightrouter.answers.numbers import Number, numbers, written
from lightrouter.answers.plain import plain, without_tex
from lightrouter.answers.scripts import words as words_in
from lightrouter.learned.offered import offered

_T = TypeVar("_T")

_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_FIGURE = re.compile(r"[\d.,\s-]+")
# Maximum characters to read of an option: its topic is within them.
_MOST_CHARACTERS = 1_000
_NO_NUMBER = -1.0

CUES: Final[tuple[str, ...]] = (
    "option_length",
    "option_relative_length",
    "option_length_rank",
    "option_length_lead",
    "option_overlap_rank",
    "option_own_words",
    "option_likeness",
    "option_prompt_overlap",
    "option_same_form",
    "option_same_unit",
    "option_same_end",
    "option_same_first",
    "option_same_last",
    "option_numbers",
    "option_number_rank",
    "option_number_distance",
    "option_number_distance_rank",
    "option_number_nearest",
    "option_digits_lead",
)
"""The features of an option among the others, in order."""


class Option(NamedTuple):
    """An option of a prompt.

    Attributes:
        words: The weights of its words, with a sum of 1; words that other options have too weigh less.
        cues: Its features among the others, in the order of `CUES`.
    """

    words: Mapping[str, float]
    cues: Sequence[float]


def options(prompt: str) -> dict[str, Option]:
    """Returns the options of a prompt by their letters; empty if it is not multiple choice."""
    stem, found = offered(prompt)
    texts = {letter: text[:_MOST_CHARACTERS] for letter, text in found.items()}
    if not texts:
        return {}
    words = [frozenset(tokens(text)) for text in texts.values()]
    spread = Counter(word for each in words for word in each)
    cues = _cues(list(texts.values()), words, spread, frozenset(tokens(stem[-_MOST_CHARACTERS:])))
    return {letter: Option(_weighed(own, spread), seen) for letter, own, seen in zip(texts, words, cues, strict=True)}


def tokens(text: str) -> list[str]:
    """Returns the words and numbers of a text in lower case; equal numbers are equal in any notation."""
    spelt = _spelt(text).lower()
    found: list[str] = []
    at = 0
    for number in numbers(spelt):
        begin, end = number.span
        found += [*_words(spelt[at:begin]), written(number)]
        at = end
    return [*found, *_words(spelt[at:])]


def _spelt(text: str) -> str:
    return without_tex(plain(text))


def _words(text: str) -> list[str]:
    if text.isascii():
        return _LETTERS.findall(text)
    return [part for word in words_in(text) for part in _DIGITS.split(word.replace("_", " ")) for part in part.split()]


def _weighed(words: frozenset[str], spread: Mapping[str, int]) -> dict[str, float]:
    # In a fixed order, whatever the hashes: sums of floats depend on it, and trained trees on their last digits.
    ordered = sorted(words)
    total = sum(1 / spread[word] for word in ordered)
    return {word: 1 / spread[word] / total for word in ordered}


def _cues(
    texts: Sequence[str], words: Sequence[frozenset[str]], spread: Mapping[str, int], stem: frozenset[str]
) -> list[list[float]]:
    lengths = [float(len(text)) for text in texts]
    columns = [
        [math.log1p(length) for length in lengths],
        [length / (fmean(lengths) + 1) for length in lengths],
        _ranks(lengths),
        [length / (max(_others(lengths, index)) + 1) for index, length in enumerate(lengths)],
        _ranks([sum(spread[word] - 1 for word in own) / (len(own) or 1) for own in words]),
        [sum(spread[word] == 1 for word in own) / (len(own) or 1) for own in words],
        [max(_likeness(own, other) for other in _others(words, index)) for index, own in enumerate(words)],
        [len(own & stem) / (len(own) + 1) for own in words],
        _shares([_DIGITS.sub("0", _LETTERS.sub("a", text)) for text in texts]),
        _shares([_FIGURE.sub("", text) for text in texts]),
        _shares([text.endswith(".") for text in texts]),
        _shares([text.lower().partition(" ")[0] for text in texts]),
        _shares([text.lower().rpartition(" ")[2] for text in texts]),
        *_number_columns([next(iter(numbers(_spelt(text))), None) for text in texts]),
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _number_columns(found: Sequence[Number | None]) -> list[list[float]]:
    """Returns the features of the options' first numbers: the last six cues."""
    figures = ["" if each is None else written(each) for each in found]
    values = [None if each is None else _float(each) for each in found]
    known = [value for value in values if value is not None]
    scales = [None if value is None or not value or math.isinf(value) else math.log(abs(value)) for value in values]
    middle = median([scale for scale in scales if scale is not None] or [0.0])
    distances = [_NO_NUMBER if scale is None else abs(scale - middle) for scale in scales]
    digits = [len(figure.replace(".", "").replace("/", "").strip("-0")) for figure in figures]
    return [
        [len(known) / len(found)] * len(found),
        [_NO_NUMBER if each is None else sum(other < each for other in known) / len(known) for each in values],
        distances,
        _ranks(distances),
        [_nearest(scales, index) for index in range(len(scales))],
        [count - fmean(digits) for count in digits],
    ]


def _float(number: Number) -> float:
    try:
        return float(number.value)
    except OverflowError:
        return math.copysign(math.inf, number.value)


def _nearest(scales: Sequence[float | None], index: int) -> float:
    own = scales[index]
    if own is None:
        return _NO_NUMBER
    return min((abs(other - own) for other in _others(scales, index) if other is not None), default=_NO_NUMBER)


def _likeness(left: frozenset[str], right: frozenset[str]) -> float:
    either = len(left | right)
    return len(left & right) / either if either else 1.0


def _ranks(values: Sequence[float]) -> list[float]:
    """Returns the share of values below each value, 0 to 1; equal ones count half."""
    return [sum((other < each) + (other == each) / 2 for other in values) / len(values) for each in values]


def _shares(keys: Sequence[Hashable]) -> list[float]:
    """Returns the share of the keys that are equal to each, 0 to 1."""
    counts = Counter(keys)
    return [counts[key] / len(keys) for key in keys]


def _others(values: Sequence[_T], index: int) -> list[_T]:
    return [*values[:index], *values[index + 1 :]]
