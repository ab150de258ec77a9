"""The lettered options that a prompt offers, and what each looks like among the others.

How an option looks says something of whether it is right, whoever chose it: wrong numbers are invented around the right
one, a right sentence is seldom the shortest, and options that were added later are phrased alike. Test-wise examinees
live on it (Millman, Bishop and Ebel, "An Analysis of Test-Wiseness", 1965).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean, median
from typing import Final, NamedTuple, TypeVar

from lightrouter.learned.offered import offered

_T = TypeVar("_T")

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_FIGURE = re.compile(r"[\d.,\s-]+")
# What an option is about is said within so many characters of it.
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
"""What is seen of an option among the others, in order."""


class Option(NamedTuple):
    """An option of a prompt.

    Attributes:
        words: The weights of its words, which sum up to 1; words that stand in other options too weigh less.
        cues: What it looks like among the others, in the order of `CUES`.
    """

    words: Mapping[str, float]
    cues: Sequence[float]


def options(prompt: str) -> dict[str, Option]:
    """Returns the options that a prompt offers by their letters; empty where it is no multiple choice."""
    stem, found = offered(prompt)
    texts = {letter: text[:_MOST_CHARACTERS] for letter, text in found.items()}
    if not texts:
        return {}
    words = [frozenset(tokens(text)) for text in texts.values()]
    spread = Counter(word for each in words for word in each)
    cues = _cues(list(texts.values()), words, spread, frozenset(tokens(stem[-_MOST_CHARACTERS:])))
    return {letter: Option(_weighed(own, spread), seen) for letter, own, seen in zip(texts, words, cues, strict=True)}


def tokens(text: str) -> list[str]:
    """Returns the words and numbers of a text; equal numbers are equal however many zeros they end in."""
    plain = text.lower().replace(",", "")
    return [token.rstrip("0").rstrip(".") if "." in token else token for token in _TOKEN.findall(plain)]


def _weighed(words: frozenset[str], spread: Mapping[str, int]) -> dict[str, float]:
    # In one order, whatever the hashes: sums of floats hang on it, and trained trees on their last digits.
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
        [length / (max(_others(lengths, place)) + 1) for place, length in enumerate(lengths)],
        _ranks([sum(spread[word] - 1 for word in own) / (len(own) or 1) for own in words]),
        [sum(spread[word] == 1 for word in own) / (len(own) or 1) for own in words],
        [max(_likeness(own, other) for other in _others(words, place)) for place, own in enumerate(words)],
        [len(own & stem) / (len(own) + 1) for own in words],
        _shares([_DIGITS.sub("0", _LETTERS.sub("a", text)) for text in texts]),
        _shares([_FIGURE.sub("", text) for text in texts]),
        _shares([text.endswith(".") for text in texts]),
        _shares([text.lower().partition(" ")[0] for text in texts]),
        _shares([text.lower().rpartition(" ")[2] for text in texts]),
        *_number_columns([_NUMBER.search(text) for text in texts]),
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _number_columns(found: Sequence[re.Match[str] | None]) -> list[list[float]]:
    """Returns what the first numbers of the options look like: the last six cues."""
    figures = [each[0].replace(",", "") if each else None for each in found]
    numbers = [None if figure is None else float(figure) for figure in figures]
    known = [number for number in numbers if number is not None]
    scales = [
        None if number is None or not number or math.isinf(number) else math.log(abs(number)) for number in numbers
    ]
    middle = median([scale for scale in scales if scale is not None] or [0.0])
    distances = [_NO_NUMBER if scale is None else abs(scale - middle) for scale in scales]
    digits = [len((figure or "").replace(".", "").strip("-0")) for figure in figures]
    return [
        [len(known) / len(found)] * len(found),
        [_NO_NUMBER if each is None else sum(other < each for other in known) / len(known) for each in numbers],
        distances,
        _ranks(distances),
        [_nearest(scales, place) for place in range(len(scales))],
        [count - fmean(digits) for count in digits],
    ]


def _nearest(scales: Sequence[float | None], place: int) -> float:
    own = scales[place]
    if own is None:
        return _NO_NUMBER
    return min((abs(other - own) for other in _others(scales, place) if other is not None), default=_NO_NUMBER)


def _likeness(left: frozenset[str], right: frozenset[str]) -> float:
    either = len(left | right)
    return len(left & right) / either if either else 1.0


def _ranks(values: Sequence[float]) -> list[float]:
    """Returns the share of values that each is above, 0 to 1; equal ones count half."""
    return [sum((other < each) + (other == each) / 2 for other in values) / len(values) for each in values]


def _shares(keys: Sequence[Hashable]) -> list[float]:
    """Returns the share of the keys that are equal to each, 0 to 1."""
    counts = Counter(keys)
    return [counts[key] / len(keys) for key in keys]


def _others(values: Sequence[_T], place: int) -> list[_T]:
    return [*values[:place], *values[place + 1 :]]
