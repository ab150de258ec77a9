"""Ranks by chance, from the request's seed. For ablation: what a ranking is worth shows against none."""

from __future__ import annotations

import random

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import RankingInput, Scores

_MIDDLE = 0.5
# Chance knows nothing, so no lead may look clear enough for one candidate to suffice.
_SPREAD = 0.01


class Chance:
    """The order is drawn; the scores only express it. The same seed draws the same order for the same names."""

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns scores near 0.5 in an order drawn from the seed, for all partials."""
        del deadline
        names = sorted(partial.candidate for partial in task.request.partials)
        random.Random(task.request.seed).shuffle(names)  # noqa: S311 - reproducible by intent, and no secret
        return Scores({name: _MIDDLE + _SPREAD * (1 - i / len(names)) for i, name in enumerate(names)})
