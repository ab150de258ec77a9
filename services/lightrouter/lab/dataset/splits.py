"""Splits of prompts into a training part and a test part.

scikit-learn's GroupKFold would also keep equal prompts together, but it draws other folds for the same
seed: reports could no longer be compared with earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lightrouter.lab.dataset.questions import Ints


class Split(NamedTuple):
    """Indices of the training prompts and of the test prompts."""

    train: Ints
    test: Ints


def folds(prompts: Sequence[str], count: int, seed: int) -> list[Split]:
    """Returns `count` splits whose test parts together are all prompts; equal prompts are in the same part.

    Raises:
        ValueError: There are fewer different prompts than folds.
    """
    texts = list(dict.fromkeys(prompts))
    if len(texts) < 2:
        message = f"{len(texts)} different prompts cannot make folds; record more prompts"
        raise ValueError(message)
    if len(texts) < count:
        message = f"{len(texts)} different prompts cannot make {count} folds; give --folds {len(texts)} or less"
        raise ValueError(message)
    order = np.random.default_rng(seed).permutation(len(texts))
    fold_of_text = {texts[index]: position % count for position, index in enumerate(order)}
    fold = np.array([fold_of_text[prompt] for prompt in prompts])
    return [Split(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(count)]


def unseen(train: Sequence[str], test: Sequence[str]) -> Ints:
    """Returns the indices in `train` of the prompts that are not in `test`."""
    tested = set(test)
    return np.array([index for index, prompt in enumerate(train) if prompt not in tested], dtype=np.int64)
