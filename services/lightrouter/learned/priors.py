"""The candidates' known quality before they write: over all prompts, and over prompts like this one."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import itemgetter, mul
from typing import NamedTuple

from lightrouter.learned.excerpt import excerpt
from lightrouter.learned.search import Index
from lightrouter.learned.words import hashed_words

# Sizes of the near and the wide neighbourhood. The wide one replaces clusters: it is as broad as a subject, without
# named subjects.
_NEAR = 50
_WIDE = 400
# Quality is shrunk towards the mean as if the mean had this much similarity.
_SHRINK_NEAR = 2.0
_SHRINK_WIDE = 4.0
_SHRINK_LENGTH = 20.0
# Evaluated prompts at which the pool's prior weighs as much as the mean of all candidates.
_SHRINK_POOL = 10.0


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with known outcomes.

    Attributes:
        words: Its hashed words and their counts.
        quality: Quality of each candidate's answer, 0 to 1; None if it gave none. In the order of the candidates.
        length: Characters of each answer, in the same order.
    """

    words: Mapping[int, int]
    quality: Sequence[float | None]
    length: Sequence[int]


class Neighbours:
    """Known prompts, most similar first.

    Attributes:
        examples: The prompts.
        similarities: The similarity of each, 0 to 1.
        pick: Returns of values, one for each known prompt, those of these prompts.
        priors: Cache of the candidates' priors for the prompt with these neighbours, by their columns: a shortlist
            and each ranking of a route need the same.
        lengths: Cache of the expected lengths of their answers, likewise.
    """

    def __init__(self, examples: Sequence[int] = (), similarities: Sequence[float] = ()) -> None:
        self.examples = examples
        self.similarities = similarities
        self.priors: dict[int, Prior] = {}
        self.lengths: dict[int, float] = {}
        self._weights: dict[tuple[bytes, int], float] = {}
        self.pick: Callable[[Sequence[float]], Sequence[float]]
        # With one position a getter returns no sequence.
        self.pick = itemgetter(*examples) if len(examples) > 1 else lambda values: [values[each] for each in examples]

    def mean(self, known: bytes, picked: Sequence[float], most: int, shrink: float, towards: float) -> float:
        """Returns the mean of values weighted by similarity, shrunk as if `towards` were a value with weight `shrink`.

        Args:
            known: For each known prompt 1 if it has a value, else 0.
            picked: The values of these prompts; 0 if there is none.
            most: How many of these prompts count.
            shrink: A weight.
            towards: A value.
        """
        total: float = sum(map(mul, self.similarities[:most], picked))
        return (total + shrink * towards) / (self._weight(known, most) + shrink)

    def _weight(self, known: bytes, most: int) -> float:
        # Candidates of one recording have values for the same prompts.
        if (known, most) not in self._weights:
            self._weights[known, most] = sum(compress(self.similarities[:most], self.pick(known)))
        return self._weights[known, most]

    @property
    def nearest(self) -> float:
        """The similarity of the most similar prompt, 0 to 1; 0 if there is none."""
        return self.similarities[0] if self.similarities else 0.0


class Prior(NamedTuple):
    """The priors of one candidate before it writes, each 0 to 1 except `evidence`.

    Attributes:
        overall: Mean quality over all prompts.
        wide: Mean quality over prompts of this kind.
        near: Mean quality over prompts very similar to this one.
        evidence: Number of prompts behind it.
    """

    overall: float
    wide: float
    near: float
    evidence: float

    @property
    def expected(self) -> float:
        """The candidate's expected quality for this prompt."""
        return (self.wide + self.near) / 2


class _Outcomes:
    """The outcomes of one candidate, one per known prompt.

    Attributes:
        known: 1 if there is one, else 0.
        quality: The answer's quality, 0 to 1; 0 if there is none.
        length: Its characters; 0 if there is none.
    """

    def __init__(self, examples: Sequence[Example], column: int) -> None:
        quality = [each.quality[column] for each in examples]
        self.known = bytes(each is not None for each in quality)
        self.quality = array("d", (each or 0.0 for each in quality))
        self.length = array(
            "d", (each.length[column] * known for each, known in zip(examples, self.known, strict=True))
        )


class Priors:
    """The known outcomes, searched by words.

    Attributes:
        candidates: Names of the known candidates.
        examples: The prompts with known outcomes.
    """

    def __init__(self, candidates: Sequence[str], examples: Sequence[Example]) -> None:
        """Indexes `examples`, at least one, whose outcomes are in the order of `candidates`."""
        self.candidates = candidates
        self.examples = examples
        self._columns = {name: column for column, name in enumerate(candidates)}
        self._index = Index([each.words for each in examples])
        self._outcomes = [_Outcomes(examples, column) for column in range(len(candidates))]
        self._counts = [sum(each.known) for each in self._outcomes]
        sums = [sum(each.quality) for each in self._outcomes]
        self.mean = sum(sums) / max(1, sum(self._counts))
        self._means = [total / count if count else self.mean for total, count in zip(sums, self._counts, strict=True)]
        lengths = [sum(each.length) for each in self._outcomes]
        self._lengths = [total / max(1, count) for total, count in zip(lengths, self._counts, strict=True)]
        self._by_length = [_length_table(each) for each in self._outcomes]

    def known(self, name: str) -> bool:
        """Returns whether there are outcomes of a candidate."""
        return name in self._columns

    def column(self, name: str) -> int | None:
        """Returns the position of a candidate among those with known outcomes; None if it is not one of them."""
        return self._columns.get(name)

    def neighbours(self, prompt: str) -> Neighbours:
        """Returns the known prompts that share words with `prompt`, most similar first; at most the wide ones."""
        return self.neighbours_of(words_of(prompt))

    def neighbours_of(self, words: Mapping[int, int]) -> Neighbours:
        """Returns the neighbours of a prompt's hashed words."""
        return Neighbours(*self._index.nearest(words, _WIDE))

    def prior(self, name: str, neighbours: Neighbours) -> Prior:
        """Returns the priors of a candidate for the prompt with these neighbours.

        Raises:
            KeyError: The candidate is not known.
        """
        column = self._columns[name]
        if column not in neighbours.priors:
            neighbours.priors[column] = self._prior(column, neighbours)
        return neighbours.priors[column]

    def _prior(self, column: int, near: Neighbours) -> Prior:
        count = self._counts[column]
        overall = (self._means[column] * count + self.mean * _SHRINK_POOL) / (count + _SHRINK_POOL)
        known, quality = self._outcomes[column].known, near.pick(self._outcomes[column].quality)
        return Prior(
            overall=overall,
            wide=near.mean(known, quality, _WIDE, _SHRINK_WIDE, overall),
            near=near.mean(known, quality, _NEAR, _SHRINK_NEAR, overall),
            evidence=count,
        )

    def prior_of_stranger(self, prior: float, evaluated: int) -> Prior:
        """Returns the priors of a candidate without outcomes, from the pool; a guess counts as one prompt."""
        shrunk = (prior * (evaluated + 1) + self.mean * _SHRINK_POOL) / (evaluated + 1 + _SHRINK_POOL)
        return Prior(shrunk, shrunk, shrunk, 0)

    def expected_length(self, name: str, neighbours: Neighbours) -> float | None:
        """Returns the candidate's expected number of characters; None if unknown."""
        column = self._columns.get(name)
        if column is None or not self._counts[column]:
            return None
        if column not in neighbours.lengths:
            known, length = self._outcomes[column].known, neighbours.pick(self._outcomes[column].length)
            neighbours.lengths[column] = neighbours.mean(known, length, _WIDE, _SHRINK_NEAR, self._lengths[column])
        return neighbours.lengths[column]

    def given_length(self, name: str, overall: float, length: int, *, complete: bool) -> float:
        """Returns the candidate's mean quality for answers of about this length, or of at least this length.

        Args:
            name: The candidate.
            overall: Its quality at any length; returned for an unknown candidate.
            length: Characters written.
            complete: Whether this is the whole answer.
        """
        column = self._columns.get(name)
        if column is None:
            return overall
        step = length_step(length)
        count = total = 0.0
        for other, (number, quality) in self._by_length[column].items():
            if abs(other - step) <= 1 if complete else other >= step:
                count += number
                total += quality
        return (total + _SHRINK_LENGTH * overall) / (count + _SHRINK_LENGTH)


def words_of(prompt: str) -> dict[int, int]:
    """Returns the counts of hashed words in a prompt's excerpt."""
    return hashed_words(excerpt(prompt))


def length_step(length: float) -> int:
    """Returns the step of a length in characters on a logarithmic scale, two steps per octave."""
    return int(2 * math.log2(1 + length))


def _length_table(outcomes: _Outcomes) -> dict[int, tuple[float, float]]:
    """Returns for each step of length the number of its answers and the sum of their quality."""
    table: dict[int, tuple[float, float]] = {}
    for quality, length in compress(zip(outcomes.quality, outcomes.length, strict=True), outcomes.known):
        step = length_step(length)
        count, total = table.get(step, (0.0, 0.0))
        table[step] = (count + 1, total + quality)
    return table
