"""Ranks by agreement: a partial that agrees with the others is probably right. Costs no tokens."""

from __future__ import annotations

from math import fsum

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import RankingInput, Scores

# A choice: any value above 0, which is the score of partials that give no answer.
_LEAST = 1e-6
_EVADES = "It gives no answer: it refuses, repeats the prompt, or has only begun."


class Consensus:
    """The score is the mean agreement with the others, mixed with a small share of the prior to break ties.

    A partial that gives no answer has no vote and ranks behind all that do. If none gives an answer, all are compared.
    """

    def __init__(self, prior_weight: float) -> None:
        """Gives the prior the weight `prior_weight`, 0 to 1, and the agreement the rest."""
        self._prior_weight = prior_weight

    async def judge(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials; none if there are fewer than two to compare."""
        del deadline
        if len(ranking_input.visible) < 2:
            return Scores({})
        scores = {partial.candidate: 0.0 for partial in ranking_input.visible}
        rationales = dict.fromkeys(scores, _EVADES)
        voters = ranking_input.compared.voters
        for place in voters:
            partial, row = ranking_input.visible[place], ranking_input.compared.agreement[place]
            # The row includes the agreement with itself, which is 1.
            agrees = (fsum(map(row.__getitem__, voters)) - 1.0) / max(1, len(voters) - 1)
            scores[partial.candidate] = max(_LEAST, agrees + self._prior_weight * (partial.prior - agrees))
            rationales[partial.candidate] = f"Agrees with the others to {agrees:.0%}."
        return Scores(scores, rationales)
