"""Quality and cost by boot length, and the length from which more tokens gain nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.baselines.ensemble import full_majority
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.accounts import Outcomes
from lightrouter.lab.results.bootstrap import Estimate
from lightrouter.lab.results.summary import BEST_SINGLE, FULL_ENSEMBLE

ABOUT = "Quality and cost from the shortest boot to the longest, and the length from which more gains nothing."

_SHORT: Final = (5, 10, 20, 40, 60, 100, 200)
_LONG: Final = (25, 50, 75, 100, 150, 200, 300)
# A choice: long boots are tried if the median answer has at least this many tokens.
_LONG_ANSWERS: Final = 250
KINDS: Final = ("learned", "consensus", "prior")


def run(study: Study) -> Findings:
    """Routes every prompt at every boot length with each way of ranking."""
    median = float(np.median(study.data.test.questions.output_tokens))
    lengths = _LONG if median >= _LONG_ANSWERS else _SHORT

    def policies(number: int, train: LabelledData) -> list[Policy]:
        own = [study.ranker(kind, length, number, train, _suffix(length)) for kind in KINDS for length in lengths]
        return [BestSingle(), full_majority(), *own]

    outcomes = study.outcomes(policies)
    curves = {kind: _Curve(study, outcomes, kind, lengths) for kind in KINDS}
    full = outcomes[FULL_ENSEMBLE].output_tokens.mean()
    sentences = [curve.sentence(full) for curve in curves.values()]
    quality = {kind: list(zip(lengths, curve.quality, strict=True)) for kind, curve in curves.items()}
    tokens = {kind: list(zip(lengths, curve.tokens, strict=True)) for kind, curve in curves.items()}
    return Findings(
        title="How many boot tokens it takes",
        sentences=sentences,
        figures=[
            Figure("quality", plots.lines(quality, _LENGTHS, "quality", "One goes on", log=True), _CAPTION),
            Figure("tokens", plots.lines(tokens, _LENGTHS, "output tokens a prompt", "Cost", log=True), _CAPTION),
        ],
        tables=[_table(kind, curve, full) for kind, curve in curves.items()],
        report={
            "median_output_tokens": median,
            "best_single": float(outcomes[BEST_SINGLE].quality.mean()),
            "curves": {kind: curve.report(full) for kind, curve in curves.items()},
        },
        notes=(
            "Every candidate boots, the best-ranked one alone goes on: the figures are those of the ranking.",
            (
                "Recommended is the shortest boot whose quality is not established to be below the best "
                "length's, paired "
                "by prompt at 95 %. The inflection is where the curve over the logarithm of the length bends most."
            ),
        ),
    )


_LENGTHS = "boot tokens"
_CAPTION = "With 95 % intervals over prompts."


class _Curve:
    """Figures of one way of ranking by boot length."""

    def __init__(self, study: Study, outcomes: Mapping[str, Outcomes], kind: str, lengths: Sequence[int]) -> None:
        found = [outcomes[kind + _suffix(length)] for length in lengths]
        best = max(found, key=lambda each: float(each.quality.mean()))
        single = outcomes[BEST_SINGLE]
        columns = [
            *(each.quality for each in found),
            *(each.output_tokens for each in found),
            *(each.cost_usd for each in found),
            *(each.quality - best.quality for each in found),
            *(each.quality - single.quality for each in found),
        ]
        estimates = study.bootstrap.estimate(np.stack(columns, axis=1))
        count = len(lengths)
        self.kind = kind
        self.lengths = lengths
        self.quality, self.tokens, self.cost, behind, self.gain = (
            estimates[index : index + count] for index in range(0, 5 * count, count)
        )
        self.recommended = next(length for length, each in zip(lengths, behind, strict=True) if each.high >= 0)
        self.inflection = _inflection(lengths, self.quality)

    def sentence(self, full: float) -> str:
        index = self.lengths.index(self.recommended)
        quality, share = self.quality[index].mean, self.tokens[index].mean / full
        best = max(range(len(self.lengths)), key=lambda each: self.quality[each].mean)
        return (
            f"{self.kind}: {self.recommended} boot tokens are recommended, with {quality:.4f} at {share:.0%} of the "
            f"full ensemble's output tokens; the best is {self.quality[best].mean:.4f} with "
            f"{self.lengths[best]}; {self._bend()}."
        )

    def _bend(self) -> str:
        if self.inflection in (self.lengths[0], self.lengths[-1]):
            return "the curve does not bend"
        return f"the curve bends most at {self.inflection}"

    def report(self, full: float) -> dict[str, object]:
        return {
            "recommended": self.recommended,
            "inflection": self.inflection,
            "points": [
                {
                    "boot_tokens": length,
                    "quality": quality.mean,
                    "quality_low": quality.low,
                    "quality_high": quality.high,
                    "output_tokens": tokens.mean,
                    "output_share": tokens.mean / full,
                    "cost_usd": cost.mean,
                    "gain_best_single": gain._asdict(),
                }
                for length, quality, tokens, cost, gain in zip(
                    self.lengths, self.quality, self.tokens, self.cost, self.gain, strict=True
                )
            ],
        }


def _inflection(lengths: Sequence[int], quality: Sequence[Estimate]) -> int:
    """Returns the length at which the curve is farthest above the line between its ends."""
    x = np.log(np.array(lengths, dtype=float))
    y = np.array([each.mean for each in quality])
    along = (x - x[0]) / (x[-1] - x[0])
    return lengths[int(np.argmax(y - (y[0] + along * (y[-1] - y[0]))))]


def _table(kind: str, curve: _Curve, full: float) -> Table:
    return Table(
        f"Ranked by {kind}",
        ("boot tokens", "quality", "95 %", "to best-single", "95 %", "output tokens", "of full", "$ / 1,000"),
        [
            (
                str(length),
                *quality.cells,
                *gain.difference_cells,
                f"{tokens.mean:,.0f}",
                f"{tokens.mean / full:.1%}",
                f"{1000 * cost.mean:.4f}",
            )
            for length, quality, gain, tokens, cost in zip(
                curve.lengths, curve.quality, curve.gain, curve.tokens, curve.cost, strict=True
            )
        ],
        marked=frozenset({curve.lengths.index(curve.recommended)}),
    )


def _suffix(length: int) -> str:
    return f" B={length}"
