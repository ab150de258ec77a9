"""Selectors as their service has them, but for one strategy."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

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
from lightrouter.v1.policy_pb2 import SelectorStrategy

Strategies = Mapping[SelectorStrategy.ValueType, Strategy]


def with_strategy(
    kind: SelectorStrategy.ValueType, make: Callable[[Strategies], Strategy], model: CurrentModel = no_model
) -> MakeSelector:
    """Returns what makes a selector whose strategy `kind` is another one, made of those that it would have had."""

    def made(models: Models) -> Selector:
        settings = SelectorSettings.model_construct()
        built = registry.strategies(models, settings.judge_limits, settings.consensus_prior_weight, model)
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
        read: Requests in which all readings could be read.
        unread: Requests in which one could not, or the judge failed.
        flipped: Requests of those read in which another candidate is best in another order.
        first: Readings in which the partial that stands first is best.
        readings: Readings in all.
    """

    def __init__(self, judge: Judge) -> None:
        """Watches `judge`."""
        self.read = 0
        self.unread = 0
        self.flipped = 0
        self.first = 0
        self.readings = 0
        self._judge = judge

    async def judge(self, task: Task, deadline: Deadline) -> Verdict:
        """Returns the scores of the visible partials. See `Strategy.judge`."""
        try:
            readings, entries = await self._judge.readings(task, deadline)
        except StrategyFailedError:
            self.unread += 1
            raise
        self.read += 1
        picks = [_pick(reading) for reading in readings]
        self.flipped += len(set(picks)) > 1
        self.readings += len(readings)
        self.first += sum(next(iter(reading)) == pick for reading, pick in zip(readings, picks, strict=True))
        return average(readings, entries)


def _pick(reading: Mapping[str, Points]) -> str:
    """Returns the candidate with the most points; of equal ones the one that the judge read first."""
    return max(reading, key=lambda name: reading[name].consistency + reading[name].correctness)
