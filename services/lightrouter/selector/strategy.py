"""What every way of ranking has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightrouter.answers.agreement import Comparison
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason, LedgerEntry
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest


@dataclass(frozen=True, slots=True)
class Scores:
    """What a strategy thinks of the partials.

    Attributes:
        scores: Score of each partial that was judged, 0 to 1, by candidate. The others are ranked by their priors.
        rationales: One sentence on why, by candidate, where the strategy has one.
        entries: The model calls that it took.
        gains: How much better the answer is expected to be, 0 to 1, where a candidate goes on besides those with
            higher scores and those that have finished, by candidate; empty where the strategy does not know.
        tokens: Tokens that finishing an answer is expected to take, by candidate; without those that are not known.
        strategy: The strategy that judged in the end, where it is not the one that was asked for.
        degraded: In which ways the verdict is less than it should have been.
    """

    scores: Mapping[str, float]
    rationales: Mapping[str, str] = field(default_factory=dict)
    entries: Sequence[LedgerEntry] = ()
    gains: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)
    strategy: SelectorStrategy.ValueType | None = None
    degraded: Sequence[Degradation] = ()


class StrategyFailedError(Exception):
    """A strategy cannot rank. The partials are then ranked by their priors.

    Attributes:
        reason: Why, for programs.
        message: Why, as one sentence for people.
        entries: The model calls that were made all the same.
    """

    def __init__(self, reason: DegradedReason.ValueType, message: str, entries: Sequence[LedgerEntry] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.entries = entries


@dataclass(frozen=True, slots=True)
class RankingInput:
    """What is to be ranked.

    Attributes:
        request: The request.
        visible: Those of its partials that have visible text, in their order; nothing else can be judged.
        compared: How far each visible partial agrees with each other, and which say nothing, in that order.
    """

    request: SelectRequest
    visible: Sequence[Partial]
    compared: Comparison


class Strategy(Protocol):
    """A way of ranking."""

    async def judge(self, task: RankingInput, deadline: Deadline) -> Scores:
        """Returns what it thinks of the visible partials.

        Raises:
            StrategyFailedError: It cannot say, or not in time.
        """
        ...
