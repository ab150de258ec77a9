"""Intervals by the bootstrap over prompts, the same resamples for all policies, so that differences are paired."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from lightrouter.lab.dataset.questions import Floats

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
        group = {text: index for index, text in enumerate(texts)}
        self._group = np.array([group[text] for text in prompts])
        self._groups = len(texts)
        self._seed = seed
        self._rounds = rounds

    @cached_property
    def _weights(self) -> list[npt.NDArray[np.uint16]]:
        """How often each text is drawn, one row a resample, in chunks: small numbers, as all are kept."""
        draws = np.random.default_rng(self._seed)
        shares = np.full(self._groups, 1 / self._groups)
        counts = [min(_CHUNK, self._rounds - begin) for begin in range(0, self._rounds, _CHUNK)]
        return [draws.multinomial(self._groups, shares, size=count).astype(np.uint16) for count in counts]

    def estimate(self, columns: Floats) -> list[Estimate]:
        """Returns the mean of each column with its 95 % percentile interval.

        Args:
            columns: One row a prompt, one column a figure; the difference of two policies is a figure too.
        """
        figures = columns.shape[1]
        sums = np.zeros((self._groups, figures + 1))
        np.add.at(sums[:, :figures], self._group, columns)
        sums[:, figures] = np.bincount(self._group, minlength=self._groups)
        drawn = np.concatenate([weights @ sums for weights in self._weights])
        means = drawn[:, :figures] / drawn[:, figures:]
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        return [Estimate(*map(float, row)) for row in zip(columns.mean(axis=0), low, high, strict=True)]
