"""Ranks by what the pool knows of each candidate. Costs no tokens and cannot fail."""

from __future__ import annotations

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import RankingInput, Scores


class Prior:
    """The score is the prior."""

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the priors of all partials: nothing is read, so those without visible text count as the others do."""
        del deadline
        return Scores({partial.candidate: partial.prior for partial in task.request.partials})
