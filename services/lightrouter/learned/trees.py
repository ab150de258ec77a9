"""Gradient-boosted regression trees, scored without a library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Tree(NamedTuple):
    """A binary tree in arrays; node 0 is its root.

    Attributes:
        features: The feature that each node tests; -1 at a leaf.
        values: The threshold of each node, the value of each leaf.
        left: The next node if the feature is at most the threshold.
        right: The next node if it is greater.
    """

    features: Sequence[int]
    values: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]


def total(trees: Sequence[Tree], row: Sequence[float]) -> float:
    """Returns the sum of the trees' values."""
    found = 0.0
    for features, values, left, right in trees:
        node = 0
        feature = features[0]
        while feature >= 0:
            node = left[node] if row[feature] <= values[node] else right[node]
            feature = features[node]
        found += values[node]
    return found


def probability(trees: Sequence[Tree], row: Sequence[float]) -> float:
    """Returns the probability whose log-odds are the trees' sum, 0 to 1."""
    return 1 / (1 + math.exp(-min(max(total(trees, row), -30.0), 30.0)))
