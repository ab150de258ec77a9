"""Policies side by side as one table of figures, from which an experiment makes its tables, plots and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one policy.

    Attributes:
        name: Name of the policy.
        quality: Quality of its answers.
        gain: Difference in quality to the baseline, paired by prompt.
        output_tokens: Tokens that all calls wrote, a mean over the prompts.
        cost_usd: US dollars, a mean over the prompts.
        k: Drafts that were finished, a mean over the prompts.
    """

    name: str
    quality: Estimate
    gain: Estimate
    output_tokens: float
    cost_usd: float
    k: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The name, the quality and the gain as cells of a table: five, with the two intervals."""
        return (self.name, *self.quality.cells, *self.gain.difference_cells)

    @property
    def money_cells(self) -> tuple[str, str]:
        """Output tokens, and US dollars for 1,000 prompts, as two cells of a table."""
        return f"{self.output_tokens:,.0f}", f"{1000 * self.cost_usd:.4f}"

    @property
    def report(self) -> dict[str, object]:
        """The name, the quality and the gain for programs."""
        return {"name": self.name, "quality": self.quality._asdict(), "gain_best_single": self.gain._asdict()}


def frame(outcomes: Mapping[str, Outcomes], bootstrap: Bootstrap, baseline: str) -> dict[str, Row]:
    """Returns the figures of each policy, by name, in the order of `outcomes`.

    Args:
        outcomes: The outcomes of each policy on the same prompts; quality is measured for all of them.
        bootstrap: Resamples of these prompts.
        baseline: The policy that gains are measured against.
    """
    reference = outcomes[baseline].quality
    columns = {("quality", name): each.quality for name, each in outcomes.items()}
    columns |= {("gain", name): each.quality - reference for name, each in outcomes.items()}
    estimates = bootstrap.means(columns)
    return {
        name: Row(
            name=name,
            quality=estimates["quality", name],
            gain=estimates["gain", name],
            output_tokens=float(each.output_tokens.mean()),
            cost_usd=float(each.cost_usd.mean()),
            k=float(each.k.mean()),
        )
        for name, each in outcomes.items()
    }
