"""The service's selectors with one strategy replaced."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.baselines.routing import neighbours
from lightrouter.lab.policies.engine import MakeSelector
from lightrouter.recording.recording import pool_names
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.rpc.models import Models
from lightrouter.selector import registry
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.selector.llm import Judge, average
from lightrouter.selector.selector import Selector
from lightrouter.selector.settings import SelectorSettings
from lightrouter.selector.strategy import RankingInput, Scores, Strategy, StrategyFailedError
from lightrouter.selector.verdict import Points
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import SelectorStrategy

Strategies = Mapping[SelectorStrategy.ValueType, Strategy]

# A choice: no verdict times out; a judge on a slow machine is slow, not wrong.
_JUDGE_SECONDS: Final = 3600.0


def with_strategy(
    kind: SelectorStrategy.ValueType, make: Callable[[Strategies], Strategy], model: CurrentModel = no_model
) -> MakeSelector:
    """Returns a factory of selectors whose strategy `kind` is replaced by what `make` returns."""

    def made(models: Models) -> Selector:
        settings = SelectorSettings.model_construct()
        limits = replace(settings.judge_limits, most_seconds=_JUDGE_SECONDS)
        built = registry.strategies(models, limits, settings.consensus_prior_weight, model)
        return Selector({**built, kind: make(built)}, settings.default_strategy, model)

    return made


class NearestPrompts:
    """Scores a candidate by its mean quality on the training prompts with the most similar words."""

    def __init__(self, train: LabelledData) -> None:
        """Learns from training prompts."""
        self._neighbours = neighbours(train)
        self._names = list(pool_names(train.questions.models).values())

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        del deadline
        prompt = "\n\n".join(message.content for message in task.request.messages)
        (expected,) = self._neighbours.predict([prompt])
        scores = dict(zip(self._names, map(float, expected), strict=True))
        return Scores({partial.candidate: scores[partial.candidate] for partial in task.visible})


class Degraded:
    """Shuffles the scores of another strategy among the candidates in a share of the requests.

    The spread of the scores stays the same, so the router trusts them as much as before.
    """

    def __init__(self, strategy: Strategy, share: float) -> None:
        """Degrades `strategy` in a share of the requests, 0 to 1, drawn by their seeds."""
        self._strategy = strategy
        self._share = share

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        verdict = await self._strategy.judge(task, deadline)
        chance = random.Random(task.request.seed)  # noqa: S311 - reproducible by intent, and no secret
        if chance.random() >= self._share:
            return verdict
        names = sorted(verdict.scores)
        dealt = dict(zip(names, chance.sample(names, len(names)), strict=True))
        gains = {name: verdict.gains[other] for name, other in dealt.items() if other in verdict.gains}
        tokens = {name: verdict.tokens[other] for name, other in dealt.items() if other in verdict.tokens}
        scores = {name: verdict.scores[other] for name, other in dealt.items()}
        return replace(verdict, scores=scores, gains=gains, tokens=tokens)


class Reading(NamedTuple):
    """A judge's result on the partials in one order.

    Attributes:
        candidates: The candidates, in the order in which the judge read them.
        best: The candidates with the most points.
    """

    candidates: Sequence[str]
    best: Sequence[str]


class BothOrders:
    """Records the readings of a judge, to see whether its verdict depends on the order of the partials."""

    def __init__(self, judge: Strategy, record: Callable[[Sequence[Reading], str], None]) -> None:
        """Watches `judge`; calls `record` with the readings of each request, or with none and the failure's reason.

        Raises:
            TypeError: `judge` is no `Judge`.
        """
        if not isinstance(judge, Judge):
            raise TypeError(f"{judge} is no judge")
        self._judge = judge
        self._record = record

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        if len(task.visible) < 2:
            return Scores({})
        try:
            read = await self._judge.readings(task, deadline)
        except StrategyFailedError as error:
            self._record([], DegradedReason.Name(error.reason))
            raise
        self._record([Reading(list(reading), _best(reading)) for reading in read.points], "")
        return average(read)


def _best(reading: Mapping[str, Points]) -> list[str]:
    """Returns the candidates with the most points."""
    points = {name: each.consistency + each.correctness for name, each in reading.items()}
    return [name for name, total in points.items() if total == max(points.values())]
