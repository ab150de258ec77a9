"""Intervals by the bootstrap over prompts, the same resamples for all policies, so that differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

Floats = npt.NDArray[np.float64]

_ROUNDS = 2000
_CHUNK = 200


class Estimate(NamedTuple):
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def share(count: int, of: int) -> Estimate:
    """Returns a share of independent cases with Wilson's interval, which says something where none or all are counted.

    Args:
        count: How many are counted.
        of: How many there are, 1 upward.
    """
    interval = binomtest(count, of).proportion_ci(method="wilson")
    return Estimate(count / of, float(interval.low), float(interval.high))


class Bootstrap:
    """Resamples of one set of prompts. Prompts with the same text are drawn together: they are no new evidence."""

    def __init__(self, prompts: Sequence[str], seed: int, rounds: int = _ROUNDS) -> None:
        """Draws `rounds` resamples of the prompts' texts by `seed`."""
        texts = list(dict.fromkeys(prompts))
        place = {text: index for index, text in enumerate(texts)}
        self._group = np.array([place[text] for text in prompts])
        self._groups = len(texts)
        self._seed = seed
        self._rounds = rounds

    def estimate(self, columns: Floats) -> list[Estimate]:
        """Returns the mean of each column with its 95 % percentile interval.

        Args:
            columns: One row a prompt, one column a figure; the difference of two policies is a figure too.
        """
        sums = np.zeros((self._groups, columns.shape[1]))
        np.add.at(sums, self._group, columns)
        sizes = np.bincount(self._group, minlength=self._groups).astype(float)
        # The same draws whatever the columns are: two calls with the same prompts and seed are paired.
        draws = np.random.default_rng(self._seed)
        means = np.empty((self._rounds, columns.shape[1]))
        for begin in range(0, self._rounds, _CHUNK):
            count = min(_CHUNK, self._rounds - begin)
            weights = draws.multinomial(self._groups, np.full(self._groups, 1 / self._groups), size=count)
            means[begin : begin + count] = (weights @ sums) / (weights @ sizes)[:, None]
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        return [Estimate(*map(float, row)) for row in zip(columns.mean(axis=0), low, high, strict=True)]
