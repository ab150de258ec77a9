"""Selectors as their service has them, but for one strategy."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.baselines.routing import Neighbours
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

# A judge on a slow machine is slow, not wrong: no verdict is to fail for want of time.
_JUDGE_SECONDS: Final = 3600.0


def with_strategy(
    kind: SelectorStrategy.ValueType, make: Callable[[Strategies], Strategy], model: CurrentModel = no_model
) -> MakeSelector:
    """Returns what makes a selector whose strategy `kind` is another one, made of those that it would have had."""

    def made(models: Models) -> Selector:
        settings = SelectorSettings.model_construct()
        limits = replace(settings.judge_limits, most_seconds=_JUDGE_SECONDS)
        built = registry.strategies(models, limits, settings.consensus_prior_weight, model)
        return Selector({**built, kind: make(built)}, settings.default_strategy, model)

    return made


class NearestPrompts:
    """The score is the candidate's mean quality on the training prompts nearest by their words."""

    def __init__(self, train: LabelledData) -> None:
        """Learns from training prompts."""
        self._neighbours = Neighbours(train)
        self._names = list(pool_names(train.questions.models).values())

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        del deadline
        prompt = "\n\n".join(message.content for message in task.request.messages)
        (expected,) = self._neighbours.expected([prompt])
        scores = dict(zip(self._names, map(float, expected), strict=True))
        return Scores({partial.candidate: scores[partial.candidate] for partial in task.visible})


class Degraded:
    """Another strategy's verdict, which is dealt out to the candidates by chance in a share of the requests.

    The scores stay as spread as they were: the router trusts them as much.
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


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge made of the partials in one order.

    Attributes:
        candidates: Those that it read, in that order.
        best: Those of them with the most points.
    """

    candidates: Sequence[str]
    best: Sequence[str]

    @property
    def decided(self) -> bool:
        """Whether a single candidate is best."""
        return len(self.best) == 1

    @property
    def first(self) -> bool:
        """Whether the candidate that was read first is among the best."""
        return self.candidates[0] in self.best


@dataclass(frozen=True, slots=True)
class Sitting:
    """What a judge made of one request.

    Attributes:
        readings: The readings, an order each; empty where there is no verdict.
        unread: The name of the reason why there is none; empty where there is one.
    """

    readings: Sequence[Reading] = ()
    unread: str = ""

    @property
    def flipped(self) -> bool:
        """Whether no candidate is among the best in all orders."""
        return not frozenset.intersection(*(frozenset(reading.best) for reading in self.readings))

    @property
    def tied(self) -> bool:
        """Whether there is no single best candidate in some order."""
        return not all(reading.decided for reading in self.readings)


class BothOrders:
    """A judge whose readings are watched, to see whether its verdict hangs on the order of the partials.

    Attributes:
        sittings: What it made of each request with something to judge.
    """

    def __init__(self, judge: Judge) -> None:
        """Watches `judge`."""
        self.sittings: list[Sitting] = []
        self._judge = judge

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        if len(task.visible) < 2:
            return await self._judge.judge(task, deadline)
        try:
            read = await self._judge.readings(task, deadline)
        except StrategyFailedError as error:
            self.sittings.append(Sitting(unread=DegradedReason.Name(error.reason)))
            raise
        self.sittings.append(Sitting([Reading(list(reading), _best(reading)) for reading in read.points]))
        return average(read)


def _best(reading: Mapping[str, Points]) -> list[str]:
    """Returns the candidates with the most points."""
    points = {name: each.consistency + each.correctness for name, each in reading.items()}
    return [name for name, total in points.items() if total == max(points.values())]
