"""What the next call of each candidate costs, as the selector weighs it against what the call is expected to give."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.holding import with_held_tokens
from lightrouter.v1.candidate_pb2 import CallTerms
from lightrouter.v1.selector_pb2 import ShortlistCandidate


def offered(route: RouteContext, candidates: Sequence[RouteCandidate]) -> list[ShortlistCandidate]:
    """Returns the candidates with the terms of their calls.

    If no candidate of the pool has a price, prices are unknown and the terms have none. A candidate without prices
    among others with prices is free.
    """
    priced = any(map(_has_price, (*route.admission.candidates, *candidates)))
    admission = route.admission
    held = with_held_tokens(candidates, admission.policy, admission.prompt_tokens, route.times)
    return [described(candidate, _terms(route, candidate, priced=priced)) for candidate in held]


def described(candidate: RouteCandidate, terms: CallTerms | None = None) -> ShortlistCandidate:
    """Returns a candidate as the selector knows it."""
    quality = candidate.quality
    return ShortlistCandidate(
        candidate=candidate.name,
        prior=quality.prior,
        evaluated_prompts=quality.prompts,
        model=candidate.spec.model,
        terms=terms,
    )


def _terms(route: RouteContext, candidate: RouteCandidate, *, priced: bool) -> CallTerms:
    times, name = route.times, candidate.name
    read = route.admission.prompt_tokens + candidate.spec.fixed_input_tokens
    overshoot = times.overshoot_tokens(name, route.admission.policy.selector) if candidate.held_tokens else 0.0
    return CallTerms(
        prices=candidate.spec.prices if priced else None,
        input_tokens=read,
        cached_input_tokens=round(times.cached_share_at_first(name) * read),
        cache_write_tokens=round(times.cache_write_share_at_first(name) * read),
        max_output_tokens=candidate.output_tokens,
        reasoning_tokens=times.reasoning_tokens(name),
        boot_tokens=candidate.boot_tokens + overshoot,
        overshoot_tokens=overshoot,
        boot_is_cut=not candidate.held_tokens,
    )


def _has_price(candidate: RouteCandidate) -> bool:
    prices = candidate.spec.prices
    return any(
        (
            prices.input_nanousd_per_million,
            prices.cached_input_nanousd_per_million,
            prices.output_nanousd_per_million,
        )
    )
