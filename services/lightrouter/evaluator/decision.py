"""Decides candidates' states from their scores, with a reason in one sentence each.

The pool needs the quality of its `minimum`-th best candidate less a margin, or a given floor. A candidate that is
credibly below the need is evicted; one credibly above it is admitted. If the whole validation set does not
decide, a candidate may move to probation. Every move takes evidence, so states do not flap.

The guarantee: in one evaluation, over all candidates and all looks, the probability is at most `error_rate` that any
candidate is evicted although its quality is not below the need, or admitted back although it is. Each of n candidates
has an interval with an error rate of error_rate/n, and these intervals bound the need (Bonferroni). Probation after an
undecided set is a precaution and not part of the guarantee.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lightrouter.evaluator.confidence import Interval, Tally, interval
from lightrouter.evaluator.diversity import LEAST_GAIN
from lightrouter.pool.choices import State


@dataclass(frozen=True, slots=True)
class Rules:
    """The pool's need and the certainty of decisions. The error rate is the usual 5 %; other defaults are choices.

    Attributes:
        error_rate: Probability of any wrong eviction or admission in one evaluation, above 0 to 1; see the module.
        margin: Accepted distance below the minimum-th best candidate, above 0 to 1.
        floor: Needed quality, 0 to 1, instead of the margin; None: the margin applies.
        minimum: Admitted candidates that the pool always keeps, at least 1.
        least_gain: Smallest gain in quality, above 0 to 1, that makes a second draft worthwhile.
        until_diverse: Whether to ask more prompts after the states are decided, until it is known whether a second
            draft is worthwhile.
    """

    error_rate: float = 0.05
    margin: float = 0.2
    floor: float | None = None
    minimum: int = 2
    least_gain: float = LEAST_GAIN
    until_diverse: bool = False


class Finding(StrEnum):
    """The result of a candidate's scores."""

    GOOD = "CrediblyGood"
    """Its quality is credibly above the need."""
    WORSE = "CrediblyWorse"
    """Its quality is credibly below the need."""
    OPEN = "Undecided"
    """The scores so far do not decide."""


MINIMUM_POOL = "MinimumPool"
"""Reason of a candidate that stays only because the pool would be too small without it; it raises an alarm."""


@dataclass(frozen=True, slots=True)
class Need:
    """The quality that the pool needs.

    Attributes:
        within: Its interval, 0 to 1.
        expected: Its estimate.
        references: The candidates whose scores bound it; none for a given floor.
    """

    within: Interval
    expected: float
    references: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The scores of the candidates at one look.

    Attributes:
        tallies: The scores of each.
        intervals: The intervals of their true qualities; all hold together with a probability of 1 - error_rate.
        need: The pool's need.
    """

    tallies: Mapping[str, Tally]
    intervals: Mapping[str, Interval]
    need: Need

    def finding(self, name: str) -> Finding:
        """Returns the result of a candidate's scores."""
        if self.intervals[name].high < self.need.within.low:
            return Finding.WORSE
        if self.intervals[name].low > self.need.within.high:
            return Finding.GOOD
        return Finding.OPEN


def weigh(tallies: Mapping[str, Tally], rules: Rules, tested: int | None = None) -> Evidence:
    """Returns the evidence that scores give.

    Args:
        tallies: The scores of each candidate, at least one.
        rules: The rules.
        tested: Number of candidates that share the error rate; None: the number of tallies.
    """
    each = rules.error_rate / (tested or len(tallies))
    intervals = {name: interval(tally, each) for name, tally in tallies.items()}
    return Evidence(tallies, intervals, _need(tallies, intervals, rules))


def _need(tallies: Mapping[str, Tally], intervals: Mapping[str, Interval], rules: Rules) -> Need:
    if rules.floor is not None:
        return Need(Interval(rules.floor, rules.floor), rules.floor, frozenset())
    rank = min(rules.minimum, len(tallies)) - 1
    low = sorted(intervals, key=lambda name: -intervals[name].low)[rank]
    high = sorted(intervals, key=lambda name: -intervals[name].high)[rank]
    mean = sorted((tally.mean for tally in tallies.values()), reverse=True)[rank]
    within = Interval(max(0.0, intervals[low].low - rules.margin), max(0.0, intervals[high].high - rules.margin))
    return Need(within, max(0.0, mean - rules.margin), frozenset({low, high}))


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a candidate.

    Attributes:
        state: Its new state.
        reason: The reason in one word.
        message: The reason in one sentence.
    """

    state: State
    reason: str
    message: str


def decide(
    evidence: Evidence, states: Mapping[str, State], asked_all: frozenset[str], rules: Rules
) -> dict[str, Decision]:
    """Returns the decisions on the candidates of the evidence.

    Args:
        evidence: The scores.
        states: The present state of every candidate of the pool, evaluated or not.
        asked_all: The candidates that were asked the whole validation set.
        rules: The rules.
    """
    decisions: dict[str, Decision] = {}
    for name in evidence.tallies:
        finding = evidence.finding(name)
        state = _next(evidence, name, states[name], finding, whole=name in asked_all)
        decisions[name] = Decision(state, finding.value, _sentence(evidence, name, finding, rules))
    return decisions | _kept(evidence, states, decisions, rules)


def _next(evidence: Evidence, name: str, state: State, finding: Finding, *, whole: bool) -> State:
    if finding is Finding.WORSE:
        return State.EVICTED
    if finding is Finding.GOOD:
        return State.ADMITTED
    if not whole:
        return state
    below = evidence.tallies[name].mean < evidence.need.expected
    if state is State.ADMITTED and below:
        return State.PROBATION
    return State.PROBATION if state is State.EVICTED and not below else state


def _kept(
    evidence: Evidence, states: Mapping[str, State], decisions: Mapping[str, Decision], rules: Rules
) -> dict[str, Decision]:
    """Returns the decisions on candidates that stay admitted only because too few would remain."""
    after = {name: decisions[name].state if name in decisions else state for name, state in states.items()}
    missing = rules.minimum - sum(state is State.ADMITTED for state in after.values())
    leaving = [name for name in decisions if states[name] is State.ADMITTED and after[name] is not State.ADMITTED]
    leaving.sort(key=lambda name: (-evidence.tallies[name].mean, name))
    return {
        name: Decision(
            State.ADMITTED,
            MINIMUM_POOL,
            f"{decisions[name].message} It stays admitted because the pool keeps at least {rules.minimum} candidates: "
            "add better ones.",
        )
        for name in leaving[: max(0, missing)]
    }


def _sentence(evidence: Evidence, name: str, finding: Finding, rules: Rules) -> str:
    tally, within, need = evidence.tallies[name], evidence.intervals[name], evidence.need
    seen = f"{tally.mean:.2f} over {tally.seen} prompts"
    needed = "what the pool needs" if rules.floor is not None else f"what the pool needs ({_source(rules)})"
    if finding is Finding.GOOD:
        return f"Its quality, {seen}, is credibly above {within.low:.2f}, which is above {needed}."
    if finding is Finding.WORSE:
        return f"Its quality, {seen}, is credibly below {within.high:.2f}, which is below {needed}."
    return (
        f"Its quality, {seen}, is between {within.low:.2f} and {within.high:.2f}. That is neither credibly above nor "
        f"credibly below {needed}: about {need.expected:.2f}."
    )


def _source(rules: Rules) -> str:
    best = {1: "its best", 2: "its second best", 3: "its third best"}.get(rules.minimum, f"its {rules.minimum}th best")
    return f"{best} candidate minus {rules.margin:.2f}"
