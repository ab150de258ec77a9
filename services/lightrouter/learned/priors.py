"""What is known of the candidates before they write: their quality over all prompts, and over prompts like this one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lightrouter.learned.words import hashed_words

# Neighbours that make up the near and the wide neighbourhood. The wide one takes the place of clusters: it is as
# broad as a subject, and needs none to be named.
_NEAR = 50
_WIDE = 400
# Words in more than this share of the prompts tell no prompt from another.
_COMMONEST = 0.2
# Quality is shrunk towards the mean as if so much similarity spoke for the mean.
_SHRINK_NEAR = 2.0
_SHRINK_WIDE = 4.0
_SHRINK_LENGTH = 20.0
# Evaluated prompts from which a prior that the pool brings counts as much as the mean of all candidates.
_SHRINK_POOL = 10.0


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with known outcomes.

    Attributes:
        words: Its hashed words and how often each stands there.
        quality: Quality of each candidate's answer, 0 to 1; None where it gave none. In the order of the candidates.
        length: Characters of each answer, in the same order.
    """

    words: Mapping[int, int]
    quality: Sequence[float | None]
    length: Sequence[int]


class Neighbour(NamedTuple):
    """A known prompt and its similarity, 0 to 1."""

    example: int
    similarity: float


class Prior(NamedTuple):
    """What is known of one candidate before it writes, each 0 to 1 but `evidence`.

    Attributes:
        overall: Mean quality over all prompts.
        wide: Mean quality over prompts of this kind.
        near: Mean quality over prompts much like this one.
        evidence: Prompts that it rests on.
    """

    overall: float
    wide: float
    near: float
    evidence: float

    @property
    def expected(self) -> float:
        """The quality that is expected of the candidate for this prompt."""
        return (self.wide + self.near) / 2


class Priors:
    """The known outcomes, searched by words.

    Attributes:
        candidates: Names of the candidates that are known.
        examples: The prompts with known outcomes.
    """

    def __init__(self, candidates: Sequence[str], examples: Sequence[Example]) -> None:
        """Indexes `examples`, at least one, whose outcomes are in the order of `candidates`."""
        self.candidates = candidates
        self.examples = examples
        self._places = {name: place for place, name in enumerate(candidates)}
        self._weights: dict[int, float] = {}
        self._postings: dict[int, list[tuple[int, float]]] = {}
        self._index()
        self.mean, self._means, self._counts = self._averages()
        self._lengths = [self._mean_length(place) for place in range(len(candidates))]
        self._by_length = [self._length_table(place) for place in range(len(candidates))]

    def _index(self) -> None:
        total = len(self.examples)
        found: dict[int, int] = {}
        for example in self.examples:
            for word in example.words:
                found[word] = found.get(word, 0) + 1
        most = max(2.0, total * _COMMONEST)
        self._weights = {word: math.log(total / count) for word, count in found.items() if 1 < count <= most}
        for index, example in enumerate(self.examples):
            for word, weight in self._vector(example.words).items():
                self._postings.setdefault(word, []).append((index, weight))

    def _vector(self, words: Mapping[int, int]) -> dict[int, float]:
        known = self._weights
        raw = {word: (1 + math.log(count)) * known[word] for word, count in words.items() if word in known}
        norm = math.sqrt(sum(weight * weight for weight in raw.values()))
        return {word: weight / norm for word, weight in raw.items()} if norm else {}

    def _averages(self) -> tuple[float, list[float], list[int]]:
        sums, counts = [0.0] * len(self.candidates), [0] * len(self.candidates)
        for example in self.examples:
            for place, quality in enumerate(example.quality):
                if quality is not None:
                    sums[place] += quality
                    counts[place] += 1
        mean = sum(sums) / max(1, sum(counts))
        return mean, [total / count if count else mean for total, count in zip(sums, counts, strict=True)], counts

    def _mean_length(self, place: int) -> float:
        lengths = [example.length[place] for example in self.examples if example.quality[place] is not None]
        return sum(lengths) / max(1, len(lengths))

    def _length_table(self, place: int) -> dict[int, tuple[float, float]]:
        table: dict[int, tuple[float, float]] = {}
        for example in self.examples:
            quality = example.quality[place]
            if quality is not None:
                step = length_step(example.length[place])
                count, total = table.get(step, (0.0, 0.0))
                table[step] = (count + 1, total + quality)
        return table

    def known(self, name: str) -> bool:
        """Tells whether there are outcomes of a candidate."""
        return name in self._places

    def neighbours(self, prompt: str) -> list[Neighbour]:
        """Returns the known prompts that share words with `prompt`, most similar first; at most the wide ones."""
        return self.neighbours_of(hashed_words(prompt))

    def neighbours_of(self, words: Mapping[int, int]) -> list[Neighbour]:
        """The same for a prompt's hashed words."""
        scores: dict[int, float] = {}
        get = scores.get
        for word, weight in self._vector(words).items():
            for index, other in self._postings[word]:
                scores[index] = get(index, 0.0) + weight * other
        best = heapq.nlargest(_WIDE, scores.items(), key=_similarity)
        return [Neighbour(index, similarity) for index, similarity in best]

    def prior(self, name: str, neighbours: Sequence[Neighbour]) -> Prior:
        """Returns what is known of a candidate for the prompt that has these neighbours.

        Raises:
            KeyError: The candidate is not known.
        """
        place = self._places[name]
        count = self._counts[place]
        overall = (self._means[place] * count + self.mean * _SHRINK_POOL) / (count + _SHRINK_POOL)
        near = self._around(place, overall, neighbours[:_NEAR], _SHRINK_NEAR)
        return Prior(overall, self._around(place, overall, neighbours, _SHRINK_WIDE), near, count)

    def _around(self, place: int, overall: float, neighbours: Sequence[Neighbour], shrink: float) -> float:
        weights, sums = shrink, shrink * overall
        examples = self.examples
        for index, similarity in neighbours:
            quality = examples[index].quality[place]
            if quality is not None:
                weights += similarity
                sums += similarity * quality
        return sums / weights

    def prior_of_stranger(self, prior: float, evaluated: int) -> Prior:
        """Returns what is known of a candidate without outcomes, from what the pool says; a guess is one prompt."""
        shrunk = (prior * (evaluated + 1) + self.mean * _SHRINK_POOL) / (evaluated + 1 + _SHRINK_POOL)
        return Prior(shrunk, shrunk, shrunk, 0)

    def expected_length(self, name: str, neighbours: Sequence[Neighbour]) -> float | None:
        """Returns how many characters the candidate is expected to write; None where it is not known."""
        place = self._places.get(name)
        if place is None or not self._counts[place]:
            return None
        weights, sums = _SHRINK_NEAR, _SHRINK_NEAR * self._lengths[place]
        for index, similarity in neighbours:
            example = self.examples[index]
            if example.quality[place] is not None:
                weights += similarity
                sums += similarity * example.length[place]
        return sums / weights

    def given_length(self, name: str, overall: float, length: int, *, complete: bool) -> float:
        """Returns the candidate's mean quality where its answer has about this length, or at least it.

        Args:
            name: The candidate.
            overall: Its quality at any length; returned for a candidate that is not known.
            length: Characters that it wrote.
            complete: Whether that is the whole answer.
        """
        place = self._places.get(name)
        if place is None:
            return overall
        step = length_step(length)
        count = total = 0.0
        for other, (number, quality) in self._by_length[place].items():
            if abs(other - step) <= 1 if complete else other >= step:
                count += number
                total += quality
        return (total + _SHRINK_LENGTH * overall) / (count + _SHRINK_LENGTH)


def length_step(length: int) -> int:
    """Returns the step of a logarithmic scale, two steps an octave, on which a length in characters stands."""
    return int(2 * math.log2(1 + length))


def _similarity(item: tuple[int, float]) -> float:
    return item[1]
