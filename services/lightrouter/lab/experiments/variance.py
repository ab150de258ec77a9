"""Correlation of the candidates' errors, and the gain of merging k of them compared with independent errors.

Were errors independent, the mean of k answers would have 1/k of the variance of one. With a mean correlation r it has
(1 + (k - 1) r) / k of it: r stays for any number of candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np

from lightrouter.lab.dataset.questions import LabelledData
from lightrouter.lab.policies.baselines.votes import voted
from lightrouter.lab.report import plots
from lightrouter.lab.report.page import Figure, Findings
from lightrouter.lab.report.table import tabulate
from lightrouter.lab.results import errors
from lightrouter.lab.results.bootstrap import Bootstrap, Estimate
from lightrouter.lab.results.figures import flat
from lightrouter.lab.study import Study

_BY_CORRELATION: Final = {"σ²(1+(k-1)r)/k": "variance_by_correlation"}
_COLUMNS: Final = {
    "k": "k",
    "variance": "variance",
    "σ²/k": "variance_if_independent",
    **_BY_CORRELATION,
    "vote": "vote",
    "vote, independent errors": "vote_if_independent",
}
_VARIANCES: Final = {"measured": "variance", "σ²/k: independent": "variance_if_independent", **_BY_CORRELATION}
_VOTES: Final = {"measured": "vote", "with independent errors": "vote_if_independent"}
# A choice: most subsets of one size.
_MOST_SUBSETS: Final = 12
_NOTE: Final = (
    f"Means over at most {_MOST_SUBSETS} subsets of k candidates. variance: of their mean quality over the "
    "prompts; σ²/k: what it would be with independent errors; σ²(1+(k-1)r)/k: with the mean correlation r; vote: "
    "quality of the answer that wins among them."
)
_NOTES: Final = (
    "An error is the distance of an answer's quality from its candidate's mean quality.",
    (
        "Independent errors are simulated: each candidate keeps its share of right answers, but on random prompts; "
        "wrong answers are drawn at random; then votes are counted. If answers are neither right nor wrong, there is "
        "no simulated vote, and the text whose words agree most with the others wins."
    ),
)


def run(study: Study) -> Findings:
    """Measures variances, votes and correlations over subsets of the candidates."""
    labelled, models = study.data.test, study.models
    # A candidate without variance has no correlation; 0 stands for it.
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.asarray(np.nan_to_num(np.corrcoef(labelled.quality.T)), dtype=float).tolist()
    correlation = study.bootstrap.mean(errors.shared(labelled.quality))
    rng = np.random.default_rng(study.seed)
    study.progress.expect(len(models))
    rows: list[dict[str, Any]] = []
    for k in range(1, len(models) + 1):
        with study.progress.step(f"merging {k}"):
            rows.append({"k": k, **_merged(labelled, k, study.bootstrap, rng)})
        single = rows[0]["variance"]
        rows[-1]["variance_if_independent"] = single / k
        rows[-1]["variance_by_correlation"] = single * (1 + (k - 1) * correlation.mean) / k
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
        tables=[tabulate("Merging k", _COLUMNS, rows, _NOTE)],
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


def _merged(labelled: LabelledData, k: int, bootstrap: Bootstrap, rng: np.random.Generator) -> dict[str, Any]:
    """Returns the variance and the votes of k candidates, as means over subsets."""
    quality, questions = labelled.quality, labelled.questions
    subsets = list(combinations(range(quality.shape[1]), k))
    if len(subsets) > _MOST_SUBSETS:
        subsets = [subsets[index] for index in rng.choice(len(subsets), _MOST_SUBSETS, replace=False)]
    centred, means = quality - quality.mean(axis=0), quality.mean(axis=0)
    votes = []
    for subset in subsets:
        voters = sorted(subset, key=lambda model: -float(means[model]))
        votes.append([quality[index, voted(questions, index, voters, [1.0] * k)] for index in range(len(questions))])
    dealt = np.stack([rng.permutation(column) for column in quality.T], axis=1)
    independent: Estimate | None = None
    if np.isin(quality, (0.0, 1.0)).all():
        wrong = max(1, len({answer for row in questions.answers for answer in row if answer}) - 1)
        chance = [errors.independent_vote(dealt[:, subset], wrong, rng) for subset in subsets]
        independent = bootstrap.mean(np.mean(chance, axis=0))
    return {
        "variance": float(np.mean([centred[:, subset].mean(axis=1).var() for subset in subsets])),
        "vote": bootstrap.mean(np.mean(votes, axis=0)),
        "vote_if_independent": independent,
    }
