"""Correlation of the candidates' errors, and the gain of merging k of them compared with independent errors.

Were errors independent, the mean of k answers would have 1/k of the variance of one. With a mean correlation r it has
(1 + (k - 1) r) / k of it: r stays for any number of candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np

from lightrouter.lab.dataset.questions import Floats, LabelledData, Questions
from lightrouter.lab.policies.baselines.votes import winner
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.results.figures import flat
from lightrouter.lab.study import Study

_COLUMNS: Final = {
    "k": "k",
    "variance": "variance",
    "σ²/k": "variance_if_independent",
    "σ²(1+(k-1)r)/k": "variance_by_correlation",
    "vote": "vote",
    "vote, independent errors": "vote_if_independent",
}
_VARIANCES: Final = {
    "measured": "variance",
    "σ²/k: independent": "variance_if_independent",
    "σ²(1+(k-1)r)/k": "variance_by_correlation",
}
_VOTES: Final = {"measured": "vote", "with independent errors": "vote_if_independent"}
_NOTES: Final = (
    "An error is the distance of an answer's quality from its candidate's mean quality.",
    (
        "Independent errors are simulated: each candidate keeps its share of right answers, but on random prompts; "
        "wrong answers are drawn at random; then votes are counted. If answers are neither right nor wrong, there is "
        "no simulated vote, and the text whose words agree most with the others wins."
    ),
)
# A choice: most subsets of one size.
_MOST_SUBSETS: Final = 12


def run(study: Study) -> Findings:
    """Measures variances, votes and correlations over subsets of the candidates."""
    labelled, models = study.data.test, study.models
    # A candidate without variance has no correlation; 0 stands for it.
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.asarray(np.nan_to_num(np.corrcoef(labelled.quality.T)), dtype=float).tolist()
    correlation = study.bootstrap.mean(_shared_errors(labelled.quality))
    rng = np.random.default_rng(study.seed)
    study.progress.expect(len(models))
    rows: list[dict[str, Any]] = []
    for k in range(1, len(models) + 1):
        with study.progress.step(f"merging {k}"):
            merged = _merged(labelled, _subsets(len(models), k, rng), study.bootstrap, rng)
        single = rows[0]["variance"] if rows else merged["variance"]
        merged["variance_if_independent"] = single / k
        merged["variance_by_correlation"] = single * (1 + (k - 1) * correlation.mean) / k
        rows.append({"k": k, **merged})
    note = (
        f"Means over at most {_MOST_SUBSETS} subsets of k candidates. variance: of their mean quality over the "
        "prompts; σ²/k: what it would be with independent errors; σ²(1+(k-1)r)/k: with the mean correlation r; vote: "
        "quality of the answer that wins among them."
    )
    heat = plots.heat(correlations, models, "correlation of errors")
    variance = plots.lines(_series(rows, _VARIANCES), "k", "variance", "Variance that merging leaves")
    vote = plots.lines(_series(rows, _VOTES), "k", "quality", "What merging k gains")
    return Findings(
        title="Errors that candidates share, and what merging k gains",
        sentences=_sentences(rows, correlation),
        figures=[
            Figure("correlation", heat, "1: errors on the same prompts; 0: independent errors."),
            Figure("variance", variance, "Variance of the mean quality of k candidates."),
            Figure("vote", vote, "Quality of what k candidates merge into, with 95 % intervals."),
        ],
        tables=[tabulate("Merging k", _COLUMNS, rows, note)],
        report={
            **flat("mean_correlation", correlation),
            "correlations": correlations,
            "models": models,
            "merging": rows,
        },
        notes=_NOTES,
    )


def _sentences(rows: Sequence[Mapping[str, Any]], correlation: Estimate) -> list[str]:
    single, last, count = rows[0]["variance"], rows[-1], len(rows)
    # Candidates that are always right or always wrong have no variance that merging could reduce.
    left = last["variance"] / single if single else 1.0
    worth = count / max(1 + (count - 1) * correlation.mean, 1e-9)
    independent = last["vote_if_independent"]
    would = f"with independent errors it would reach {independent}; " if independent else ""
    return [
        (
            f"The candidates' errors correlate by {correlation.mean:.3f} on average ({correlation.interval}). Merging "
            f"all {count} leaves {left:.0%} of one candidate's variance; independence would leave {1 / count:.0%}."
        ),
        (
            f"Merging these {count} is worth as much as merging {worth:.1f} independent ones; no number of such "
            f"candidates is worth more than {1 / max(correlation.mean, 1e-9):.1f}."
        ),
        f"The vote of {count} reaches {last['vote']}; {would}a random candidate reaches {rows[0]['vote']}.",
    ]


def _series(rows: Sequence[Mapping[str, Any]], lines: Mapping[str, str]) -> dict[str, list[tuple[float, Any]]]:
    """Returns the points of each line, by the name of its value."""
    return {line: [(row["k"], row[name]) for row in rows] for line, name in lines.items()}


def _merged(
    labelled: LabelledData, subsets: Sequence[tuple[int, ...]], bootstrap: Bootstrap, rng: np.random.Generator
) -> dict[str, Any]:
    """Returns the variance and the votes of subsets of one size, as means over the subsets."""
    quality = labelled.quality
    centred = quality - quality.mean(axis=0)
    votes = np.mean([_votes(labelled.questions, quality, subset) for subset in subsets], axis=0)
    dealt = np.stack([rng.permutation(column) for column in quality.T], axis=1)
    independent: Estimate | None = None
    if np.isin(quality, (0.0, 1.0)).all():
        wrong = max(1, len({answer for row in labelled.questions.answers for answer in row if answer}) - 1)
        chance = np.mean([_independent(dealt[:, subset], wrong, rng) for subset in subsets], axis=0)
        independent = bootstrap.mean(chance)
    return {
        "variance": float(np.mean([centred[:, subset].mean(axis=1).var() for subset in subsets])),
        "vote": bootstrap.mean(votes),
        "vote_if_independent": independent,
    }


def _shared_errors(quality: Floats) -> Floats:
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
        found.append(quality[index, subset[winner(answers, texts, weights, order, questions.messages(index))]])
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
