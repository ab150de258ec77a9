"""A linear model of quality, for data too sparse for trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Linear(NamedTuple):
    """A weighted sum of features.

    Attributes:
        weights: The weight of each feature.
        intercept: The added constant.
        share: Its weight against the trees, 0 to 1.
    """

    weights: Sequence[float]
    intercept: float
    share: float

    def quality(self, row: Sequence[float]) -> float:
        """Returns the expected quality, 0 to 1."""
        total = self.intercept + sum(weight * value for weight, value in zip(self.weights, row, strict=True))
        return min(max(total, 0.0), 1.0)
