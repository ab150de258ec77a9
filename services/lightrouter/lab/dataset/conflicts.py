"""Drafts of one prompt that contradict each other, of which one side is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import Floats, LabelledData

RIGHT: Final = "right"
WRONG: Final = "wrong"
APART: Final = 0.5
"""A choice: without comparable answers, qualities this far apart count as right and wrong."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Drafts of one prompt that take two sides, of which one is right.

    Attributes:
        index: Index of the prompt.
        models: Models of the drafts, the best one on the training prompts first.
        sides: The side of each draft.
    """

    index: int
    models: Sequence[int]
    sides: Sequence[str]


def conflicts(data: LabelledData, priors: Floats, size: int, seed: int) -> list[Conflict]:
    """Returns `size` drafts that conflict, drawn with the seed, for each prompt that has them."""
    rng = np.random.default_rng(seed)
    found = []
    for index, quality in enumerate(data.quality):
        drafts = [each for each in combinations(range(len(priors)), size) if _conflict(data, index, each)]
        if drafts:
            models = sorted(drafts[int(rng.integers(len(drafts)))], key=lambda model: -priors[model])
            best = max(quality[models])
            found.append(Conflict(index, models, [RIGHT if quality[model] == best else WRONG for model in models]))
    return found


def _conflict(data: LabelledData, index: int, models: Sequence[int]) -> bool:
    """Returns whether one of two drafts is right and the other is wrong, or two drafts agree against a third."""
    quality, answers = data.quality[index, models], [data.questions.answers[index][model] for model in models]
    if data.questions.pattern is None and len(models) == 2:
        return bool(abs(quality[0] - quality[1]) >= APART)
    return None not in answers and len(set(answers)) == 2 and 0 < sum(quality == 1) < len(models)
