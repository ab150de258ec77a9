"""Turns the outcome of an evaluation into the candidates' statuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from lightrouter.evaluator.confidence import interval
from lightrouter.evaluator.decision import Finding, Rules, decide
from lightrouter.evaluator.diversity import Diversity, measure
from lightrouter.evaluator.evaluation import Outcome
from lightrouter.evaluator.scores import Scores
from lightrouter.pool.choices import State
from lightrouter.pool.status import DIVERSE, DRIFTED, CandidateStatus, Category, Condition, PoolStatus, Truth, rfc3339
from lightrouter.runtime.text import one_line

# Error rate of the interval in the status, for each candidate by itself: the usual 95%, a choice.
_SHOWN_ERROR_RATE: Final = 0.05
# A choice: a sentence in characters. The status of a resource is read in a terminal.
_LONGEST_FAILURE: Final = 200


def statuses(
    outcome: Outcome, rules: Rules, run: str, now: datetime, held: PoolStatus
) -> Mapping[str, CandidateStatus]:
    """Returns the new statuses of the candidates that `outcome` decides on.

    A status that names `run` already is left out: each run writes a status once.
    """
    if outcome.evidence is None:
        return {}
    states = {name: entry.state for name, entry in held.pool.entries.items()}
    tested = {name: tally for name, tally in outcome.evidence.tallies.items() if name in states}
    evidence = replace(outcome.evidence, tallies=tested)
    found: dict[str, CandidateStatus] = {}
    decisions = decide(evidence, states, outcome.asked_all, rules)
    asked = [name for name, decision in decisions.items() if decision.state is not State.EVICTED]
    diversity = measure({name: outcome.scores[name].by_prompt for name in asked}, rules.least_gain)
    for name, decision in decisions.items():
        before = held.status(name)
        scores = outcome.scores[name]
        if before.evaluation_run == run or before.held_out or not scores.tally.seen:
            continue
        whole = name in outcome.asked_all or evidence.finding(name) is not Finding.OPEN
        if not whole and before.evaluation and before.evaluation.prompts >= scores.tally.seen:
            # An unfinished evaluation has fewer prompts than the present status.
            continue
        moved = before.moved(decision.state, decision.reason, decision.message + _failures(scores), now)
        found[name] = moved.having(
            *_conditions(before, diversity, name, now), **_figures(scores, now), evaluation_run=run
        )
    return found


def _conditions(before: CandidateStatus, diversity: Diversity | None, name: str, now: datetime) -> Iterator[Condition]:
    """Yields the conditions that an evaluation changes, except the state's own."""
    if diversity and name in diversity.marginal:
        status: Truth = "False" if diversity.homogeneous else "True"
        reason = "Homogeneous" if diversity.homogeneous else "NotHomogeneous"
        yield before.next_condition(DIVERSE, status, reason, diversity.message(name), now)
    if before.holds(DRIFTED):
        # Its quality is measured again, so the drift is over.
        yield before.next_condition(DRIFTED, "False", "Evaluated", "it was evaluated again", now)


def _failures(scores: Scores) -> str:
    """Returns a sentence on the prompts that a candidate failed to answer; empty if there are none."""
    if not scores.failed:
        return ""
    why = one_line(scores.failure).rstrip(".")[:_LONGEST_FAILURE]
    return f" It failed to answer {scores.failed} of them, which score 0: {why}."


def _figures(scores: Scores, now: datetime) -> dict[str, Any]:
    """Returns the fields of a status that an evaluation measures."""
    within = interval(scores.tally, _SHOWN_ERROR_RATE)
    return {
        "score": scores.tally.mean,
        "score_low": within.low,
        "score_high": within.high,
        "evaluated_prompts": scores.tally.seen,
        "failed_prompts": scores.failed,
        "last_evaluated": rfc3339(now),
        "categories": tuple(
            Category(category=category, score=tally.mean, prompts=tally.seen)
            for category, tally in sorted(scores.categories.items())
        ),
    }
