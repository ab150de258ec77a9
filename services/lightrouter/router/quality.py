"""What is known of a candidate's quality before a prompt is seen: the evaluator's finding, else somebody's guess."""

from __future__ import annotations

from typing import Final, NamedTuple

from lightrouter.v1.candidate_pb2 import Candidate

# What a score over all kinds of prompt weighs beside that of one kind, in prompts: as much as a uniform prior does in
# a Beta posterior, so that one or two prompts of a kind decide nothing.
_OVERALL_WEIGHT: Final = 2


class Quality(NamedTuple):
    """Expected quality, 0 to 1, and the evaluated prompts that it rests on; 0 where it is a guess."""

    prior: float
    prompts: int


def quality(candidate: Candidate, category: str = "") -> Quality:
    """Returns what is known of a candidate, for one kind of prompt where the evaluator has seen such prompts."""
    if not candidate.HasField("evaluation"):
        return Quality(candidate.prior, 0)
    found = candidate.evaluation
    for kind in found.categories if category else ():
        if kind.category == category:
            total = kind.score * kind.prompts + found.score * _OVERALL_WEIGHT
            return Quality(total / (kind.prompts + _OVERALL_WEIGHT), kind.prompts)
    return Quality(found.score, found.prompts)
