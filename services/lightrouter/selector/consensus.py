"""Ranks by agreement: a partial that says what the others say is probably right. Costs no tokens."""

from __future__ import annotations

from math import fsum

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import RankingInput, Scores

# Above the score of those that answer nothing, which is 0.
_LEAST = 1e-6
_EVADES = "It gives no answer: it refuses, repeats the prompt, or has only begun."


class Consensus:
    """The score is the mean agreement with the others, with a small part of the prior to tell equals apart.

    A partial that answers nothing has no vote, and ranks behind those that answer, however many say the same; where
    none answers, all are compared.
    """

    def __init__(self, prior_weight: float) -> None:
        """Mixes in the prior with `prior_weight`, 0 to 1."""
        self._prior_weight = prior_weight

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials; of none where one has no other to agree with."""
        del deadline
        if len(task.visible) < 2:
            return Scores({})
        scores = {partial.candidate: 0.0 for partial in task.visible}
        rationales = dict.fromkeys(scores, _EVADES)
        voters = task.compared.voters
        for place in voters:
            partial, row = task.visible[place], task.compared.agreement[place]
            # Without its agreement with itself, which is 1.
            agrees = (fsum(map(row.__getitem__, voters)) - 1.0) / max(1, len(voters) - 1)
            scores[partial.candidate] = max(_LEAST, agrees + self._prior_weight * (partial.prior - agrees))
            rationales[partial.candidate] = f"Agrees with the others to {agrees:.0%}."
        return Scores(scores, rationales)
