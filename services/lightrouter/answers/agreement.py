"""How far answers say the same, without a model: by the answer that a pattern finds, else by their words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean
from typing import NamedTuple, TypeVar

from lightrouter.answers.equality import canonical
from lightrouter.answers.extract import extract
from lightrouter.answers.tokens import Text, contradict, read
from lightrouter.v1.policy_pb2 import AnswerPattern

# The order of words is a smaller sign of agreement than the words themselves: paraphrases move them about.
_PAIRS_WEIGHT = 0.25
# Texts that contradict each other are never the same, however alike they are else.
_CONTRADICTION = 0.6
_STEP = 16

_Item = TypeVar("_Item")


class _Answer(NamedTuple):
    raw: str
    text: Text
    complete: bool
    extracted: str | None


def similarity(left: str, right: str, *, left_complete: bool = True, right_complete: bool = True) -> float:
    """Returns how far two texts say the same, 0 to 1; symmetric, 1 for equal texts.

    Texts that differ in a number, a date, a name or in what is negated stay at 0.6 or below. A text that was cut off
    is compared with as much of the other as it has words.
    """
    if left == right:
        return 1.0
    return _similarity(_read(left, left_complete, None), _read(right, right_complete, None))


def pairwise(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> list[list[float]]:
    """Returns the agreement of each text with each other, 0 to 1, as a symmetric matrix with ones on its diagonal.

    Two texts in which `pattern` finds an answer agree by it, fully or not at all; others by their words.

    Args:
        texts: The texts.
        complete: For each text, whether it is whole rather than cut off.
        pattern: Where the comparable answer stands.
    """
    keys = list(zip(texts, complete, strict=True))
    matrix = [[1.0] * len(keys) for _ in keys]
    if len(set(texts)) < 2:
        return matrix
    read_once = {key: _read(*key, pattern) for key in dict.fromkeys(keys)}
    answers = [read_once[key] for key in keys]
    for (i, left), (j, right) in combinations(enumerate(answers), 2):
        matrix[i][j] = matrix[j][i] = _agreement(left, right)
    return matrix


def mean(matrix: Sequence[Sequence[float]]) -> float:
    """Returns the mean agreement over all pairs of a matrix from `pairwise`; 1 where there is no pair."""
    pairs = [row[j] for i, row in enumerate(matrix) for j in range(i)]
    return fmean(pairs) if pairs else 1.0


def agreement(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> float:
    """Returns how far all texts agree, 0 to 1: the mean over their pairs; 1 for one text or none. See `pairwise`."""
    return mean(pairwise(texts, complete, pattern))


def _read(raw: str, complete: bool, pattern: AnswerPattern | None) -> _Answer:
    found = extract(raw, pattern)
    text = read(raw)
    if not complete and len(text.words) > 1:
        # The cut may have gone through the last word or number.
        text.words.pop()
    return _Answer(raw, text, complete, None if found is None else canonical(found))


def _agreement(left: _Answer, right: _Answer) -> float:
    if left.extracted is not None and right.extracted is not None:
        return float(left.extracted == right.extracted)
    return _similarity(left, right)


def _similarity(left: _Answer, right: _Answer) -> float:
    if left.raw == right.raw:
        return 1.0
    length = _common_length(left, right)
    first, second = left.text.first(length), right.text.first(length)
    if not first.words or not second.words:
        return 0.0
    result = _overlap(first.words, second.words)
    pairs, other_pairs = left.text.pairs(length), right.text.pairs(length)
    if pairs and other_pairs:
        result += _PAIRS_WEIGHT * (_overlap(pairs, other_pairs) - result)
    return result * _CONTRADICTION if contradict(first, second) else result


def _common_length(left: _Answer, right: _Answer) -> int:
    """Returns how many words of both are compared: all, or no more than a shorter text that was cut off has."""
    shorter, longer = sorted((left, right), key=lambda answer: (len(answer.text.words), answer.complete))
    if shorter.complete:
        return len(longer.text.words)
    length = len(shorter.text.words)
    # In steps, so that what the first words say is worked out a few times a text rather than once a pair.
    return length - length % _STEP if length > _STEP * 4 else length


def _overlap(left: frozenset[_Item], right: frozenset[_Item]) -> float:
    return 2 * len(left & right) / (len(left) + len(right))
