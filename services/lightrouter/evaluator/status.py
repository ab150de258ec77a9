"""Turns the outcome of an evaluation into the candidates' statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lightrouter.evaluator.confidence import interval
from lightrouter.evaluator.decision import Finding, Rules, decide
from lightrouter.evaluator.diversity import Diversity, measure
from lightrouter.evaluator.evaluation import Outcome
from lightrouter.evaluator.scores import Scores
from lightrouter.pool.choices import State
from lightrouter.pool.status import CandidateStatus, Condition, PoolStatus
from lightrouter.runtime.text import one_line
from lightrouter.v1.candidate_pb2 import CategoryScore, Evaluation

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
        if before.run == run or before.held_out or not scores.tally.seen:
            continue
        whole = name in outcome.asked_all or evidence.finding(name) is not Finding.OPEN
        if not whole and before.evaluation is not None and before.evaluation.prompts >= scores.tally.seen:
            # An unfinished evaluation has fewer prompts than the present status.
            continue
        message = decision.message + _failures(scores)
        moved = before.moved(decision.state, decision.reason, message, now)
        found[name] = replace(
            moved,
            run=run,
            evaluation=_evaluation(scores, message, now),
            diverse=_diverse(before.diverse, diversity, name, now),
            drifted=_judged(before.drifted, now),
        )
    return found


def _diverse(before: Condition | None, diversity: Diversity | None, name: str, now: datetime) -> Condition | None:
    if diversity is None or name not in diversity.marginal:
        return before
    reason = "Homogeneous" if diversity.homogeneous else "NotHomogeneous"
    message = diversity.message(name)
    return Condition.after(before, holds=not diversity.homogeneous, reason=reason, message=message, now=now)


def _judged(drifted: Condition | None, now: datetime) -> Condition | None:
    """Returns the condition after an evaluation: its quality is measured again, so the drift is over."""
    if drifted is None or not drifted.holds:
        return drifted
    return Condition.after(drifted, holds=False, reason="Evaluated", message="it was evaluated anew", now=now)


def _failures(scores: Scores) -> str:
    """Returns a sentence on the prompts that a candidate failed to answer; empty if there are none."""
    if not scores.failed:
        return ""
    why = one_line(scores.failure).rstrip(".")[:_LONGEST_FAILURE]
    return f" It failed to answer {scores.failed} of them, which score 0: {why}."


def _evaluation(scores: Scores, explanation: str, now: datetime) -> Evaluation:
    within = interval(scores.tally, _SHOWN_ERROR_RATE)
    evaluation = Evaluation(
        score=scores.tally.mean,
        score_low=within.low,
        score_high=within.high,
        prompts=scores.tally.seen,
        categories=[
            CategoryScore(category=category, score=tally.mean, prompts=tally.seen)
            for category, tally in sorted(scores.categories.items())
        ],
        explanation=explanation,
        failed=scores.failed,
    )
    evaluation.evaluated_at.FromDatetime(now.astimezone(UTC).replace(microsecond=0))
    return evaluation
