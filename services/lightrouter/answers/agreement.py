"""Measures the agreement of answers without a model: by the answer that a pattern finds, else by words."""

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

# Weight of word order against words. A choice: paraphrases move words, so order is the weaker sign of agreement.
_PAIRS_WEIGHT = 0.25
# Texts of different wording are never the same, however similar: the difference may be what matters. This is below
# every threshold at which texts count as the same (0.9 in the aggregator's settings, 0.95 in the router's). A choice.
_MOST_ALIKE = 0.6
# Texts of the same wording share all words except some spellings; other pairs need no closer look, unless they have so
# few words that one spelling is much of them. Choices.
_NEARLY = 0.9
_FEW_WORDS = 8
# Factor on the agreement of texts that contradict each other. A choice.
_CONTRADICTION = 0.6
# Characters compared over all pairs: up to 71 texts are compared as far as any is; 256 partials, the most that a
# request may have, are 32,640 pairs and compared as far as 306 characters. It is less than a second's work in all.
_MOST_COMPARED = 10_000_000
# Choices, in whole numbers, of the relative cost of work: the fixed cost of one comparison, in words; words compared,
# and characters searched for a pattern, while one character is read. Measure with `python -m tests.load.select`.
_PAIR = 50
_COMPARED = 5
_SEARCHED = 10

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The agreement of texts, each with each.

    Attributes:
        agreement: Agreement of each text with each other, 0 to 1, as a symmetric matrix with ones on its diagonal.
        voters: Positions of the texts whose agreement counts: those that answer, or all if none does. An evasion is not
            an answer: a refusal, an echo of the prompt, an opening without content.
        agreed: Mean agreement over all pairs, 0 to 1; 1 for one text or none. A pair counts as 0 unless both vote and
            both are whole or have a settled answer: fragments may continue differently.
    """

    agreement: list[list[float]]
    voters: Sequence[int]
    agreed: float


class _Answer:
    """A text to compare, and its position among the texts."""

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
        # A number, a day or a document means the same in any notation: 1/2, 0.5, 50 %.
        self.value = value(raw) if complete else None
        self.places = places
        self.wording = Wording(raw, complete=complete)
        self.text = read(raw, most)
        # A pattern's match is an answer, whatever is around it.
        self.evades = found is None and evasions is not None and evasions.evades(raw, self.text.words)
        self.votes = True
        self.complete = complete and len(raw) <= most
        if not self.complete and len(self.text.words) > 1:
            # The cut may have gone through the last word or number.
            self.text.words.pop()

    def unpaid(self) -> int:
        """Returns the work for its wording since the last call."""
        work, self.wording.work = self.wording.work, 0
        return work

    def counts_with(self, other: _Answer) -> bool:
        """Returns whether the agreement of two texts counts: both vote, and both have reached their answer."""
        answered = self.extracted is not None and other.extracted is not None
        return self.votes and other.votes and (answered or (self.wording.complete and other.wording.complete))


def similarity(left: str, right: str, *, left_complete: bool = True, right_complete: bool = True) -> float:
    """Returns the agreement of two texts, 0 to 1; symmetric, 1 for texts of the same wording.

    Texts that differ in any word, number, sign, or their order get at most 0.6. A text that was cut off is compared
    with the same number of the other's words; only the first 4,000 characters of both count.
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

    Two texts in which `pattern` finds an answer agree fully or not at all, by that answer; others agree by their words.

    Args:
        texts: The texts. With more texts, fewer words of each are compared.
        complete: For each text, whether it is whole rather than cut off.
        pattern: Where the comparable answer is.
        messages: The prompt's messages, to detect echoes of them.
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
    """Returns the size of a search for an answer; RE2 may find one at every character, up to a limit."""
    if pattern is None:
        return 0
    return min(len(text), PIECE) if pattern.HasField("re2") else len(text) // _SEARCHED


def _read(
    texts: Sequence[str], complete: Sequence[bool], pattern: AnswerPattern | None, messages: Sequence[str]
) -> Pieces[list[_Answer]]:
    """Reads equal texts only once."""
    places: dict[tuple[str, bool], list[int]] = {}
    for place, key in enumerate(zip(texts, complete, strict=True)):
        places.setdefault(key, []).append(place)
    most = min(MOST_CHARACTERS, _MOST_COMPARED // max(1, comb(len(places), 2)))
    work = sum(map(of_reading, Evasions.repeatable(messages)))
    # Before each reading: long texts are not read in the first piece, which runs on the event loop.
    if work >= PIECE:
        yield work
        work = 0
    evasions = Evasions(messages)
    answers = []
    for (raw, whole), same_texts in places.items():
        work += of_reading(raw[:most]) + _of_searching(raw, pattern)
        if work >= PIECE:
            yield work
            work = 0
        answers.append(_Answer(raw, same_texts, evasions, pattern, complete=whole, most=most))
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
    """Returns the agreement of all texts, 0 to 1. See `Comparison.agreed`."""
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
    short = max(len(left.text.words), len(right.text.words)) <= _FEW_WORDS
    if (short or result >= _NEARLY) and same(left.wording, right.wording):
        return 1.0
    return min(result, _MOST_ALIKE)


def _common_length(left: _Answer, right: _Answer) -> int:
    """Returns the number of words to compare: all, or those of a shorter text that was cut off."""
    shorter, longer = sorted((left, right), key=lambda answer: (len(answer.text.words), answer.complete))
    return len((longer if shorter.complete else shorter).text.words)


def _overlap(left: frozenset[_Item], right: frozenset[_Item]) -> float:
    return 2 * len(left & right) / (len(left) + len(right))
