"""The learned ranking of candidates that it was not trained on, by the number of calibration prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.baselines.single import BestSingle
from lightrouter.lab.policies.calibrated import Calibrated
from lightrouter.lab.policies.decision import Policy
from lightrouter.lab.policies.rankers import ranker
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import INTERVALS, Figure, Findings
from lightrouter.lab.report.table import QUALITY, tabulate
from lightrouter.lab.results.figures import BEST_SINGLE
from lightrouter.lab.study import Study
from lightrouter.selector.learned import CurrentModel

# Choices: the prompts with which a new candidate is calibrated, and their number in the findings.
_CALIBRATION: Final = (0, 20, 50, 200)
_REPORTED: Final = 50
_BEST_BY: Final = "best by calibration"
_NOTE: Final = (
    "Unseen candidates are those of odd rank by quality on the training prompts; the model is trained on the others. "
    "Calibration prompts are drawn from the training prompts. The mean quality on them is all that is known of an "
    f"unseen candidate, and {_BEST_BY} chooses by it alone."
)


def run(study: Study) -> Findings:
    """Evaluates the learned ranking of held-out candidates, by the number of calibration prompts."""
    order = np.argsort(-study.priors, kind="stable")
    new, seen = (tuple(study.models[model] for model in order[first::2]) for first in (0, 1))
    test, train = study.data.test, study.data.train
    data = replace(study.data, test=test.of_models(new), train=train and train.of_models(new))

    def policies(number: int, labelled: LabelledData) -> list[Policy]:
        known = (train or test).take(study.data.splits[number].train).of_models(seen)
        return [BestSingle(), *_calibrated(study, labelled, study.trained.on(f"seen-{number}", known))]

    results = study.results(policies, data)
    figures, rows = results.figures, results.rows()
    to_known = results.gain(f"learned, {_REPORTED} prompts", f"{_BEST_BY}, {_REPORTED} prompts")
    to_single = figures[f"learned, {_REPORTED} prompts"].gain[BEST_SINGLE]
    text = ", ".join(f"{count}: {figures[f'learned, {count} prompts'].quality.mean:.4f}" for count in _CALIBRATION)
    names = ", ".join(new)
    plot = plots.intervals(results.quality(), "quality", "Unseen")
    return Findings(
        sentences=[
            (
                f"On unseen candidates ({names}), by calibration prompts: {text}. The best single one of them, known "
                f"from all training prompts: {figures[BEST_SINGLE].quality.mean:.4f}."
            ),
            (
                f"On unseen candidates with {_REPORTED} calibration prompts the learned ranking is "
                f"{to_single.verdict} the best single one among them, which is known from all training prompts: "
                f"{to_single.difference}. It is {to_known.verdict} the one that is best on these {_REPORTED} prompts: "
                f"{to_known.difference}."
            ),
        ],
        figures=[Figure("candidates", plot, f"Candidates that the model was not trained on. {INTERVALS}")],
        tables=[tabulate(f"Unseen candidates: {names}", {"policy": "name", **QUALITY}, rows)],
        report={
            "candidates": {"unseen": new, "seen": seen, "gain_best_by_calibration": to_known, "figures": rows},
        },
        notes=[_NOTE],
    )


def _calibrated(study: Study, labelled: LabelledData, model: CurrentModel) -> Iterator[Policy]:
    """Yields the learned ranking and the best single model, each known from some of the training prompts."""
    for count in _CALIBRATION:
        drawn = np.random.default_rng(study.seed).permutation(len(labelled))[:count]
        route = ranker("learned", study.boot(labelled), labelled, study.prices, model, suffix=f", {count} prompts")
        yield Calibrated(route, drawn)
        if count:
            yield Calibrated(BestSingle(f"{_BEST_BY}, {count} prompts"), drawn)
