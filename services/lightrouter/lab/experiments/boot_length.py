"""Quality and cost by boot length, and the length from which more tokens gain nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.baselines.ensemble import full_majority
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import COST, QUALITY, tabulate
from lightrouter.lab.results.figures import BEST_SINGLE, Results, flat
from lightrouter.lab.study import Study

KINDS: Final = ("learned", "consensus", "prior")
# Choices: from almost nothing to more than a median answer, denser at the short end.
_SHORT: Final = (5, 10, 20, 40, 60, 100, 200)
_LONG: Final = (25, 50, 75, 100, 150, 200, 300)
# A choice: long boots are tried if the median answer has at least this many tokens.
_LONG_ANSWERS: Final = 250
_NOTES: Final = (
    "Every candidate boots, and only the best-ranked one continues, so the figures measure the ranking.",
    (
        "The recommended length is the shortest one whose quality is not established to be below that of the best "
        "length (paired by prompt, 95 %). At the inflection, the curve over the logarithm of the length bends most."
    ),
)


def run(study: Study) -> Findings:
    """Routes every prompt at every boot length with each way of ranking."""
    median = float(np.median(study.data.test.questions.output_tokens))
    lengths = _LONG if median >= _LONG_ANSWERS else _SHORT

    def policies(number: int, train: LabelledData) -> list[Policy]:
        own = [study.ranker(kind, length, number, train, f" B={length}") for kind in KINDS for length in lengths]
        return [BestSingle(), full_majority(), *own]

    results = study.results(policies)
    figures = results.figures
    curves = {kind: _curve(kind, lengths, results) for kind in KINDS}
    quality = {kind: [(each["boot_tokens"], each["quality"]) for each in curves[kind]["points"]] for kind in KINDS}
    tokens = {kind: [(at, figures[f"{kind} B={at}"].output_tokens) for at in lengths] for kind in KINDS}
    columns = {"boot tokens": "boot_tokens", **QUALITY, "of full": "output_share", **COST}
    return Findings(
        title="How many boot tokens it takes",
        sentences=[_sentence(kind, **curve) for kind, curve in curves.items()],
        figures=[
            Figure("quality", plots.lines(quality, "boot tokens", "quality", "One goes on", log=True), INTERVALS),
            Figure("tokens", plots.lines(tokens, "boot tokens", "output tokens", "Cost", log=True), INTERVALS),
        ],
        tables=[
            tabulate(f"Ranked by {kind}", columns, each["points"], marked=[lengths.index(each["recommended"])])
            for kind, each in curves.items()
        ],
        report={
            "median_output_tokens": median,
            "best_single": figures[BEST_SINGLE].quality.mean,
            "curves": {
                kind: {**curve, "points": [{**each, **flat("quality", each["quality"])} for each in curve["points"]]}
                for kind, curve in curves.items()
            },
        },
        notes=_NOTES,
    )


def _curve(kind: str, lengths: Sequence[int], results: Results) -> dict[str, Any]:
    """Returns the recommended length, the inflection, and the figures at each length."""
    quality = {length: results.outcomes[f"{kind} B={length}"].quality for length in lengths}
    best = max(quality.values(), key=lambda each: float(each.mean()))
    behind = results.bootstrap.means({length: each - best for length, each in quality.items()})
    x, y = np.log(np.array(lengths, dtype=float)), np.array([each.mean() for each in quality.values()])
    # The curve bends most where it is farthest above the line between its ends.
    above = y - (y[0] + (x - x[0]) / (x[-1] - x[0]) * (y[-1] - y[0]))
    return {
        "recommended": next(length for length in lengths if behind[length].high >= 0),
        "inflection": lengths[int(np.argmax(above))],
        "points": [{"boot_tokens": length, **results.figures[f"{kind} B={length}"].row()} for length in lengths],
    }


def _sentence(kind: str, recommended: int, inflection: int, points: Sequence[Mapping[str, Any]]) -> str:
    (own,) = [each for each in points if each["boot_tokens"] == recommended]
    best = max(points, key=lambda each: float(each["quality"].mean))
    ends = (points[0]["boot_tokens"], points[-1]["boot_tokens"])
    bend = "does not bend" if inflection in ends else f"bends most at {inflection}"
    return (
        f"{kind}: {recommended} boot tokens are recommended, with {own['quality'].mean:.4f} at "
        f"{own['output_share']:.0%} of the full ensemble's output tokens; the best is {best['quality'].mean:.4f} with "
        f"{best['boot_tokens']}; the curve {bend}."
    )
