"""Finds the known prompts most similar to a prompt, by their words."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import mul
from typing import NamedTuple

# Words in more than this share of the prompts do not distinguish prompts.
_COMMONEST = 0.2
# One in this many similarities is sampled to find those worth sorting.
_SAMPLED = 10


class Found(NamedTuple):
    """Known prompts, most similar first.

    Attributes:
        places: Positions of the prompts.
        similarities: The similarity of each, 0 to 1.
    """

    places: list[int]
    similarities: list[float]


class _Posting(NamedTuple):
    """The prompts with the same count of a word.

    Attributes:
        weight: The word's weight in them before scaling, times the weight of one occurrence in the query.
        places: Positions of the prompts.
    """

    weight: float
    places: tuple[int, ...]


class Index:
    """An index of prompts by words; similarity is the cosine of tf-idf vectors, so rare shared words count most."""

    def __init__(self, prompts: Sequence[Mapping[int, int]]) -> None:
        """Indexes prompts, at least one, by the counts of their hashed words."""
        total = len(prompts)
        found: dict[int, int] = {}
        for words in prompts:
            for word in words:
                found[word] = found.get(word, 0) + 1
        most = max(2.0, total * _COMMONEST)
        self._weights = {word: math.log(total / count) for word, count in found.items() if 1 < count <= most}
        self._postings: dict[int, list[_Posting]] = {}
        told = [self._known(words) for words in prompts]
        self._scales = array("d", map(self._scale, told))
        standing: dict[tuple[int, int], list[int]] = {}
        # A search reads these numbers in sequence: created together, they are adjacent in memory.
        for place, known in zip(list(range(total)), told, strict=True):
            for counted in known.items():
                if counted in standing:
                    standing[counted].append(place)
                else:
                    standing[counted] = [place]
        for (word, count), places in standing.items():
            posting = _Posting(_term(count) * self._weights[word] ** 2, tuple(places))
            self._postings.setdefault(word, []).append(posting)

    def nearest(self, words: Mapping[int, int], most: int) -> Found:
        """Returns the prompts that share distinguishing words with these hashed words, up to the maximum."""
        known = self._known(words)
        scale = self._scale(known)
        products = [0.0] * len(self._scales)
        for word, count in known.items():
            own = _term(count) * scale
            for weight, places in self._postings[word]:
                product = own * weight
                for place in places:
                    products[place] += product
        similarities = list(map(mul, products, self._scales))
        found = _highest(similarities, most)
        return Found(found, [similarities[place] for place in found])

    def _known(self, words: Mapping[int, int]) -> dict[int, int]:
        weights = self._weights
        return {word: count for word, count in words.items() if word in weights}

    def _scale(self, known: Mapping[int, int]) -> float:
        """Returns the factor that scales a prompt's vector to length 1; 0 for a prompt without known words."""
        weights = self._weights
        length = math.hypot(*[_term(count) * weights[word] for word, count in known.items()])
        return 1 / length if length else 0.0


@lru_cache(maxsize=256)
def _term(count: int) -> float:
    """Returns the weight of a word's count in a prompt; 1 for a count of 1."""
    return 1 + math.log(count)


def _highest(values: Sequence[float], most: int) -> list[int]:
    """Returns the positions of the highest values above 0, highest first."""
    # Avoids sorting all values: a sample gives a threshold that slightly more than enough values exceed.
    sample = sorted(values[::_SAMPLED], reverse=True)
    least = sample[min(2 * most // _SAMPLED, len(sample) - 1)]
    places = [place for place, value in enumerate(values) if value > least]
    if len(places) < most:
        places = [place for place, value in enumerate(values) if value > 0]
    places.sort(key=values.__getitem__, reverse=True)
    return places[:most]
