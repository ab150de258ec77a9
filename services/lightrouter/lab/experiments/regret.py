"""What it is worth that a pool follows its evaluator: quality, money, and the answers lost while a candidate is bad."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final, get_args

import numpy as np

from lightrouter.lab.dataset.questions import Floats
from lightrouter.lab.policies.rankers import STRATEGIES, one_goes_on
from lightrouter.lab.policies.simulation import Draw, Kind, Outcome, Plan, scratch, simulate
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.study import Study

RANKINGS: Final = ("prior", "consensus")
"""The ways of ranking by which runs are routed."""
# A choice: enough of an answer to compare it, and less than half of most.
_BOOT_TOKENS: Final = 40
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_BEST: Final[Kind] = "oracle"
_PLOTTED: Final[tuple[Kind, ...]] = ("adaptive", "static")
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


def findings(study: Study, plan: Plan, draws: Sequence[Draw]) -> Findings:
    """Returns the worth of each kind of pool under each way of ranking."""
    pools = {ranking: _pools(study, plan, ranking, draws) for ranking in RANKINGS}
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
