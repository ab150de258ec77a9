"""Turns scores into a ranking: every partial once, best first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from statistics import fmean

from lightrouter.selector.strategy import Scores
from lightrouter.v1.candidate_pb2 import Partial, RankedCandidate, Ranking

_BROKEN = "It breaks the form that was asked for."
_UNSEEN = "Ranked by its prior: it was not judged."


def ranking(partials: Sequence[Partial], scored: Scores) -> Ranking:
    """Returns all partials, best first; equal scores are ordered by prior, then by name.

    A partial without a score gets its prior times the ratio of mean score to mean prior of the scored partials. For
    example, if the scored ones have a mean score of 0.4 and a mean prior of 0.8, a prior of 0.6 counts as 0.3.
    """
    scale = _scale(partials, scored)
    ranked: list[tuple[float, float, str]] = []
    for partial in partials:
        score = scored.scores.get(partial.candidate)
        if score is None:
            score = partial.prior * scale
        ranked.append((-min(max(score, 0.0), 1.0), -partial.prior, partial.candidate))
    return Ranking(
        candidates=[
            RankedCandidate(
                candidate=name,
                score=-score or 0.0,
                rationale=_rationale(name, scored),
                gain=scored.gains.get(name),
                expected_tokens=scored.tokens.get(name),
            )
            for score, _, name in sorted(ranked)
        ]
    )


def without(scored: Scores, broken: Collection[str]) -> Scores:
    """Returns scores that are 0 for the candidates that broke the form, so that they come last."""
    if not broken:
        return scored
    nothing = dict.fromkeys(broken, 0.0)
    return replace(
        scored,
        scores={**scored.scores, **nothing},
        rationales={**scored.rationales, **dict.fromkeys(broken, _BROKEN)},
        gains={**scored.gains, **nothing} if scored.gains else scored.gains,
    )


def _scale(partials: Sequence[Partial], scored: Scores) -> float:
    """Returns the factor that makes a prior comparable with the scores; 1 if nothing was scored."""
    judged = [partial for partial in partials if partial.candidate in scored.scores]
    priors = fmean(partial.prior for partial in judged) if judged else 0.0
    return fmean(scored.scores[partial.candidate] for partial in judged) / priors if priors else 1.0


def _rationale(name: str, scored: Scores) -> str:
    if scored.scores and name not in scored.scores:
        return _UNSEEN
    return scored.rationales.get(name, "")
