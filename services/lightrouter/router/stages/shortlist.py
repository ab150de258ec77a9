"""The shortlist: which candidates are worth booting for a prompt, decided before any of them has written text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.stages.select import Selector
from lightrouter.router.terms import described
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import SLOW
from lightrouter.v1.candidate_pb2 import RankedCandidate
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_INTERNAL
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_SHORTLIST_FAILED, NOT_ASKED_REASON_SHORTLIST
from lightrouter.v1.selector_pb2 import ShortlistRequest


def is_needed(route: RouteContext) -> bool:
    """Returns whether the policy lets fewer candidates boot than were admitted."""
    return 0 < route.admission.policy.shortlist < len(route.admission.candidates)


async def shortlist(route: RouteContext, selector: Selector, exploring_share: float) -> RouteContext:
    """Returns the route with the candidates that boot, and records in the ledger which candidates were not asked.

    If the selector fails or exceeds its time share, the candidates with the best priors boot and the degradation is
    recorded.

    Args:
        route: The route, for which a shortlist is needed.
        selector: Ranks the candidates by the quality that is expected of them.
        exploring_share: Share of the requests, 0 to 1, in which one candidate boots that is not on the shortlist.
    """
    admission = route.admission
    ranked = await _ranked(route, selector)
    limit = admission.policy.shortlist
    asked = {candidate.name for candidate in ranked[:limit]}
    drawn = Random(f"{admission.draw}:shortlist")  # noqa: S311 - a sample of the traffic, no secret
    if drawn.random() < exploring_share:
        asked.add(drawn.choice(ranked[limit:]).name)
    for candidate in ranked[limit:]:
        if candidate.name not in asked:
            route.budget.settle(route.budget.boot_cost(candidate), 0)
            message = f"{limit} others are worth more for this prompt than {candidate.name}"
            route.ledger.add_not_asked(candidate.name, NOT_ASKED_REASON_SHORTLIST, message)
    candidates = tuple(candidate for candidate in admission.candidates if candidate.name in asked)
    standby = (*(candidate for candidate in ranked if candidate.name not in asked), *admission.standby)
    return replace(route, admission=replace(admission, candidates=candidates, standby=standby))


async def ranked_by(route: RouteContext, selector: Selector, request: ShortlistRequest) -> Sequence[RankedCandidate]:
    """Returns the selector's ranking of the candidates of a request.

    Raises:
        ServiceError: The selector failed, exceeded its time share, or ranked others.
    """
    response = await selector.shortlist(request, route.deadline.share(route.shares.select))
    names = [ranked.candidate for ranked in response.candidates]
    if len(names) != len(request.candidates) or {each.candidate for each in request.candidates} != set(names):
        message = "the selector ranked other candidates than it was asked about"
        raise ServiceError(Code.INTERNAL, ERROR_REASON_INTERNAL, message)
    return response.candidates


async def _ranked(route: RouteContext, selector: Selector) -> Sequence[RouteCandidate]:
    candidates = route.admission.candidates
    by_name = {candidate.name: candidate for candidate in candidates}
    request = ShortlistRequest(messages=route.admission.messages, candidates=map(described, candidates))
    try:
        return [by_name[ranked.candidate] for ranked in await ranked_by(route, selector, request)]
    except ServiceError as error:
        why = "was too slow" if error.reason in SLOW else "failed"
        message = f"the selector {why}, so the best by prior boot: {error.message}"
        route.ledger.degrade(DEGRADED_REASON_SHORTLIST_FAILED, message, error=error)
        return sorted(candidates, key=lambda candidate: -candidate.quality.prior)
