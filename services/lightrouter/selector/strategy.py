"""The interface of the ranking strategies, their input and their scores."""

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
    """The scores that a strategy gives the partials.

    Attributes:
        scores: The score of each judged partial, 0 to 1, by candidate. The others are ranked by their priors.
        rationales: One sentence on why, by candidate, if the strategy has one.
        entries: The ledger entries of the strategy's model calls.
        gains: The expected improvement of the answer, 0 to 1, if a candidate continues in addition to those with
            higher scores and those that have finished, by candidate; empty if the strategy does not know.
        tokens: The expected tokens until the answer is finished, by candidate; only those that are known.
        strategy: The strategy that made the scores, if it is not the requested one.
        degraded: The degradations, for example a lost order of the judge.
    """

    scores: Mapping[str, float]
    rationales: Mapping[str, str] = field(default_factory=dict)
    entries: Sequence[LedgerEntry] = ()
    gains: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, float] = field(default_factory=dict)
    strategy: SelectorStrategy.ValueType | None = None
    degraded: Sequence[Degradation] = ()


class StrategyFailedError(Exception):
    """A strategy cannot rank; the partials are ranked by their priors instead.

    Attributes:
        reason: Why, for programs.
        message: Why, as one sentence for people.
        entries: The ledger entries of the calls that were made before it failed.
    """

    def __init__(self, reason: DegradedReason.ValueType, message: str, entries: Sequence[LedgerEntry] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.entries = entries


@dataclass(frozen=True, slots=True)
class RankingInput:
    """A request to rank, with the comparison of its partials.

    Attributes:
        request: The request.
        visible: Its partials with visible text, in their order; only these can be judged.
        compared: The pairwise agreement of the visible partials and the indices of those that give an answer.
        broken: The candidates whose partials break the form that the request asks for; they give no answer.
    """

    request: SelectRequest
    visible: Sequence[Partial]
    compared: Comparison
    broken: frozenset[str] = frozenset()


class Strategy(Protocol):
    """One way to rank partials."""

    async def judge(self, ranking_input: RankingInput, deadline: Deadline) -> Scores:
        """Returns the scores of the partials.

        Raises:
            StrategyFailedError: The strategy cannot score, or not in time.
        """
        ...
