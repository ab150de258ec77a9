"""A candidate goes bad half-way and recovers: when the pool evicts and readmits it, and what that is worth."""

from __future__ import annotations

import asyncio
from typing import Final

from lightrouter.evaluator.decision import Rules
from lightrouter.lab.experiments import evictions, regret
from lightrouter.lab.policies.simulation import Draw, Plan, scratch, simulate
from lightrouter.lab.report.page import Findings
from lightrouter.lab.study import Study

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


def run(study: Study) -> Findings:
    """Evaluates the changing pool in many runs, and routes through it in a few."""
    data = study.data.test
    means = [float(mean) for mean in data.quality.mean(axis=0)]
    plan = Plan(data, study.prices, means.index(max(means)), _SEGMENTS, _BAD, _MOST_REQUESTS, _MOST_VALIDATION, Rules())
    count = min(_MOST_RUNS, max(1, len(data) // _PROMPTS_A_RUN))
    draws = [Draw(plan, study.seed + number) for number in range(count)]
    study.progress.expect(count + len(draws[:_ROUTED_RUNS]) * len(regret.RANKINGS))
    runs = []
    for draw in draws:
        with study.progress.step(f"evaluating, run {draw.seed}"), scratch() as folder:
            runs.append(asyncio.run(simulate(plan, draw, folder, None, "adaptive")))
    found = evictions.findings(plan, means, draws, runs) + regret.findings(study, plan, draws[:_ROUTED_RUNS])
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
