"""Ranks by a model that was trained on recorded outcomes. Costs no tokens."""

from __future__ import annotations

from dataclasses import replace

from lightrouter.runtime.deadline import Deadline
from lightrouter.selector.strategy import Strategy, Task, Verdict
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason
from lightrouter.v1.policy_pb2 import SelectorStrategy


class Learned:
    """The score is the calibrated probability that a candidate's answer is right."""

    def __init__(self, fallback: Strategy) -> None:
        """Ranks by `fallback`, consensus, where there is no artifact."""
        self._fallback = fallback

    async def judge(self, task: Task, deadline: Deadline) -> Verdict:
        """Returns the scores of the partials, by consensus where there is no artifact to score with."""
        message = "There is no artifact to rank with; the candidates were ranked by consensus."
        missing = Degradation(reason=DegradedReason.DEGRADED_REASON_ARTIFACT_MISSING, message=message)
        verdict = await self._fallback.judge(task, deadline)
        return replace(verdict, strategy=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS, degraded=[missing])
