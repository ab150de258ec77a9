"""From scores to states: who is credibly good enough for the pool, who credibly is not, and why, in one sentence each.

What the pool needs is the quality of its `minimum`-th best candidate less a margin, or a floor that is given. A
candidate that is credibly below it is evicted, one that is credibly above it is admitted; the way between leads over
probation, and takes the whole validation set where that could not tell. So nobody flaps: to leave a state takes
evidence, to come back takes evidence again.

The promise: in one evaluation, over all candidates and all looks together, the probability is at most `error_rate`
that any candidate is evicted whose quality is not below what the pool needs, or any is admitted back whose quality is.
Each of n candidates has an interval with an error rate of error_rate/n, and what the pool needs is bounded by those.
Probation on an undecided set is a precaution, and no part of the promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lightrouter.evaluator.confidence import Interval, Tally, interval
from lightrouter.evaluator.diversity import LEAST_GAIN
from lightrouter.pool.schema import State


@dataclass(frozen=True, slots=True)
class Rules:
    """What the pool needs, and how sure a decision must be.

    Attributes:
        error_rate: Probability, over 0 to 1, that one evaluation evicts or admits anybody wrongly; see the module.
        margin: How far below the minimum-th best a candidate may be and still be worth asking, over 0 to 1.
        floor: Quality that the pool needs, 0 to 1, in place of the margin; None goes by the margin.
        minimum: Admitted candidates that the pool keeps, whatever they are worth, 1 upward.
        least_gain: Gain in quality, over 0 to 1, from which a second draft is worth while.
        until_diverse: Whether prompts are asked until it is sure whether one is, beyond what the states take.
    """

    error_rate: float = 0.05
    margin: float = 0.2
    floor: float | None = None
    minimum: int = 2
    least_gain: float = LEAST_GAIN
    until_diverse: bool = False


class Finding(StrEnum):
    """What the scores say of a candidate."""

    GOOD = "CrediblyGood"
    """Its quality is credibly above what the pool needs."""
    WORSE = "CrediblyWorse"
    """Its quality is credibly below it."""
    OPEN = "Undecided"
    """The scores so far do not tell."""


MINIMUM_POOL = "MinimumPool"
"""Reason of a candidate that stays only because the pool would be too small without it: an alarm."""


@dataclass(frozen=True, slots=True)
class Need:
    """What the pool needs.

    Attributes:
        within: Where it lies, 0 to 1.
        expected: Its estimate.
        references: The candidates whose scores bound it; none where it is given.
    """

    within: Interval
    expected: float
    references: frozenset[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the candidates at one look.

    Attributes:
        tallies: The scores of each.
        intervals: Where the true quality of each lies, all of them at once with a probability of 1 - error_rate.
        need: What the pool needs.
    """

    tallies: Mapping[str, Tally]
    intervals: Mapping[str, Interval]
    need: Need

    def finding(self, name: str) -> Finding:
        """Returns what the scores say of a candidate."""
        if self.intervals[name].high < self.need.within.low:
            return Finding.WORSE
        if self.intervals[name].low > self.need.within.high:
            return Finding.GOOD
        return Finding.OPEN


def weigh(tallies: Mapping[str, Tally], rules: Rules, tested: int | None = None) -> Evidence:
    """Returns what the scores say.

    Args:
        tallies: The scores of each candidate, at least one.
        rules: The rules.
        tested: Candidates that share the error rate; None: those that have tallies.
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
    """What becomes of a candidate.

    Attributes:
        state: Its state from now on.
        reason: Why, as one word.
        message: Why, in one sentence.
    """

    state: State
    reason: str
    message: str


def decide(
    evidence: Evidence, states: Mapping[str, State], asked_all: frozenset[str], rules: Rules
) -> dict[str, Decision]:
    """Returns what becomes of the candidates that there is evidence on.

    Args:
        evidence: The scores.
        states: The state of every candidate of the pool now, evaluated or not.
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
    """Returns the decisions on those that stay admitted only because too few would be left."""
    after = {name: decisions[name].state if name in decisions else state for name, state in states.items()}
    missing = rules.minimum - sum(state is State.ADMITTED for state in after.values())
    leaving = [name for name in decisions if states[name] is State.ADMITTED and after[name] is not State.ADMITTED]
    leaving.sort(key=lambda name: (-evidence.tallies[name].mean, name))
    return {
        name: Decision(
            State.ADMITTED,
            MINIMUM_POOL,
            f"{decisions[name].message} It stays because the pool keeps {rules.minimum} admitted candidates: "
            "add better ones.",
        )
        for name in leaving[: max(0, missing)]
    }


def _sentence(evidence: Evidence, name: str, finding: Finding, rules: Rules) -> str:
    tally, within, need = evidence.tallies[name], evidence.intervals[name], evidence.need
    seen = f"{tally.mean:.2f} over {tally.seen} prompts"
    needed = "what the pool needs" if rules.floor is not None else f"what the pool needs, {_source(rules)}"
    if finding is Finding.GOOD:
        return f"Its quality, {seen}, is credibly over {within.low:.2f} and with that over {needed}."
    if finding is Finding.WORSE:
        return f"Its quality, {seen}, is credibly under {within.high:.2f} and with that under {needed}."
    return (
        f"Its quality, {seen}, is between {within.low:.2f} and {within.high:.2f}: neither credibly over nor credibly "
        f"under {needed}, about {need.expected:.2f}."
    )


def _source(rules: Rules) -> str:
    best = {1: "its best", 2: "its second best", 3: "its third best"}.get(rules.minimum, f"its {rules.minimum}th best")
    return f"{best} candidate less {rules.margin:.2f}"
