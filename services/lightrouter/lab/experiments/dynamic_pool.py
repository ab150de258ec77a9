"""A candidate goes bad half-way and recovers: when the pool evicts and readmits it, and what that is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Final

from lightrouter.evaluator.confidence import Tally
from lightrouter.evaluator.decision import Finding, Rules, weigh
from lightrouter.lab.experiments.changing import Deal, Plan, Pool, Worth, adaptive, scratch, unchanging
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.rankers import one_goes_on
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.pool.choices import State
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_PRIOR

ABOUT = "A candidate goes bad half-way and recovers: when it is evicted and back, and what an adaptive pool is worth."

_SEGMENTS: Final = 6
_BAD: Final = range(3, 5)
"""A choice: bad from half-way on, for a third of the time."""
_MOST_RUNS: Final = 50
# With fewer prompts, more runs would only repeat the same prompts.
_PROMPTS_A_RUN: Final = 8
_ROUTED_RUNS: Final = 3
_MOST_REQUESTS: Final = 480
_MOST_VALIDATION: Final = 400
_BOOT_TOKENS: Final = 40
_STRATEGIES: Final = {"prior": SELECTOR_STRATEGY_PRIOR, "consensus": SELECTOR_STRATEGY_CONSENSUS}
_KINDS: Final = ("adaptive", "static", "oracle")
# Prompts per round of an evaluation.
_ROUND: Final = 8
_NANO: Final = 1e9


def run(study: Study) -> Findings:
    """Evaluates the changing pool in many runs, and routes through it in a few."""
    judged = study.data.test
    means = [float(mean) for mean in judged.quality.mean(axis=0)]
    plan = Plan(
        judged, study.prices, means.index(max(means)), _SEGMENTS, _BAD, _MOST_REQUESTS, _MOST_VALIDATION, Rules()
    )
    count = min(_MOST_RUNS, max(1, len(judged) // _PROMPTS_A_RUN))
    deals = [Deal(plan, study.seed + number) for number in range(count)]
    study.progress.expect(count + len(deals[:_ROUTED_RUNS]) * len(_STRATEGIES))
    runs = []
    for deal in deals:
        with study.progress.step(f"evaluating, run {deal.seed}"), scratch() as folder:
            runs.append(asyncio.run(adaptive(plan, deal, folder, None)))
    decisions = _Decisions(plan, means, deals, runs)
    routed = [_routed(study, plan, name, deals[:_ROUTED_RUNS]) for name in _STRATEGIES]
    return Findings(
        title=f"{plan.name} goes bad half-way and recovers",
        sentences=[*decisions.sentences(), *(each.sentence() for each in routed)],
        figures=[
            *(Figure(f"regret-{each.name}", each.regret_plot(), _caption(each.name)) for each in routed),
            Figure("evicted", decisions.plot(), "Share of the runs in which each candidate is evicted."),
        ],
        tables=[_table(routed)],
        report={"candidate": plan.name, **decisions.report(), "routed": {each.name: each.report() for each in routed}},
        notes=_notes(plan, deals),
    )


class _Decisions:
    """When the candidate was evicted and readmitted over all runs, and which others were evicted."""

    def __init__(self, plan: Plan, means: Sequence[float], deals: Sequence[Deal], runs: Sequence[Pool]) -> None:
        self._plan = plan
        self._runs = runs
        self._validation = len(deals[0].validation)
        worth = Worth(plan.judged)
        model = plan.judged.questions.models[plan.model]
        bad = [worth.of(index, each.responses[model].text) for index, each in enumerate(deals[0].bad.prompts)]
        self.good, self.bad = means[plan.model], fmean(bad)
        self._quality = dict(zip(plan.names, means, strict=True))
        self.predicted_eviction = self._predicted(self._quality | {plan.name: self.bad}, Finding.WORSE)
        self.predicted_return = self._predicted(self._quality, Finding.GOOD)
        self.evicted_after = [self._first(run, plan.bad.start, State.EVICTED) for run in runs]
        self.back_after = [self._first(run, plan.bad.stop, State.ADMITTED) for run in runs]
        self.wrong = sum(self._wrong(run) for run in runs)

    def sentences(self) -> list[str]:
        """Returns the findings."""
        plan, runs = self._plan, len(self._runs)
        asked = [run.asked[plan.bad.start] for run in self._runs]
        evaluations = runs * plan.segments
        return [
            (
                f"{plan.name}, {self.good:.3f} of old and {self.bad:.3f} while its answers are shuffled, is evicted by "
                f"the first evaluation thereafter in {self.evicted_after.count(1)} of {runs} runs; the bounds predict "
                f"{_prompts(self.predicted_eviction, self._validation)}, and it took {median(asked):.0f} in the median."
            ),
            (
                f"Once it has recovered the first evaluation admits it in {self.back_after.count(1)} of {runs} runs; "
                f"predicted are {_prompts(self.predicted_return, self._validation)}."
            ),
            (
                f"Wrong evictions: {self.wrong} in {evaluations} evaluations ({self.wrong / evaluations:.2%}); stated "
                f"is at most {plan.rules.error_rate:.0%} of the evaluations."
            ),
        ]

    def plot(self) -> bytes:
        """Returns a plot of the share of runs in which each candidate is evicted, after each evaluation."""
        count = len(self._runs)
        series = {
            name: [
                (
                    float(number + 1),
                    Estimate.exact(sum(run.states[number][name] is State.EVICTED for run in self._runs) / count),
                )
                for number in range(self._plan.segments)
            ]
            for name in self._plan.names
        }
        return plots.lines(series, "evaluation", "share of the runs", "Evicted after each evaluation")

    def report(self) -> dict[str, object]:
        """Returns the figures for programs."""
        return {
            "runs": len(self._runs),
            "validation_prompts": self._validation,
            "quality": {"good": self.good, "shuffled": self.bad},
            "predicted_prompts": {"eviction": self.predicted_eviction, "return": self.predicted_return},
            "asked_prompts": {
                "eviction": [run.asked[self._plan.bad.start] for run in self._runs],
                "return": [run.asked[self._plan.bad.stop] for run in self._runs],
            },
            "evaluations_to_eviction": self.evicted_after,
            "evaluations_to_return": self.back_after,
            "wrong_evictions": self.wrong,
            "evaluations": len(self._runs) * self._plan.segments,
            "error_rate": self._plan.rules.error_rate,
        }

    def _predicted(self, quality: Mapping[str, float], finding: Finding) -> int | None:
        """Returns the prompts that the bounds need for this finding; None if the validation set is too small."""
        for count in range(_ROUND, self._validation + _ROUND, _ROUND):
            asked = min(count, self._validation)
            expected = {name: Tally(asked, asked * mean) for name, mean in quality.items()}
            if weigh(expected, self._plan.rules).finding(self._plan.name) is finding:
                return asked
        return None

    def _first(self, run: Pool, begin: int, state: State) -> int | None:
        """Returns the number, from 1, of the first evaluation after `begin` with this state; None if there is none."""
        states = [states[self._plan.name] for states in run.states[begin:]]
        return states.index(state) + 1 if state in states else None

    def _wrong(self, run: Pool) -> int:
        """Returns how many evaluations evicted a candidate that the pool needs."""
        wrong = 0
        before: Mapping[str, State] = {}
        for number, states in enumerate(run.states):
            quality = self._quality | ({self._plan.name: self.bad} if number in self._plan.bad else {})
            rules = self._plan.rules
            need = sorted(quality.values(), reverse=True)[min(rules.minimum, len(quality)) - 1] - rules.margin
            wrong += any(
                state is State.EVICTED and before.get(name) is not State.EVICTED and quality[name] >= need
                for name, state in states.items()
            )
            before = states
        return wrong


@dataclass(frozen=True, slots=True)
class _Routed:
    """The worth of the pools under one way of ranking.

    Attributes:
        name: The way of ranking.
        pools: The pools of each run, by kind.
    """

    name: str
    pools: Mapping[str, Sequence[Pool]]

    def quality(self, kind: str) -> float:
        return fmean(quality for pool in self.pools[kind] for quality in pool.quality)

    def regret(self, kind: str) -> float:
        """Returns the loss of quality against the oracle, summed over the requests of a run; a mean over runs."""
        gained = [sum(pool.quality) for pool in self.pools[kind]]
        best = [sum(pool.quality) for pool in self.pools["oracle"]]
        return fmean(most - own for most, own in zip(best, gained, strict=True))

    def usd(self, kind: str) -> tuple[float, float]:
        """Returns the cost of a run's answers and of its evaluations, in US dollars."""
        answers = fmean(sum(pool.cost_nanousd) for pool in self.pools[kind]) / _NANO
        return answers, fmean(pool.evaluation_nanousd for pool in self.pools[kind]) / _NANO

    def sentence(self) -> str:
        qualities = ", ".join(f"{kind} {self.quality(kind):.4f}" for kind in _KINDS)
        requests = len(self.pools["static"][0].quality)
        held = [pool.held_at for pool in self.pools["adaptive"] if pool.held_at is not None]
        router = (
            f"the router itself put it on probation in {len(held)} of {len(self.pools['adaptive'])} runs, first at "
            f"request {min(held)}"
            if held
            else "the router itself never put it on probation"
        )
        return (
            f"Ranked by {self.name}, over {requests} requests: {qualities}; regret against the oracle "
            f"{self.regret('adaptive'):.1f} answers adaptive, {self.regret('static'):.1f} static; {router}."
        )

    def regret_plot(self) -> bytes:
        """Returns a plot of the cumulative regret over the requests."""
        series = {kind: self._growth(kind) for kind in ("adaptive", "static")}
        return plots.lines(series, "request", "regret, answers", f"Regret against the oracle, ranked by {self.name}")

    def report(self) -> dict[str, object]:
        return {
            kind: {
                "quality": self.quality(kind),
                "regret": self.regret(kind),
                "answers_usd": self.usd(kind)[0],
                "evaluations_usd": self.usd(kind)[1],
                "held_at": [pool.held_at for pool in self.pools[kind]],
            }
            for kind in _KINDS
        }

    def _growth(self, kind: str) -> list[tuple[float, Estimate]]:
        runs = [
            _sums(best.quality, own.quality) for best, own in zip(self.pools["oracle"], self.pools[kind], strict=True)
        ]
        step = max(1, len(runs[0]) // 48)
        return [(float(at + 1), _spread([run[at] for run in runs])) for at in range(0, len(runs[0]), step)]


def _routed(study: Study, plan: Plan, name: str, deals: Sequence[Deal]) -> _Routed:
    policy = one_goes_on(_STRATEGIES[name], study.boot_tokens or _BOOT_TOKENS, plan.judged.questions.pattern)
    pools: dict[str, list[Pool]] = {kind: [] for kind in _KINDS}
    for deal in deals:
        with study.progress.step(f"routing by {name}, run {deal.seed}"), scratch() as folder:
            pools["adaptive"].append(asyncio.run(adaptive(plan, deal, folder, policy)))
            pools["static"].append(asyncio.run(unchanging(plan, deal, folder, policy, foreseen=False)))
            pools["oracle"].append(asyncio.run(unchanging(plan, deal, folder, policy, foreseen=True)))
    return _Routed(name, pools)


def _table(routed: Sequence[_Routed]) -> Table:
    return Table(
        "What the pools are worth",
        ("ranked by", "pool", "quality", "regret", "$ answers", "$ evaluations"),
        [
            (
                each.name,
                kind,
                f"{each.quality(kind):.4f}",
                f"{each.regret(kind):.1f}",
                f"{each.usd(kind)[0]:.4f}",
                f"{each.usd(kind)[1]:.4f}",
            )
            for each in routed
            for kind in _KINDS
        ],
        "Means over the runs; regret is in answers, added up over a run.",
    )


def _notes(plan: Plan, deals: Sequence[Deal]) -> Sequence[str]:
    return (
        (
            f"{len(deals)} seeded runs of {plan.segments} equal parts, each with an evaluation in its middle; in parts "
            f"{plan.bad.start + 1} to {plan.bad.stop} the candidate gives to each prompt its answer to another one."
        ),
        (
            f"{len(deals[0].validation)} prompts of a run are the validation set, {len(deals[0].requests)} others are "
            f"asked; {len(deals[:_ROUTED_RUNS])} runs are routed."
        ),
        (
            "Adaptive: the pool obeys the evaluator, whose scores are its priors, and the router's own drift detector. "
            "Static: neither. Oracle: static, without the candidate exactly while it is bad."
        ),
        (
            "A wrong eviction is one of a candidate whose quality over the whole recording is not below what the pool "
            "needs; an evaluation with several counts once. Money of evaluations is real calls at list prices."
        ),
    )


def _caption(name: str) -> str:
    return f"Answers lost against the oracle, added up, ranked by {name}; the band is two standard errors over runs."


def _prompts(count: int | None, most: int) -> str:
    return f"{count} prompts" if count else f"more prompts than the {most} of the validation set"


def _sums(best: Sequence[float], own: Sequence[float]) -> list[float]:
    total, sums = 0.0, []
    for most, quality in zip(best, own, strict=True):
        total += most - quality
        sums.append(total)
    return sums


def _spread(values: Sequence[float]) -> Estimate:
    error = 2 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Estimate(fmean(values), fmean(values) - error, fmean(values) + error)
