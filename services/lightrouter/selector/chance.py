"""Ranks at random by the request's seed: the baseline that shows what the other strategies are worth."""

from __future__ import annotations

import random

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import RankingInput, Scores

# The middle of a score of 0 to 1: chance says nothing of a candidate.
_MIDDLE = 0.5
# A choice: so small that no lead ever looks clear enough to continue one candidate alone.
_SPREAD = 0.01


class Chance:
    """Draws an order; the scores only express it. The same seed and names give the same order."""

    async def judge(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        """Returns a score for each partial, 0.5 to 0.51, in an order drawn from the seed."""
        del deadline
        names = sorted(partial.candidate for partial in ranking_input.request.partials)
        random.Random(ranking_input.request.seed).shuffle(names)  # noqa: S311 - reproducible by intent, and no secret
        return Scores({name: _MIDDLE + _SPREAD * (1 - i / len(names)) for i, name in enumerate(names)})
