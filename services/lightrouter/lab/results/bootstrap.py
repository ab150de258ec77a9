"""Bootstrap intervals over prompts; all policies share the resamples, so that differences are paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from lightrouter.lab.dataset.questions import Floats

_Key = TypeVar("_Key")
# Choices: the ends of an interval of 95 % rest on 50 draws each; a chunk of rounds bounds the memory.
_ROUNDS = 2000
_CHUNK = 200


class Estimate(NamedTuple):
    """A mean with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, value: Estimate | float) -> Estimate:
        """Returns an estimate as it is; a number is one that is known without an interval."""
        return value if isinstance(value, Estimate) else cls(value, value, value)

    def __str__(self) -> str:
        return f"{self.mean:.4f} ({self.interval})"

    @property
    def interval(self) -> str:
        """The interval as text."""
        return f"{self.low:.3f} to {self.high:.3f}"

    @property
    def difference(self) -> str:
        """A difference as text, with its sign."""
        return "{} ({})".format(*self.difference_cells)

    @property
    def percent(self) -> str:
        """A share as text."""
        return f"{self.mean:.0%} ({self.low:.0%} to {self.high:.0%})"

    @property
    def cells(self) -> tuple[str, str]:
        """The mean and the interval as two cells of a table."""
        return f"{self.mean:.4f}", self.interval

    @property
    def difference_cells(self) -> tuple[str, str]:
        """The mean and the interval of a difference as two cells of a table."""
        return f"{self.mean:+.4f}", f"{self.low:+.4f} to {self.high:+.4f}"

    @property
    def verdict(self) -> str:
        """Whether a difference is established at 95 %, in words that the name of the baseline can follow."""
        return "above" if self.low > 0 else "below" if self.high < 0 else "not established to differ from"


def share(count: int, of: int) -> Estimate:
    """Returns a share of independent cases with its Wilson interval, which is also valid for 0 % and 100 %."""
    interval = binomtest(count, of).proportion_ci(method="wilson")
    return Estimate(count / of, float(interval.low), float(interval.high))


class Bootstrap:
    """Resamples of one set of prompts. Prompts with the same text are drawn together, as they are not independent."""

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
        """How often each text is drawn, one row per resample, in chunks; 16-bit to save memory."""
        draws = np.random.default_rng(self._seed)
        shares = np.full(self._groups, 1 / self._groups)
        counts = [min(_CHUNK, self._rounds - begin) for begin in range(0, self._rounds, _CHUNK)]
        return [draws.multinomial(self._groups, shares, size=count).astype(np.uint16) for count in counts]

    def estimate(self, columns: Floats) -> list[Estimate]:
        """Returns the mean of each column with its 95 % percentile interval.

        Args:
            columns: One row per prompt, one column per figure. A figure may be the difference of two policies.
        """
        figures = columns.shape[1]
        sums = np.zeros((self._groups, figures + 1))
        np.add.at(sums[:, :figures], self._group, columns)
        sums[:, figures] = np.bincount(self._group, minlength=self._groups)
        drawn = np.concatenate([weights @ sums for weights in self._weights])
        means = drawn[:, :figures] / drawn[:, figures:]
        low, high = np.percentile(means, [2.5, 97.5], axis=0)
        return [Estimate(*map(float, row)) for row in zip(columns.mean(axis=0), low, high, strict=True)]

    def mean(self, column: Floats) -> Estimate:
        """Returns the mean of one figure for each prompt, with its interval."""
        (found,) = self.estimate(column[:, None])
        return found

    def means(self, columns: Mapping[_Key, Floats]) -> dict[_Key, Estimate]:
        """Returns the mean of each named figure, with its interval."""
        return dict(zip(columns, self.estimate(np.stack(list(columns.values()), axis=1)), strict=True))
