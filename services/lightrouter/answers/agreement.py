"""How far answers say the same, without a model: by the answer that a pattern finds, else by their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TypeVar

from lightrouter.answers.extract import canonical
from lightrouter.answers.pieces import PIECE, Pieces, at_once
from lightrouter.answers.settled import settled_answer
from lightrouter.answers.tokens import MOST_CHARACTERS, contradict, read
from lightrouter.answers.wording import Wording, same
from lightrouter.v1.policy_pb2 import AnswerPattern

# The order of words is a smaller sign of agreement than the words themselves: paraphrases move them about.
_PAIRS_WEIGHT = 0.25
# Texts of another wording are never the same, however alike they are: what differs may be what matters. It is below
# every threshold from which texts count as the same (0.9 in the aggregator's settings, 0.95 in the router's).
_MOST_ALIKE = 0.6
# Where texts contradict each other they share less than their words do.
_CONTRADICTION = 0.6
_STEP = 16
# Words compared over all pairs, and of each text at least: 256 partials are 32,640 pairs of 61 words. See PIECE.
_MOST_COMPARED = 2_000_000
_FEWEST_WORDS = 32
# What one comparison takes however short the texts are, in words.
_PAIR = 50

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far texts agree, each with each.

    Attributes:
        agreement: Agreement of each text with each other, 0 to 1, as a symmetric matrix with ones on its diagonal.
        answered: For each text, whether the pattern finds an answer in it that stands whatever follows.
        complete: For each text, whether it is whole.
    """

    agreement: list[list[float]]
    answered: Sequence[bool]
    complete: Sequence[bool]

    def settled(self, left: int, right: int) -> bool:
        """Tells whether two texts have both come to what they say: agreement of fragments is no agreement."""
        return (self.answered[left] and self.answered[right]) or (self.complete[left] and self.complete[right])


class _Answer:
    """A text that is compared."""

    __slots__ = ("complete", "extracted", "text", "wording")

    def __init__(self, raw: str, pattern: AnswerPattern | None, *, complete: bool) -> None:
        found = settled_answer(raw, pattern, complete=complete)
        self.text = read(raw)
        self.complete = complete and len(raw) <= MOST_CHARACTERS
        if not self.complete and len(self.text.words) > 1:
            # The cut may have gone through the last word or number.
            self.text.words.pop()
        self.extracted = None if found is None else canonical(found)
        self.wording = Wording(raw, complete=complete)


def similarity(left: str, right: str, *, left_complete: bool = True, right_complete: bool = True) -> float:
    """Returns how far two texts say the same, 0 to 1; symmetric, 1 for texts of the same wording.

    Texts that differ in any word, number, sign, or in the order of these stay at 0.6 or below. A text that was cut off
    is compared with as much of the other as it has words; of both the first 8,000 characters are.
    """
    if left == right:
        return 1.0
    return _similarity(
        _Answer(left, None, complete=left_complete), _Answer(right, None, complete=right_complete), MOST_CHARACTERS
    )


def compare(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> Pieces[Comparison]:
    """Compares each text with each other, piece by piece.

    Two texts in which `pattern` finds an answer agree by it, fully or not at all; others by their words.

    Args:
        texts: The texts. The more there are, the fewer words of each are compared.
        complete: For each text, whether it is whole rather than cut off.
        pattern: Where the comparable answer stands.
    """
    keys = list(zip(texts, complete, strict=True))
    places: dict[tuple[str, bool], list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    work = 0
    answers: list[_Answer] = []
    for raw, whole in places:
        answers.append(_Answer(raw, pattern, complete=whole))
        work += len(raw) if pattern else min(len(raw), MOST_CHARACTERS)
        if work >= PIECE:
            yield work
            work = 0
    matrix = [[1.0] * len(keys) for _ in keys]
    most = max(_FEWEST_WORDS, 2 * _MOST_COMPARED // max(1, len(answers) * (len(answers) - 1)))
    for (left, ours), (right, theirs) in combinations(zip(answers, places.values(), strict=True), 2):
        value = _agreement(left, right, most)
        for i in ours:
            for j in theirs:
                matrix[i][j] = matrix[j][i] = value
        work += _PAIR + min(most, len(left.text.words) + len(right.text.words)) + len(ours) * len(theirs)
        if work >= PIECE:
            yield work
            work = 0
    answered = {key: answer.extracted is not None for key, answer in zip(places, answers, strict=True)}
    return Comparison(matrix, [answered[key] for key in keys], complete)


def pairwise(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> list[list[float]]:
    """Returns the agreement of each text with each other, 0 to 1, as a symmetric matrix. See `compare`."""
    return at_once(compare(texts, complete, pattern)).agreement


def mean(matrix: Sequence[Sequence[float]]) -> float:
    """Returns the mean agreement over all pairs of a matrix from `pairwise`; 1 where there is no pair."""
    pairs = [row[j] for i, row in enumerate(matrix) for j in range(i)]
    return fmean(pairs) if pairs else 1.0


def agreement(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> float:
    """Returns how far all texts agree, 0 to 1. See `agreed`."""
    return agreed(at_once(compare(texts, complete, pattern)))


def agreed(comparison: Comparison) -> float:
    """Returns the mean agreement over all pairs, 0 to 1, 1 for one text or none.

    A pair counts as 0 unless both texts are whole, or both have an answer that stands whatever follows: fragments may
    go on to say different things.
    """
    rows = enumerate(comparison.agreement)
    return mean([[value if comparison.settled(i, j) else 0.0 for j, value in enumerate(row)] for i, row in rows])


def _agreement(left: _Answer, right: _Answer, most: int) -> float:
    if left.extracted is not None and right.extracted is not None:
        return float(left.extracted == right.extracted)
    return _similarity(left, right, most)


def _similarity(left: _Answer, right: _Answer, most: int) -> float:
    if left.wording.text == right.wording.text:
        return 1.0
    length = min(_common_length(left, right), most)
    first, second = left.text.first(length), right.text.first(length)
    if not first.words or not second.words:
        return 0.0
    result = _overlap(first.words, second.words)
    pairs, other_pairs = left.text.pairs(length), right.text.pairs(length)
    if pairs and other_pairs:
        result += _PAIRS_WEIGHT * (_overlap(pairs, other_pairs) - result)
    if contradict(first, second):
        return result * _CONTRADICTION
    if result <= _MOST_ALIKE:
        return result
    return 1.0 if same(left.wording, right.wording) else _MOST_ALIKE


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
