"""When the evaluator evicts a candidate that goes bad and readmits it, against what its bounds predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Final

from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.decision import Finding, weigh
from lightrouter.lab.dataset.scorer import RecordedScorer
from lightrouter.lab.policies.simulation import Draw, Outcome, Plan
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Findings
from lightrouter.pool.choices import State

# Prompts per round of an evaluation.
_ROUND: Final = 8


def findings(plan: Plan, means: Sequence[float], draws: Sequence[Draw], runs: Sequence[Outcome]) -> Findings:
    """Returns when the candidate was evicted and readmitted over all runs, and which others were evicted."""
    validation, model = len(draws[0].validation), plan.data.questions.models[plan.model]
    dealt = enumerate(draws[0].bad.prompts)
    bad = fmean(RecordedScorer(plan.data, index).score(each.responses[model].text) for index, each in dealt)
    quality = dict(zip(plan.names, means, strict=True))
    worse = quality | {plan.name: bad}
    moves = {
        "eviction": (worse, Finding.WORSE, plan.bad.start, State.EVICTED),
        "return": (quality, Finding.GOOD, plan.bad.stop, State.ADMITTED),
    }
    predicted = {what: _predicted(each, plan, validation, finding) for what, (each, finding, _, _) in moves.items()}
    asked = {what: [run.asked[begin] for run in runs] for what, (_, _, begin, _) in moves.items()}
    evicted, back = ([_first(run, plan.name, begin, state) for run in runs] for _, _, begin, state in moves.values())
    wrong, evaluations = sum(_wrong(run, plan, quality, worse) for run in runs), len(runs) * plan.segments
    needed = {
        what: f"{count} prompts" if count else f"more prompts than the {validation} of the validation set"
        for what, count in predicted.items()
    }
    return Findings(
        sentences=[
            (
                f"{plan.name} has a quality of {means[plan.model]:.3f}, and of {bad:.3f} while its answers are "
                f"shuffled. The next evaluation evicts it in {evicted.count(1)} of {len(runs)} runs; the "
                f"bounds predict {needed['eviction']}, and it took {median(asked['eviction']):.0f} in the median."
            ),
            (
                f"Once it has recovered, the first evaluation admits it in {back.count(1)} of {len(runs)} runs; the "
                f"bounds predict {needed['return']}."
            ),
            (
                f"Wrong evictions: {wrong} in {evaluations} evaluations ({wrong / evaluations:.2%}); the rules promise "
                f"at most {plan.rules.error_rate:.0%} of the evaluations."
            ),
        ],
        figures=[Figure("evicted", _evictions(plan, runs), "Share of the runs in which each candidate is evicted.")],
        report={
            "runs": len(runs),
            "validation_prompts": validation,
            "quality": {"good": means[plan.model], "shuffled": bad},
            "predicted_prompts": predicted,
            "asked_prompts": asked,
            "evaluations_to_eviction": evicted,
            "evaluations_to_return": back,
            "wrong_evictions": wrong,
            "evaluations": evaluations,
            "error_rate": plan.rules.error_rate,
        },
    )


def _predicted(quality: Mapping[str, float], plan: Plan, most: int, finding: Finding) -> int | None:
    """Returns the prompts that the bounds need for this finding; None if the validation set is too small."""
    for count in range(_ROUND, most + _ROUND, _ROUND):
        asked = min(count, most)
        expected = {name: Tally(asked, asked * mean) for name, mean in quality.items()}
        if weigh(expected, plan.rules).finding(plan.name) is finding:
            return asked
    return None


def _first(run: Outcome, name: str, begin: int, state: State) -> int | None:
    """Returns the number, from 1, of the first evaluation after `begin` with this state; None if there is none."""
    states = [states[name] for states in run.states[begin:]]
    return states.index(state) + 1 if state in states else None


def _wrong(run: Outcome, plan: Plan, good: Mapping[str, float], bad: Mapping[str, float]) -> int:
    """Returns how many evaluations evicted a candidate that the pool needs."""
    wrong = 0
    before: Mapping[str, State] = {}
    for number, states in enumerate(run.states):
        quality = bad if number in plan.bad else good
        need = sorted(quality.values(), reverse=True)[min(plan.rules.minimum, len(quality)) - 1] - plan.rules.margin
        wrong += any(
            state is State.EVICTED and before.get(name) is not State.EVICTED and quality[name] >= need
            for name, state in states.items()
        )
        before = states
    return wrong


def _evictions(plan: Plan, runs: Sequence[Outcome]) -> bytes:
    """Returns a plot of the share of runs in which each candidate is evicted, after each evaluation."""
    series = {
        name: [
            (number + 1, fmean(run.states[number][name] is State.EVICTED for run in runs))
            for number in range(plan.segments)
        ]
        for name in plan.names
    }
    return plots.lines(series, "evaluation", "share of the runs", "Evicted after each evaluation")
