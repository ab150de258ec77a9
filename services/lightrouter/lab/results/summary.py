"""The figures of a comparison: means, intervals, and differences paired by prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate

BEST_SINGLE = "best-single"
FULL_ENSEMBLE = "full-ensemble-majority"


@dataclass(frozen=True, slots=True)
class Figures:
    """Quality and cost of a policy, as means per prompt.

    Attributes:
        quality: Quality of the answers; None if it is not measured.
        output_tokens: Tokens that all calls wrote.
        input_tokens: Tokens that all calls read.
        output_share: Its output tokens as a share of the full ensemble's.
        cost_usd: US dollars.
        boot_output_tokens: Tokens of the boot stage.
        mean_k: Drafts that were finished.
        seconds: Simulated time from prompt to answer.
        gain: Difference in quality to the policies named, paired by prompt.
    """

    quality: Estimate | None
    output_tokens: Estimate
    input_tokens: float
    output_share: float
    cost_usd: Estimate
    boot_output_tokens: float
    mean_k: float
    seconds: float
    gain: Mapping[str, Estimate]


def summarize(outcomes: Mapping[str, Outcomes], bootstrap: Bootstrap) -> dict[str, Figures]:
    """Returns the figures of each policy, with differences to best single and full ensemble if these were run."""
    full = outcomes.get(FULL_ENSEMBLE)
    baselines = [name for name in (BEST_SINGLE, FULL_ENSEMBLE) if name in outcomes]
    figures: dict[str, Figures] = {}
    for name, each in outcomes.items():
        measured = not np.isnan(each.quality).any()
        compared = [baseline for baseline in baselines if measured and baseline != name]
        columns = [each.output_tokens, each.cost_usd]
        if measured:
            columns += [each.quality, *(each.quality - outcomes[baseline].quality for baseline in compared)]
        tokens, cost, *rest = bootstrap.estimate(np.stack(columns, axis=1))
        figures[name] = Figures(
            quality=rest[0] if measured else None,
            output_tokens=tokens,
            input_tokens=float(each.input_tokens.mean()),
            output_share=float(tokens.mean / full.output_tokens.mean()) if full is not None else float("nan"),
            cost_usd=cost,
            boot_output_tokens=float(each.boot_output_tokens.mean()),
            mean_k=float(each.k.mean()),
            seconds=float(each.seconds.mean()),
            gain=dict(zip(compared, rest[1:], strict=True)),
        )
    return figures
