"""Selectors as their service has them, but for one strategy."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from lightrouter.lab.engine import MakeSelector
from lightrouter.lab.questions import Judged
from lightrouter.lab.rivals.routing import Neighbours
from lightrouter.recording.recording import pool_names
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.models import Models
from lightrouter.selector import registry
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.selector.llm import Judge, average
from lightrouter.selector.selector import Selector
from lightrouter.selector.settings import SelectorSettings
from lightrouter.selector.strategy import Strategy, StrategyFailedError, Task, Verdict
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

    def __init__(self, train: Judged) -> None:
        """Learns from training prompts."""
        self._neighbours = Neighbours(train)
        self._names = list(pool_names(train.questions.models).values())

    async def judge(self, task: Task, deadline: Deadline) -> Verdict:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        del deadline
        prompt = "\n\n".join(message.content for message in task.request.messages)
        (expected,) = self._neighbours.expected([prompt])
        scores = dict(zip(self._names, map(float, expected), strict=True))
        return Verdict({partial.candidate: scores[partial.candidate] for partial in task.visible})


class Degraded:
    """Another strategy's verdict, which is dealt out to the candidates by chance in a share of the requests.

    The scores stay as spread as they were: the router trusts them as much.
    """

    def __init__(self, strategy: Strategy, share: float) -> None:
        """Degrades `strategy` in a share of the requests, 0 to 1, drawn by their seeds."""
        self._strategy = strategy
        self._share = share

    async def judge(self, task: Task, deadline: Deadline) -> Verdict:
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


class BothOrders:
    """A judge's verdict, and whether it hangs on the order in which it reads the partials.

    Attributes:
        flips: For each request whose readings could all be read: whether no candidate is among the best in all orders.
        tied: How many of these verdicts are without a single best candidate in some order.
        alike: Readings in which all candidates get the same points.
        readings: All readings.
        firsts: For each reading with a single best candidate: whether that is the one that the judge read first.
        candidates: How many candidates each of these readings was about.
        unread: Requests without a verdict, by the reason.
    """

    def __init__(self, judge: Judge) -> None:
        """Watches `judge`."""
        self.flips: list[bool] = []
        self.tied = 0
        self.alike = 0
        self.readings = 0
        self.firsts: list[bool] = []
        self.candidates: list[int] = []
        self.unread: Counter[DegradedReason.ValueType] = Counter()
        self._judge = judge

    async def judge(self, task: Task, deadline: Deadline) -> Verdict:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        if len(task.visible) < 2:
            return await self._judge.judge(task, deadline)
        try:
            readings, entries = await self._judge.readings(task, deadline)
        except StrategyFailedError as error:
            self.unread[error.reason] += 1
            raise
        best = [_best(reading) for reading in readings]
        self.flips.append(not frozenset.intersection(*best))
        self.tied += any(len(each) > 1 for each in best)
        self.readings += len(readings)
        for reading, names in zip(readings, best, strict=True):
            self.alike += len(names) == len(reading)
            if len(names) == 1:
                self.firsts.append(next(iter(reading)) in names)
                self.candidates.append(len(reading))
        return average(readings, entries)


def _best(reading: Mapping[str, Points]) -> frozenset[str]:
    """Returns the candidates with the most points."""
    points = {name: each.consistency + each.correctness for name, each in reading.items()}
    return frozenset(name for name, sum_ in points.items() if sum_ == max(points.values()))
