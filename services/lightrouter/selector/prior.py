"""Ranks by the candidates' priors from the pool. Costs no tokens and cannot fail."""

from __future__ import annotations

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import RankingInput, Scores


class Prior:
    """The score is the prior."""

    async def judge(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        """Returns the priors of all partials, also of those without visible text."""
        del deadline
        return Scores({partial.candidate: partial.prior for partial in ranking_input.request.partials})
