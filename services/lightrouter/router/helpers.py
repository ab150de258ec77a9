"""The candidates that judge and merge on a route: not those that have just refused or failed a call on it."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext


def judge_of(route: RouteContext, boots: Sequence[BootResult]) -> RouteCandidate:
    """Returns the judge of the admission; if its own boot has failed for good, the best of those that wrote `boots`."""
    judge = route.admission.judge
    if not route.ledger.has_declined(judge.name):
        return judge
    return max((boot.candidate for boot in boots), key=lambda candidate: candidate.quality.prior)


def synthesizer_of(route: RouteContext) -> RouteCandidate | None:
    """Returns the admitted synthesizer; None if there is none, or if its own calls show that it cannot merge."""
    synthesizer = route.admission.synthesizer
    return None if synthesizer is None or route.ledger.has_declined(synthesizer.name) else synthesizer
