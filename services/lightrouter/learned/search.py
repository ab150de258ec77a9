"""Finds the known prompts that are most like a prompt, by their words."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import mul
from typing import NamedTuple

# Words in more than this share of the prompts tell no prompt from another.
_COMMONEST = 0.2
# A sample: one similarity of this many is looked at, to find which are worth sorting.
_SAMPLED = 10


class Found(NamedTuple):
    """Known prompts, most similar first.

    Attributes:
        places: The prompts.
        similarities: The similarity of each, 0 to 1.
    """

    places: list[int]
    similarities: list[float]


class _Posting(NamedTuple):
    """The prompts in which a word stands equally often.

    Attributes:
        weight: The word's weight in them, before they are scaled, times that of the word standing once elsewhere.
        places: The prompts.
    """

    weight: float
    places: tuple[int, ...]


class Index:
    """Prompts by their words: similar is what shares words that few others have, as the cosine of tf-idf vectors."""

    def __init__(self, prompts: Sequence[Mapping[int, int]]) -> None:
        """Indexes prompts, at least one, by how often each hashed word stands in them."""
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
        # A search runs through these numbers: made at once, they lie side by side in memory.
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
        """Returns the prompts that share telling words with the one that has these hashed words, at most `most`."""
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
        """Returns what makes a prompt's vector one of length 1; 0 for a prompt without known words."""
        weights = self._weights
        length = math.hypot(*[_term(count) * weights[word] for word, count in known.items()])
        return 1 / length if length else 0.0


@lru_cache(maxsize=256)
def _term(count: int) -> float:
    """Returns the weight of a word that stands so often in a prompt, 1 for once."""
    return 1 + math.log(count)


def _highest(values: Sequence[float], most: int) -> list[int]:
    """Returns the places of the highest values above 0, highest first."""
    # Sorting them all is what this would cost: a sample tells a value that somewhat more than enough are above.
    sample = sorted(values[::_SAMPLED], reverse=True)
    least = sample[min(2 * most // _SAMPLED, len(sample) - 1)]
    places = [place for place, value in enumerate(values) if value > least]
    if len(places) < most:
        places = [place for place, value in enumerate(values) if value > 0]
    places.sort(key=values.__getitem__, reverse=True)
    return places[:most]
