"""The figures of policies: means, intervals, and differences paired by prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lightrouter.lab.policies import oracle
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate

BEST_SINGLE = "best-single"
FULL_ENSEMBLE = "full-ensemble-majority"
_HELD = ("output_tokens", "input_tokens", "cost_usd", "cached_usd", "seconds")
_NOT_MEASURED = Estimate.of(math.nan)


@dataclass(frozen=True, slots=True)
class Figures:
    """Quality and cost of a policy, as means per prompt.

    Attributes:
        quality: Quality of the answers; NaN if it is not measured.
        output_tokens: Tokens that all calls wrote.
        input_tokens: Tokens that all calls read.
        output_share: Its output tokens as a share of the full ensemble's; NaN if that was not run.
        cost_usd: US dollars.
        cached_usd: US dollars if every prefix that a model has read before were cached.
        boot_output_tokens: Tokens of the boot stage.
        mean_k: Drafts that were finished.
        seconds: Simulated time from prompt to answer.
        planned_usd: US dollars that its calls were expected to cost; 0 if nobody planned.
        gain: Difference in quality to the policies named, paired by prompt.
        held: Tokens, dollars and seconds as if boot calls were held; empty without a boot stage.
    """

    quality: Estimate
    output_tokens: Estimate
    input_tokens: float
    output_share: float
    cost_usd: Estimate
    cached_usd: float
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

    def row(self, baseline: str = BEST_SINGLE) -> dict[str, Any]:
        """Returns the figures as a row of a table; `gain_best_single` is the difference to `baseline`."""
        return {
            "quality": self.quality,
            "gain_best_single": self.gain.get(baseline, Estimate.of(0.0)),
            "output_tokens": self.output_tokens.mean,
            "output_share": self.output_share,
            "cost_usd": self.cost_usd.mean,
            "mean_k": self.mean_k,
        }


class Results:
    """The outcomes of policies on the same prompts, and their figures.

    Attributes:
        outcomes: The outcomes of each policy.
        bootstrap: Resamples of the prompts.
    """

    def __init__(
        self,
        outcomes: Mapping[str, Outcomes],
        bootstrap: Bootstrap,
        baselines: Sequence[str] = (BEST_SINGLE, FULL_ENSEMBLE),
    ) -> None:
        """Takes the policies; `baselines` are those to which others are compared, if they were run."""
        self.outcomes = outcomes
        self.bootstrap = bootstrap
        self._baselines = [name for name in baselines if name in outcomes]

    @cached_property
    def figures(self) -> dict[str, Figures]:
        """The figures of each policy."""
        return {name: self._figures(name, each) for name, each in self.outcomes.items()}

    def gain(self, name: str, baseline: str) -> Estimate:
        """Returns the difference in quality of a policy to another one, paired by prompt."""
        return self.bootstrap.mean(self.outcomes[name].quality - self.outcomes[baseline].quality)

    def quality(self) -> dict[str, Estimate]:
        """Returns the quality of each policy, without the oracle."""
        return {name: each.quality for name, each in self.figures.items() if name != oracle.NAME}

    def rows(self) -> list[dict[str, Any]]:
        """Returns the figures of each policy as a row of a table; differences are to the first baseline."""
        return [{"name": name, **each.row(*self._baselines[:1])} for name, each in self.figures.items()]

    def _figures(self, name: str, own: Outcomes) -> Figures:
        measured = not np.isnan(own.quality).any()
        compared = [other for other in self._baselines if measured and other != name]
        columns = [own.output_tokens, own.cost_usd]
        if measured:
            columns += [own.quality, *(own.quality - self.outcomes[other].quality for other in compared)]
        tokens, cost, *rest = self.bootstrap.estimate(np.stack(columns, axis=1))
        full = self.outcomes.get(FULL_ENSEMBLE)
        most = 0.0 if full is None else float(full.output_tokens.mean())
        return Figures(
            quality=rest[0] if measured else _NOT_MEASURED,
            output_tokens=tokens,
            input_tokens=float(own.input_tokens.mean()),
            output_share=tokens.mean / most if most else math.nan,
            cost_usd=cost,
            cached_usd=float(own.cached_usd.mean()),
            boot_output_tokens=float(own.boot_output_tokens.mean()),
            mean_k=float(own.k.mean()),
            seconds=float(own.seconds.mean()),
            planned_usd=float(own.planned_usd.mean()),
            gain=dict(zip(compared, rest[1:], strict=True)),
            held={key: float(getattr(own, f"held_{key}").mean()) for key in _HELD if own.boot_output_tokens.any()},
        )


def flat(name: str, estimate: Estimate) -> dict[str, float]:
    """Returns an estimate as three named values: its mean and the ends of its interval."""
    return {name: estimate.mean, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
