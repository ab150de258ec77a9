"""Selects: one strategy judges, the priors stand in where it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lightrouter.answers.agreement import mean, pairwise
from lightrouter.answers.extract import check
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import invalid
from lightrouter.selector.prior import Prior
from lightrouter.selector.ranking import ranking
from lightrouter.selector.strategy import Strategy, StrategyFailedError, Task, Verdict
from lightrouter.v1.candidate_pb2 import Partial, RankedCandidate
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.ledger_pb2 import Degradation
from lightrouter.v1.policy_pb2 import AnswerPattern, SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse


class Selector:
    """Ranks partials by the strategy that a request asks for."""

    def __init__(
        self, strategies: Mapping[SelectorStrategy.ValueType, Strategy], default: SelectorStrategy.ValueType
    ) -> None:
        """Ranks by `default` where a request does not say."""
        self._strategies = strategies
        self._default = default
        self._prior = Prior()

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of all partials, by prior where the strategy fails or has nothing to judge.

        Raises:
            ServiceError: INVALID_ARGUMENT for two partials of one candidate, a pattern that RE2 refuses, or a
                strategy that this selector does not have.
        """
        asked = request.strategy or self._default
        strategy = self._strategies.get(asked)
        if strategy is None:
            raise invalid("strategy", f"{SelectorStrategy.Name(asked)} is not a strategy of this selector")
        _refuse_repeated(request.partials)
        task = _task(request)
        degraded: list[Degradation] = []
        try:
            verdict = await strategy.judge(task, deadline)
        except StrategyFailedError as failure:
            verdict = Verdict({}, entries=failure.entries)
            degraded.append(Degradation(reason=failure.reason, message=failure.message))
        entries = verdict.entries
        degraded.extend(verdict.degraded)
        asked = verdict.strategy or asked
        if not verdict.scores:
            asked = SelectorStrategy.SELECTOR_STRATEGY_PRIOR
            verdict = await self._prior.judge(task, deadline)
        return SelectResponse(
            ranking=ranking(request.partials, verdict, _agreement(task)),
            strategy=asked,
            entries=entries,
            degraded=degraded,
        )

    def shortlist(self, request: ShortlistRequest) -> ShortlistResponse:
        """Returns the candidates by their priors; those that are equal stay in their order."""
        ranked = sorted(request.candidates, key=lambda each: -each.prior)
        return ShortlistResponse(
            candidates=[RankedCandidate(candidate=each.candidate, score=each.prior) for each in ranked]
        )


def _refuse_repeated(partials: Sequence[Partial]) -> None:
    seen: set[str] = set()
    for index, partial in enumerate(partials):
        if partial.candidate in seen:
            raise invalid(f"partials[{index}].candidate", f"{partial.candidate} has a partial already")
        seen.add(partial.candidate)


def _agreement(task: Task) -> float:
    """Returns the agreement of the visible partials; one alone among others that show nothing agrees with none."""
    if len(task.visible) < 2:
        return float(len(task.request.partials) == 1)
    return mean(task.agreement)


def _task(request: SelectRequest) -> Task:
    pattern: AnswerPattern | None = request.answer_pattern if request.HasField("answer_pattern") else None
    if pattern is not None:
        check(pattern)
    visible = [partial for partial in request.partials if partial.text.strip()]
    complete = [partial.finish_reason != FinishReason.FINISH_REASON_LENGTH for partial in visible]
    return Task(request, visible, pairwise([partial.text for partial in visible], complete, pattern))
