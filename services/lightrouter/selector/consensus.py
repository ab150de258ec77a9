"""Ranks by agreement: a partial that says what the others say is probably right. Costs no tokens."""

from __future__ import annotations

from statistics import fmean

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import Task, Verdict


class Consensus:
    """The score is the mean agreement with the others, with a small part of the prior to tell equals apart."""

    def __init__(self, prior_weight: float) -> None:
        """Mixes in the prior with `prior_weight`, 0 to 1."""
        self._prior_weight = prior_weight

    async def judge(self, task: Task, deadline: Deadline) -> Verdict:
        """Returns the scores of the visible partials; of none where one has no other to agree with."""
        del deadline
        if len(task.visible) < 2:
            return Verdict({})
        scores: dict[str, float] = {}
        rationales: dict[str, str] = {}
        for index, (partial, row) in enumerate(zip(task.visible, task.agreement, strict=True)):
            agrees = fmean(value for other, value in enumerate(row) if other != index)
            scores[partial.candidate] = agrees + self._prior_weight * (partial.prior - agrees)
            rationales[partial.candidate] = f"Agrees with the others to {agrees:.0%}."
        return Verdict(scores, rationales)
