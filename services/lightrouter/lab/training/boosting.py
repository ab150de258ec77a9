"""Trees of LightGBM in the form that the selector walks without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import lightgbm
import numpy as np

from lightrouter.lab.dataset.questions import Floats
from lightrouter.learned.trees import Tree

_OPTIONS: Final[Mapping[str, Any]] = {
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
# A choice: no leaf rests on fewer rows, however few there are in all.
_LEAST_LEAF: Final = 20


class Boosting(NamedTuple):
    """How trees are learned.

    Attributes:
        options: LightGBM's parameters.
        rows_per_leaf: A leaf holds at least one row in so many.
    """

    options: Mapping[str, Any]
    rows_per_leaf: int

    def trees(
        self, rows: Floats, values: Sequence[float] | Floats, rounds: int, seed: int, weights: Floats | None = None
    ) -> list[Tree]:
        """Returns the trees that predict the value of each row."""
        least = max(_LEAST_LEAF, len(rows) // self.rows_per_leaf)
        parameters = {**_OPTIONS, **self.options, "seed": seed, "min_data_in_leaf": least}
        data = lightgbm.Dataset(rows, np.asarray(values, dtype=np.float64), weight=weights)
        return trees_of(lightgbm.train(parameters, data, rounds))


def trees_of(booster: lightgbm.Booster) -> list[Tree]:
    """Returns a booster's trees."""
    return [_flat(each["tree_structure"]) for each in booster.dump_model()["tree_info"]]


def _flat(root: Mapping[str, Any]) -> Tree:
    nodes: list[list[float]] = []
    _append(nodes, root)
    features, values, left, right = (list(column) for column in zip(*nodes, strict=True))
    return Tree(list(map(int, features)), values, list(map(int, left)), list(map(int, right)))


def _append(nodes: list[list[float]], node: Mapping[str, Any]) -> int:
    """Adds a node and those below it as feature, value, left and right; returns its index."""
    index = len(nodes)
    if "leaf_value" in node:
        nodes.append([-1, float(node["leaf_value"]), 0, 0])
        return index
    nodes.append([int(node["split_feature"]), float(node["threshold"]), 0, 0])
    nodes[index][2] = _append(nodes, node["left_child"])
    nodes[index][3] = _append(nodes, node["right_child"])
    return index
