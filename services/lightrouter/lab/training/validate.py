"""Cross-validates the learned selector: quality of its pick, calibration, and the gain of a second draft."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lightrouter.lab.dataset.questions import Floats
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.results.running import Progress
from lightrouter.lab.training import worths
from lightrouter.lab.training.cases import Case, Cases, TrainingError
from lightrouter.lab.training.gains import Sample, steps
from lightrouter.lab.training.planning import Fold, fold_of, planned, whole_gains
from lightrouter.lab.training.quality import Held, Situation, TrainingOptions, cross_fitted
from lightrouter.lab.training.train import train
from lightrouter.lab.training.worths import Bought
from lightrouter.learned.artifact import Artifact
from lightrouter.learned.gain import Gains
from lightrouter.learned.model import Model
from lightrouter.learned.priors import Neighbours
from lightrouter.recording import prices as price_lists
from lightrouter.recording.prices import PriceList
from lightrouter.recording.recording import LabelledRecording
from lightrouter.v1.policy_pb2 import AnswerPattern

# A choice: figures are for a shortlist of three, at the middle boot length of the options.
_POOL = 3
_BINS = 10
_FEWEST_PROMPTS = 50


class _Scored(NamedTuple):
    """Expected and real quality of the candidates on one prompt of a fold.

    Attributes:
        expected: Expected quality of each partial on the shortlist.
        quality: Real quality of their answers.
        single: Quality of the answer of the candidate that is best in the other folds.
        gain: Gain in quality of the pick after a second draft was finished.
    """

    expected: list[float]
    quality: list[float]
    single: float
    gain: float


def trained(
    recordings: Sequence[LabelledRecording],
    options: TrainingOptions,
    seed: int,
    folds: int,
    progress: Progress,
    pattern: AnswerPattern | None = None,
    prices: PriceList | None = None,
) -> tuple[Artifact, bytes | None]:
    """Returns the artifact with its cross-validated figures, and the calibration plot, PNG.

    There are no figures and no plot with one fold, with few prompts, or if all prompts are equal. Without `pattern`, it
    is inferred for each recording from its right answers. Without `prices`, those of the package hold.

    Raises:
        TrainingError: There is nothing to learn from, or there are more folds than prompts.
    """
    cases = Cases.of(recordings, pattern)
    drawn = cases.folds(folds, seed)
    filled = sorted(set(drawn))
    prompts = len(cases.cases)
    measured = folds > 1 and prompts >= _FEWEST_PROMPTS and len(filled) > 1
    if measured and folds > prompts:
        raise TrainingError(f"{prompts} prompts cannot make {folds} folds; give --folds {prompts} or less")
    progress.expect(3 * len(filled) + 1 if measured else 1)
    if not measured:
        with progress.step("training"):
            return train(recordings, options, seed, pattern, prices=prices), None
    scored: dict[int, _Scored] = {}
    held: list[Held] = []
    samples: list[list[Sample]] = []
    boot_tokens = options.boot_tokens[len(options.boot_tokens) // 2]
    fitted = cross_fitted(cases, options, seed, folds)
    for number in range(len(filled)):
        with progress.step(f"fold {number + 1}"):
            held.append(next(fitted))
            samples.append(list(steps(cases, held[-1], seed)))
            for index in held[-1].indices:
                scored[index] = _scored(held[-1].model, cases.cases[index], boot_tokens)
    listed = prices or price_lists.load()
    routes: dict[int, list[Bought]] = {}
    parts: list[Fold] = []
    for number, each in enumerate(held):
        with progress.step(f"routes, fold {number + 1}"):
            others = (part for other, part in enumerate(samples) if other != number)
            parts.append(fold_of(cases, each, others, listed, seed))
    gains: list[Gains] = []
    whole = whole_gains(parts, seed)
    for number, each in enumerate(held):
        with progress.step(f"worth, fold {number + 1}"):
            gains.append(next(whole))
            routes |= worths.bought(cases, each, gains[-1], listed)
    texts = [case.text for case in cases.cases]
    points = worths.curve(list(routes.values()), [texts[index] for index in routes], seed)
    rows = [scored[index] for index in range(prompts)]
    with progress.step("training"):
        planning = planned(cases, parts, gains, samples, options, seed, listed)
        artifact = train(recordings, options, seed, pattern, planning)
    metrics = {
        **_figures(rows, texts, seed),
        "recommended_worth_usd": worths.recommended(points).worth_usd,
        "worths": [each.row for each in points],
        "boots": [each.row for each in planning.paid],
    }
    return replace(artifact, metrics=metrics), _calibration(rows)


def _scored(model: Model, case: Case, boot_tokens: int) -> _Scored:
    """Returns the figures of a model on a prompt that it has not seen."""
    situation, priors = Situation(case, model.featurizer), model.priors
    indices = situation.shortlist(_POOL)
    booted: dict[int, int | None] = dict.fromkeys(indices, boot_tokens)
    expected = _expected(model, situation, booted)
    order = sorted(indices, key=lambda index: -expected[index])
    quality = {index: case.example.quality[index] or 0.0 for index in indices}
    gain = 0.0
    if len(order) > 1:
        both = _expected(model, situation, booted | {order[0]: None, order[1]: None})
        gain = quality[max(order[:2], key=lambda index: both[index])] - quality[order[0]]
    single = max(case.present, key=lambda index: priors.prior(priors.candidates[index], Neighbours()).overall)
    return _Scored(
        expected=[expected[index] for index in indices],
        quality=[quality[index] for index in indices],
        single=case.example.quality[single] or 0.0,
        gain=gain,
    )


def _expected(model: Model, situation: Situation, shown: dict[int, int | None]) -> dict[int, float]:
    return {index: model.quality(row) for index, row in zip(shown, situation.rows(shown), strict=True)}


def _figures(rows: Sequence[_Scored], texts: Sequence[str], seed: int) -> dict[str, object]:
    picked = [each.quality[int(np.argmax(each.expected))] for each in rows]
    brier = [float(np.mean((np.array(each.expected) - np.array(each.quality)) ** 2)) for each in rows]
    single = [each.single for each in rows]
    gain = [each.gain for each in rows]
    columns = np.array([picked, single, np.subtract(picked, single), brier, gain], dtype=np.float64).T
    names = ("picked_quality", "best_single_quality", "difference", "brier", "second_draft_gain")
    return {
        "prompts": len(rows),
        **{name: _rounded(each) for name, each in zip(names, Bootstrap(texts, seed).estimate(columns), strict=True)},
    }


def _rounded(estimate: Estimate) -> list[float]:
    return [round(value, 4) for value in estimate]


def _calibration(rows: Sequence[_Scored]) -> bytes:
    """Returns a plot of real over expected quality, in bins with equal numbers of answers, as PNG."""
    from matplotlib.figure import Figure

    expected: Floats = np.array([value for each in rows for value in each.expected])
    quality: Floats = np.array([value for each in rows for value in each.quality])
    order = np.argsort(expected, kind="stable")
    bins = [part for part in np.array_split(order, _BINS) if len(part)]
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    means = [float(quality[part].mean()) for part in bins]
    errors = [1.96 * float(quality[part].std()) / len(part) ** 0.5 for part in bins]
    axes.errorbar([float(expected[part].mean()) for part in bins], means, errors, fmt="o", capsize=3)
    axes.set(xlabel="expected quality", ylabel="quality, with 95 % interval", xlim=(0, 1), ylim=(0, 1))
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
