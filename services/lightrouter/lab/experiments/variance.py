"""Correlation of the candidates' errors, and the gain of merging k of them compared with independent errors.

Were errors independent, the mean of k answers would have 1/k of the variance of one. With a mean correlation r it has
(1 + (k - 1) r) / k of it: however many are merged, r stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from lightrouter.lab.dataset.questions import Floats, LabelledData, Questions
from lightrouter.lab.experiments.study import Findings, Study
from lightrouter.lab.policies.baselines.votes import winner
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Table
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate

ABOUT = "Correlation of the candidates' errors, and the gain of merging k against the σ²/k of independence."

_HEAT = "1: they err on the same prompts; 0: independently."
_NOTES = (
    "An error is the distance of an answer's quality from its candidate's mean quality.",
    (
        "Independent errors: each candidate is right as often as it is, on prompts drawn by chance; where it is wrong "
        "it gives one of the other answers by chance; then votes are counted. Where answers are not right or wrong "
        "there is no such vote, and the text wins that agrees most with the others by its words."
    ),
)
# A choice: most subsets of one size.
_MOST_SUBSETS = 12


def run(study: Study) -> Findings:
    """Measures variances, votes and correlations over subsets of the candidates."""
    judged = study.data.test
    correlations = _correlations(judged.quality)
    correlation = study.bootstrap.mean(_alike(judged.quality))
    mean_correlation = correlation.mean
    rng = np.random.default_rng(study.seed)
    sizes = range(1, len(study.models) + 1)
    study.progress.expect(len(sizes))
    rows = []
    for size in sizes:
        with study.progress.step(f"merging {size}"):
            rows.append(_Merged(judged, _subsets(len(study.models), size, rng), study.bootstrap, rng))
    single = rows[0].variance
    predicted = [single * (1 + (size - 1) * mean_correlation) / size for size in sizes]
    last = rows[-1]
    # Candidates that are always right or always wrong have no variance that merging could reduce.
    left = last.variance / single if single else 1.0
    worth = len(sizes) / max(1 + (len(sizes) - 1) * mean_correlation, 1e-9)
    sentences = (
        (
            f"The candidates' errors correlate by {mean_correlation:.3f} on average ({correlation.low:.3f} to "
            f"{correlation.high:.3f}). Merging all {len(sizes)} leaves "
            f"{left:.0%} of one candidate's variance; independence would leave {1 / len(sizes):.0%}."
        ),
        (
            f"Merging these {len(sizes)} is worth merging {worth:.1f} independent ones, and no number of "
            f"such candidates is worth more than {1 / max(mean_correlation, 1e-9):.1f}."
        ),
        (
            f"The vote of {len(sizes)} reaches {last.vote}; {_if_independent(last)}one candidate drawn by "
            f"chance {rows[0].vote}."
        ),
    )
    return Findings(
        title="Errors that candidates share, and what merging k gains",
        sentences=sentences,
        figures=[
            Figure("correlation", plots.heat(correlations.tolist(), study.models, "correlation of errors"), _HEAT),
            Figure("variance", _variance_plot(rows, predicted), "Variance of the mean quality of k candidates."),
            Figure("vote", _vote_plot(rows), "Quality of what k candidates merge into, with 95 % intervals."),
        ],
        tables=[
            Table(
                "Merging k",
                ("k", "variance", "σ²/k", "σ²(1+(k-1)r)/k", "vote", "95 %", "vote, independent errors"),
                [
                    (
                        str(size),
                        f"{row.variance:.4f}",
                        f"{single / size:.4f}",
                        f"{expected:.4f}",
                        *row.vote.cells,
                        f"{row.independent.mean:.4f}" if row.independent else "-",
                    )
                    for size, row, expected in zip(sizes, rows, predicted, strict=True)
                ],
                f"Means over at most {_MOST_SUBSETS} subsets of k candidates. variance: of their mean quality over the "
                "prompts; σ²/k: what it would be with independent errors; σ²(1+(k-1)r)/k: with the mean correlation r; "
                "vote: quality of the answer that wins among them.",
            )
        ],
        report={
            "mean_correlation": mean_correlation,
            "mean_correlation_low": correlation.low,
            "mean_correlation_high": correlation.high,
            "correlations": [[float(value) for value in row] for row in correlations],
            "models": list(study.models),
            "merging": [
                {
                    "k": size,
                    "variance": row.variance,
                    "variance_if_independent": single / size,
                    "variance_by_correlation": expected,
                    "vote": row.vote._asdict(),
                    "vote_if_independent": row.independent and row.independent._asdict(),
                }
                for size, row, expected in zip(sizes, rows, predicted, strict=True)
            ],
        },
        notes=_NOTES,
    )


class _Merged:
    """The gain of merging subsets of one size, as means over the subsets."""

    def __init__(
        self, judged: LabelledData, subsets: Sequence[tuple[int, ...]], bootstrap: Bootstrap, rng: np.random.Generator
    ) -> None:
        quality = judged.quality
        centred = quality - quality.mean(axis=0)
        self.variance = float(np.mean([centred[:, subset].mean(axis=1).var() for subset in subsets]))
        votes = np.mean([_votes(judged.questions, quality, subset) for subset in subsets], axis=0)
        dealt = np.stack([rng.permutation(column) for column in quality.T], axis=1)
        self.vote = bootstrap.mean(votes)
        self.independent: Estimate | None = None
        if np.isin(quality, (0.0, 1.0)).all():
            wrong = max(1, len({answer for row in judged.questions.answers for answer in row if answer}) - 1)
            chance = np.mean([_independent(dealt[:, subset], wrong, rng) for subset in subsets], axis=0)
            self.independent = bootstrap.mean(chance)


def _correlations(quality: Floats) -> Floats:
    # A candidate without variance has no correlation; 0 stands for it.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num(np.corrcoef(quality.T)), dtype=float)


def _alike(quality: Floats) -> Floats:
    """Returns for each prompt the mean product of two candidates' errors in standard deviations.

    Its mean over the prompts is the mean correlation.
    """
    spread = quality.std(axis=0)
    errors = (quality - quality.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    count = quality.shape[1]
    products = errors.sum(axis=1) ** 2 - (errors**2).sum(axis=1)
    return np.asarray(products / (count * (count - 1)), dtype=float)


def _subsets(count: int, size: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    every = list(combinations(range(count), size))
    if len(every) <= _MOST_SUBSETS:
        return every
    return [every[index] for index in rng.choice(len(every), _MOST_SUBSETS, replace=False)]


def _votes(questions: Questions, quality: Floats, subset: tuple[int, ...]) -> Floats:
    """Returns the quality of the winning answer of a subset, one per prompt."""
    order = sorted(range(len(subset)), key=lambda index: -float(quality[:, subset[index]].mean()))
    weights = [1.0] * len(subset)
    found = []
    for index in range(len(questions)):
        answers = [questions.answers[index][model] for model in subset]
        texts = [questions.texts[index][model] for model in subset]
        found.append(quality[index, subset[winner(answers, texts, weights, order)]])
    return np.array(found)


def _independent(dealt: Floats, wrong: int, rng: np.random.Generator) -> Floats:
    """Returns the quality of the vote if errors are independent and spread evenly over the wrong answers.

    Args:
        dealt: Whether each candidate is right, one row per prompt.
        wrong: Number of wrong answers.
        rng: Draws the wrong answers.
    """
    given = np.where(dealt == 1, 0, rng.integers(1, wrong + 1, size=dealt.shape))
    votes = (given[:, :, None] == given[:, None, :]).sum(axis=2)
    # A tie goes to the candidate with the better mean, as among the recorded answers.
    order = np.argsort(-dealt.mean(axis=0), kind="stable")
    first = order[np.argmax(votes[:, order] == votes.max(axis=1)[:, None], axis=1)]
    return np.asarray(given[np.arange(len(given)), first] == 0, dtype=float)


def _variance_plot(rows: Sequence[_Merged], predicted: Sequence[float]) -> bytes:
    single = rows[0].variance
    series = {
        "measured": [(size, Estimate.exact(row.variance)) for size, row in enumerate(rows, 1)],
        "σ²/k: independent": [(size, Estimate.exact(single / size)) for size in range(1, len(rows) + 1)],
        "σ²(1+(k-1)r)/k": [(size, Estimate.exact(value)) for size, value in enumerate(predicted, 1)],
    }
    return plots.lines(series, "k", "variance", "Variance that merging leaves")


def _vote_plot(rows: Sequence[_Merged]) -> bytes:
    series = {"measured": [(size, row.vote) for size, row in enumerate(rows, 1)]}
    independent = [(size, row.independent) for size, row in enumerate(rows, 1) if row.independent]
    if independent:
        series["with independent errors"] = independent
    return plots.lines(series, "k", "quality", "What merging k gains")


def _if_independent(merged: _Merged) -> str:
    if merged.independent is None:
        return ""
    return f"that of as many with independent errors would reach {merged.independent}; "
