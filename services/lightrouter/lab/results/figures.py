"""The figures of policies: means, intervals, and differences paired by prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate

BEST_SINGLE = "best-single"
FULL_ENSEMBLE = "full-ensemble-majority"
_HELD = ("output_tokens", "input_tokens", "cost_usd", "seconds")
_NOT_MEASURED = Estimate.exact(math.nan)


@dataclass(frozen=True, slots=True)
class Figures:
    """Quality and cost of a policy, as means per prompt.

    Attributes:
        quality: Quality of the answers; NaN if it is not measured.
        output_tokens: Tokens that all calls wrote.
        input_tokens: Tokens that all calls read.
        output_share: Its output tokens as a share of the full ensemble's; NaN if that was not run.
        cost_usd: US dollars.
        boot_output_tokens: Tokens of the boot stage.
        mean_k: Drafts that were finished.
        seconds: Simulated time from prompt to answer.
        planned_usd: US dollars that its calls were expected to cost; 0 if nobody planned.
        gain: Difference in quality to the policies named, paired by prompt.
        held: Output tokens, input tokens, dollars and seconds as if boot calls were held; empty without a boot stage.
    """

    quality: Estimate
    output_tokens: Estimate
    input_tokens: float
    output_share: float
    cost_usd: Estimate
    boot_output_tokens: float
    mean_k: float
    seconds: float
    planned_usd: float
    gain: Mapping[str, Estimate]
    held: Mapping[str, float]

    @property
    def measured(self) -> bool:
        """Whether the quality is measured."""
        return not math.isnan(self.quality.mean)

    @property
    def both_ways(self) -> Mapping[str, Mapping[str, float]]:
        """Tokens, money and time with cut calls and with held ones; empty without a boot stage."""
        cut = {
            "output_tokens": self.output_tokens.mean,
            "input_tokens": self.input_tokens,
            "cost_usd": self.cost_usd.mean,
            "seconds": self.seconds,
        }
        return {"cut": cut, "held": self.held} if self.held else {}

    def row(self, baseline: str = BEST_SINGLE) -> dict[str, Any]:
        """Returns the figures as a row of a table; `gain_best_single` is the difference to `baseline`."""
        return {
            "quality": self.quality,
            "gain_best_single": self.gain.get(baseline, Estimate.exact(0.0)),
            "output_tokens": self.output_tokens.mean,
            "output_share": self.output_share,
            "cost_usd": self.cost_usd.mean,
            "mean_k": self.mean_k,
        }


def summarize(
    outcomes: Mapping[str, Outcomes], bootstrap: Bootstrap, baselines: Sequence[str] = (BEST_SINGLE, FULL_ENSEMBLE)
) -> dict[str, Figures]:
    """Returns the figures of each policy, with differences to those of the baselines that were run."""
    full = outcomes.get(FULL_ENSEMBLE)
    most = 0.0 if full is None else float(full.output_tokens.mean())
    figures: dict[str, Figures] = {}
    for name, each in outcomes.items():
        measured = not np.isnan(each.quality).any()
        compared = [other for other in baselines if measured and other in outcomes and other != name]
        columns = [each.output_tokens, each.cost_usd]
        if measured:
            columns += [each.quality, *(each.quality - outcomes[other].quality for other in compared)]
        tokens, cost, *rest = bootstrap.estimate(np.stack(columns, axis=1))
        figures[name] = Figures(
            quality=rest[0] if measured else _NOT_MEASURED,
            output_tokens=tokens,
            input_tokens=float(each.input_tokens.mean()),
            output_share=float(tokens.mean / most) if most else math.nan,
            cost_usd=cost,
            boot_output_tokens=float(each.boot_output_tokens.mean()),
            mean_k=float(each.k.mean()),
            seconds=float(each.seconds.mean()),
            planned_usd=float(each.planned_usd.mean()),
            gain=dict(zip(compared, rest[1:], strict=True)),
            held={key: float(getattr(each, f"held_{key}").mean()) for key in _HELD if each.boot_output_tokens.any()},
        )
    return figures


def flat(name: str, estimate: Estimate) -> dict[str, float]:
    """Returns an estimate as three named values: its mean and the ends of its interval."""
    return {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
