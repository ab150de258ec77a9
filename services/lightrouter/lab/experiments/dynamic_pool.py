"""A candidate goes bad half-way and recovers: when the pool evicts and readmits it, and what that is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final, get_args

import numpy as np

from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.decision import Finding, Rules, weigh
from lightrouter.lab.dataset.questions import Floats
from lightrouter.lab.experiments.simulation import Draw, Kind, Outcome, Plan, RecordedScorer, scratch, simulate
from lightrouter.lab.policies.rankers import STRATEGIES, one_goes_on
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.study import Study
from lightrouter.pool.choices import State

# A choice: half of a run and a third of it are whole parts.
_SEGMENTS: Final = 6
# A choice: bad from half-way on, for a third of the time.
_BAD: Final = range(3, 5)
_MOST_RUNS: Final = 50
# With fewer prompts, more runs would only repeat the same prompts.
_PROMPTS_A_RUN: Final = 8
_ROUTED_RUNS: Final = 3
_MOST_REQUESTS: Final = 480
_MOST_VALIDATION: Final = 400
_BOOT_TOKENS: Final = 40
_RANKINGS: Final = ("prior", "consensus")
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_BEST: Final[Kind] = "oracle"
_PLOTTED: Final[tuple[Kind, ...]] = ("adaptive", "static")
# Prompts per round of an evaluation.
_ROUND: Final = 8
# Most points of a plot.
_POINTS: Final = 48
_NANO: Final = 1e9
_COLUMNS: Final = {
    "ranked by": "ranking",
    "pool": "kind",
    "quality": "quality",
    "regret": "regret",
    "$ answers": "answers_usd",
    "$ evaluations": "evaluations_usd",
}

Pools = Mapping[Kind, Sequence[Outcome]]
"""The outcomes of each run, by kind of pool."""


def run(study: Study) -> Findings:
    """Evaluates the changing pool in many runs, and routes through it in a few."""
    data = study.data.test
    means = [float(mean) for mean in data.quality.mean(axis=0)]
    plan = Plan(data, study.prices, means.index(max(means)), _SEGMENTS, _BAD, _MOST_REQUESTS, _MOST_VALIDATION, Rules())
    count = min(_MOST_RUNS, max(1, len(data) // _PROMPTS_A_RUN))
    draws = [Draw(plan, study.seed + number) for number in range(count)]
    study.progress.expect(count + len(draws[:_ROUTED_RUNS]) * len(_RANKINGS))
    runs = []
    for draw in draws:
        with study.progress.step(f"evaluating, run {draw.seed}"), scratch() as folder:
            runs.append(asyncio.run(simulate(plan, draw, folder, None, "adaptive")))
    found = _decisions(plan, means, draws, runs) + _routed(study, plan, draws[:_ROUTED_RUNS])
    first = draws[0]
    return (
        Findings(
            title=f"{plan.name} goes bad half-way and recovers",
            report={"candidate": plan.name},
            notes=(
                (
                    f"{count} seeded runs of {_SEGMENTS} equal parts; each part has an evaluation in its middle. In "
                    f"parts {_BAD.start + 1} to {_BAD.stop} the candidate gives each prompt its answer to another."
                ),
                (
                    f"{len(first.validation)} prompts of a run are the validation set, {len(first.requests)} others "
                    f"are asked; {len(draws[:_ROUTED_RUNS])} runs are routed."
                ),
                (
                    "Adaptive: the pool follows the evaluator, whose scores are its priors, and the router's drift "
                    "detector. Static: it follows neither. Oracle: static, but without the candidate while it is bad."
                ),
                (
                    "An eviction is wrong if the candidate's quality over the whole recording is not below what the "
                    "pool needs; an evaluation with several counts once. Evaluations cost real calls at list prices."
                ),
            ),
        )
        + found
    )


def _decisions(plan: Plan, means: Sequence[float], draws: Sequence[Draw], runs: Sequence[Outcome]) -> Findings:
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


def _routed(study: Study, plan: Plan, draws: Sequence[Draw]) -> Findings:
    """Returns the worth of each kind of pool under each way of ranking."""
    pools = {ranking: _pools(study, plan, ranking, draws) for ranking in _RANKINGS}
    rows = {ranking: {kind: _row(each, kind) for kind in _KINDS} for ranking, each in pools.items()}
    caption = "Answers lost against the oracle, added up, ranked by {}; the band is two standard errors over runs."
    return Findings(
        sentences=[_sentence(ranking, each, rows[ranking]) for ranking, each in pools.items()],
        figures=[Figure(f"regret-{name}", _regrets(name, each), caption.format(name)) for name, each in pools.items()],
        tables=[
            tabulate(
                "Quality of the pools",
                _COLUMNS,
                [
                    {"ranking": ranking, "kind": kind, **row}
                    for ranking, kinds in rows.items()
                    for kind, row in kinds.items()
                ],
                "Means over the runs. regret: lost answers in a run.",
            )
        ],
        report={"routed": rows},
    )


def _pools(study: Study, plan: Plan, ranking: str, draws: Sequence[Draw]) -> Pools:
    policy = one_goes_on(STRATEGIES[ranking], study.boot_tokens or _BOOT_TOKENS, plan.data.questions.pattern)
    pools: dict[Kind, list[Outcome]] = {kind: [] for kind in _KINDS}
    for draw in draws:
        with study.progress.step(f"routing by {ranking}, run {draw.seed}"), scratch() as folder:
            for kind in _KINDS:
                pools[kind].append(asyncio.run(simulate(plan, draw, folder, policy, kind)))
    return pools


def _row(pools: Pools, kind: Kind) -> dict[str, Any]:
    """Returns quality and money of one kind of pool, as means over the runs."""
    runs = pools[kind]
    return {
        "quality": fmean(quality for run in runs for quality in run.quality),
        "regret": float(_regret(pools, kind)[:, -1].mean()),
        "answers_usd": fmean(sum(run.cost_nanousd) for run in runs) / _NANO,
        "evaluations_usd": fmean(run.evaluation_nanousd for run in runs) / _NANO,
        "held_at": [run.held_at for run in runs],
    }


def _regret(pools: Pools, kind: Kind) -> Floats:
    """Returns the answers lost against the oracle, added up over the requests, one row per run."""
    best, own = (np.array([run.quality for run in pools[each]]) for each in (_BEST, kind))
    return np.asarray(np.cumsum(best - own, axis=1), dtype=float)


def _sentence(ranking: str, pools: Pools, rows: Mapping[Kind, Mapping[str, Any]]) -> str:
    qualities = ", ".join(f"{kind} {row['quality']:.4f}" for kind, row in rows.items())
    held = [at for at in rows["adaptive"]["held_at"] if at is not None]
    router = (
        f"the router itself put it on probation in {len(held)} of {len(pools['adaptive'])} runs, first at request "
        f"{min(held)}"
        if held
        else "the router itself never put it on probation"
    )
    return (
        f"Ranked by {ranking}, over {len(pools['static'][0].quality)} requests: "
        f"{qualities}; regret against the oracle "
        f"{rows['adaptive']['regret']:.1f} answers adaptive, {rows['static']['regret']:.1f} static; {router}."
    )


def _regrets(ranking: str, pools: Pools) -> bytes:
    """Returns a plot of the regret over the requests; the interval is two standard errors over the runs."""
    series: dict[str, list[tuple[float, Estimate]]] = {}
    for kind in _PLOTTED:
        regret = _regret(pools, kind)
        runs, requests = regret.shape
        mean = regret.mean(axis=0)
        error = 2 * regret.std(axis=0, ddof=1) / runs**0.5 if runs > 1 else np.zeros(requests)
        series[kind] = [
            (at + 1, Estimate(mean[at], mean[at] - error[at], mean[at] + error[at]))
            for at in range(0, requests, max(1, requests // _POINTS))
        ]
    return plots.lines(series, "request", "regret, answers", f"Regret against the oracle, ranked by {ranking}")
