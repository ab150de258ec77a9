"""The ranking that a verdict amounts to: every partial once, best first."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from lightrouter.selector.strategy import Scores
from lightrouter.v1.candidate_pb2 import Partial, RankedCandidate, Ranking

_UNSEEN = "Ranked by its prior: it was not judged."


def ranking(partials: Sequence[Partial], verdict: Scores) -> Ranking:
    """Returns all partials, best first; equal scores are ordered by prior, then by name.

    A partial that the verdict leaves out gets the score that its prior predicts, given what the judged ones scored
    for theirs.
    """
    scale = _scale(partials, verdict)
    ranked: list[tuple[float, float, str]] = []
    for partial in partials:
        score = verdict.scores.get(partial.candidate)
        if score is None:
            score = partial.prior * scale
        ranked.append((-min(max(score, 0.0), 1.0), -partial.prior, partial.candidate))
    return Ranking(
        candidates=[
            RankedCandidate(
                candidate=name,
                score=-score or 0.0,
                rationale=_rationale(name, verdict),
                gain=verdict.gains.get(name),
                expected_tokens=verdict.tokens.get(name),
            )
            for score, _, name in sorted(ranked)
        ]
    )


def _scale(partials: Sequence[Partial], verdict: Scores) -> float:
    """Returns what a prior is to be multiplied with to be comparable with the verdict's scores."""
    judged = [partial for partial in partials if partial.candidate in verdict.scores]
    priors = fmean(partial.prior for partial in judged) if judged else 0.0
    return fmean(verdict.scores[partial.candidate] for partial in judged) / priors if priors else 1.0


def _rationale(name: str, verdict: Scores) -> str:
    if verdict.scores and name not in verdict.scores:
        return _UNSEEN
    return verdict.rationales.get(name, "")
