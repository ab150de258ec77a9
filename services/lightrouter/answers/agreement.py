"""How far answers say the same, without a model: by the answer that a pattern finds, else by their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from statistics import fmean
from typing import TypeVar

from lightrouter.answers.equality import canonical, value
from lightrouter.answers.evasions import Evasions
from lightrouter.answers.pieces import MOST_CHARACTERS, PIECE, Pieces, at_once, of_reading
from lightrouter.answers.settled import settled_answer
from lightrouter.answers.tokens import contradict, read
from lightrouter.answers.wording import Wording, same
from lightrouter.v1.policy_pb2 import AnswerPattern

# The order of words is a smaller sign of agreement than the words themselves: paraphrases move them about.
_PAIRS_WEIGHT = 0.25
# Texts of another wording are never the same, however alike they are: what differs may be what matters. It is below
# every threshold from which texts count as the same (0.9 in the aggregator's settings, 0.95 in the router's).
_MOST_ALIKE = 0.6
# Texts of the same wording share all their words, but for some spellings; others are not looked at more closely.
_NEARLY = 0.9
# Where texts contradict each other they share less than their words do.
_CONTRADICTION = 0.6
# Characters compared over all pairs: up to 71 texts are compared as far as any is; 256 partials, the most that a
# request may have, are 32,640 pairs and compared as far as 306 characters. It is less than a second's work in all.
_MOST_COMPARED = 10_000_000
# What one comparison takes however short the texts are, in words.
_PAIR = 50
# Words compared, and characters searched for a pattern, while one character is read.
_COMPARED = 5
_SEARCHED = 10

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far texts agree, each with each.

    Attributes:
        agreement: Agreement of each text with each other, 0 to 1, as a symmetric matrix with ones on its diagonal.
        voters: Places of the texts whose agreement says something: those that answer, or all if none does. A text
            that evades does not answer: a refusal, the prompt again, an opening without more.
        agreed: Mean agreement over all pairs, 0 to 1; 1 for one text or none. A pair counts as 0 unless both vote, and
            both are whole or have an answer that stands whatever follows: fragments may go on to say different things.
    """

    agreement: list[list[float]]
    voters: Sequence[int]
    agreed: float


class _Answer:
    """A text that is compared, and where it stands among the texts."""

    __slots__ = ("complete", "evades", "extracted", "places", "text", "value", "votes", "wording")

    def __init__(
        self,
        raw: str,
        places: Sequence[int] = (),
        evasions: Evasions | None = None,
        pattern: AnswerPattern | None = None,
        *,
        complete: bool,
        most: int = MOST_CHARACTERS,
    ) -> None:
        found = settled_answer(raw, pattern, complete=complete)
        self.extracted = None if found is None else canonical(found)
        # A text that is a number and no more says the same in any notation of it: 1/2, 0.5, 50 %.
        self.value = value(raw) if complete else None
        self.places = places
        self.wording = Wording(raw, complete=complete)
        self.text = read(raw, most)
        # What a pattern finds is an answer, whatever stands around it.
        self.evades = found is None and evasions is not None and evasions.evades(raw, self.text.words)
        self.votes = True
        self.complete = complete and len(raw) <= most
        if not self.complete and len(self.text.words) > 1:
            # The cut may have gone through the last word or number.
            self.text.words.pop()

    def unpaid(self) -> int:
        """Returns the work that its wording took since this was asked last."""
        work, self.wording.work = self.wording.work, 0
        return work

    def counts_with(self, other: _Answer) -> bool:
        """Tells whether the agreement of two texts says something: both vote, and have come to what they say."""
        answered = self.extracted is not None and other.extracted is not None
        return self.votes and other.votes and (answered or (self.wording.complete and other.wording.complete))


def similarity(left: str, right: str, *, left_complete: bool = True, right_complete: bool = True) -> float:
    """Returns how far two texts say the same, 0 to 1; symmetric, 1 for texts of the same wording.

    Texts that differ in any word, number, sign, or in the order of these stay at 0.6 or below. A text that was cut off
    is compared with as much of the other as it has words; of both the first 4,000 characters are.
    """
    if left == right:
        return 1.0
    return _similarity(_Answer(left, complete=left_complete), _Answer(right, complete=right_complete))


def compare(
    texts: Sequence[str],
    complete: Sequence[bool],
    pattern: AnswerPattern | None = None,
    messages: Sequence[str] = (),
) -> Pieces[Comparison]:
    """Compares each text with each other, piece by piece.

    Two texts in which `pattern` finds an answer agree by it, fully or not at all; others by their words.

    Args:
        texts: The texts. The more there are, the fewer words of each are compared.
        complete: For each text, whether it is whole rather than cut off.
        pattern: Where the comparable answer stands.
        messages: The prompt's messages, for telling who repeats them.
    """
    answers = yield from _read(texts, complete, pattern, messages)
    matrix = [[1.0] * len(texts) for _ in texts]
    agreed = float(sum(comb(len(each.places), 2) for each in answers if each.counts_with(each)))
    work = 0
    for left, right in combinations(answers, 2):
        value = _agreement(left, right)
        for i in left.places:
            for j in right.places:
                matrix[i][j] = matrix[j][i] = value
        pairs = len(left.places) * len(right.places)
        if left.counts_with(right):
            agreed += value * pairs
        work += pairs + (_PAIR + len(left.text.words)) // _COMPARED + left.unpaid() + right.unpaid()
        if work >= PIECE:
            yield work
            work = 0
    voters = sorted(place for each in answers if each.votes for place in each.places)
    return Comparison(matrix, voters, agreed / comb(len(texts), 2) if len(texts) > 1 else 1.0)


def _of_searching(text: str, pattern: AnswerPattern | None) -> int:
    """Returns the size of a search for an answer; RE2 may find one at every character, and stops after a while."""
    if pattern is None:
        return 0
    return min(len(text), PIECE) if pattern.HasField("re2") else len(text) // _SEARCHED


def _read(
    texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None, messages: Sequence[str]
) -> Pieces[list[_Answer]]:
    """Reads each text once, however many have it."""
    places: dict[tuple[str, bool], list[int]] = {}
    for place, key in enumerate(zip(texts, complete, strict=True)):
        places.setdefault(key, []).append(place)
    most = min(MOST_CHARACTERS, _MOST_COMPARED // max(1, comb(len(places), 2)))
    evasions = Evasions(messages)
    work = sum(map(of_reading, Evasions.repeatable(messages)))
    answers = []
    for (raw, whole), same_texts in places.items():
        answers.append(_Answer(raw, same_texts, evasions, pattern, complete=whole, most=most))
        work += of_reading(raw[:most]) + _of_searching(raw, pattern)
        if work >= PIECE:
            yield work
            work = 0
    if not all(each.evades for each in answers):
        for each in answers:
            each.votes = not each.evades
    return answers


def pairwise(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> list[list[float]]:
    """Returns the agreement of each text with each other, 0 to 1, as a symmetric matrix. See `compare`."""
    return at_once(compare(texts, complete, pattern)).agreement


def mean(matrix: Sequence[Sequence[float]]) -> float:
    """Returns the mean agreement over all pairs of a matrix from `pairwise`; 1 if there is no pair."""
    pairs = [row[j] for i, row in enumerate(matrix) for j in range(i)]
    return fmean(pairs) if pairs else 1.0


def agreement(texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None = None) -> float:
    """Returns how far all texts agree, 0 to 1. See `Comparison.agreed`."""
    return at_once(compare(texts, complete, pattern)).agreed


def _agreement(left: _Answer, right: _Answer) -> float:
    if left.extracted is not None and right.extracted is not None:
        return float(left.extracted == right.extracted)
    return _similarity(left, right)


def _similarity(left: _Answer, right: _Answer) -> float:
    if left.wording.text == right.wording.text or (left.value is not None and left.value == right.value):
        return 1.0
    length = _common_length(left, right)
    first, second = left.text.first(length), right.text.first(length)
    if not first.words or not second.words:
        return 0.0
    result = _overlap(first.words, second.words)
    pairs, other_pairs = left.text.pairs(length), right.text.pairs(length)
    if pairs and other_pairs:
        result += _PAIRS_WEIGHT * (_overlap(pairs, other_pairs) - result)
    if contradict(first, second):
        return result * _CONTRADICTION
    if result >= _NEARLY and same(left.wording, right.wording):
        return 1.0
    return min(result, _MOST_ALIKE)


def _common_length(left: _Answer, right: _Answer) -> int:
    """Returns how many words of both are compared: all, or no more than a shorter text that was cut off has."""
    shorter, longer = sorted((left, right), key=lambda answer: (len(answer.text.words), answer.complete))
    return len((longer if shorter.complete else shorter).text.words)


def _overlap(left: frozenset[_Item], right: frozenset[_Item]) -> float:
    return 2 * len(left & right) / (len(left) + len(right))
