"""The ranking: by the selector service, or by prior where that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from lightrouter.router.calls import record_service
from lightrouter.router.candidates import BootResult
from lightrouter.router.context import RankedBoots, RouteContext
from lightrouter.router.ledger import SLOW
from lightrouter.router.whole import is_broken
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import RankedCandidate, Ranking
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_INTERNAL
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SELECTOR_SLOW,
)
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_LLM, SELECTOR_STRATEGY_PRIOR
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse


class Selector(Protocol):
    """The selector service."""

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials.

        Raises:
            ServiceError: It failed, or the deadline passed.
        """
        ...

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        """Returns the candidates by what is expected of them.

        Raises:
            ServiceError: It failed, or the deadline passed.
        """
        ...


async def select(route: RouteContext, booted: Sequence[BootResult], selector: Selector) -> RankedBoots:
    """Returns the ranking of what the candidates wrote.

    Nobody is asked where there is only one candidate, or none with visible text: hidden reasoning is not judged on
    nothing. A selector that fails or takes longer than its share of the time is done without, and the book says so.
    Partials that were withheld in part come last, whatever their scores are.
    """
    return _broken_last(await _ranked(route, booted, selector))


async def _ranked(route: RouteContext, booted: Sequence[BootResult], selector: Selector) -> RankedBoots:
    if len(booted) == 1 or not any(each.partial.text for each in booted):
        return prior(booted)
    deadline = route.deadline.share(route.shares.select)
    request, reserved = _request(route, booted)
    try:
        response = await selector.select(request, deadline)
        record_service(route, reserved, response.entries, response.degraded)
        return _verdict(response, booted)
    except ServiceError as error:
        slow = error.reason in SLOW
        reason = DEGRADED_REASON_SELECTOR_SLOW if slow else DEGRADED_REASON_SELECTOR_FAILED
        route.ledger.degrade(reason, f"the candidates were ranked by prior: {error.message}")
        return prior(booted)


def prior(booted: Sequence[BootResult]) -> RankedBoots:
    """Returns the ranking by what the pool knows of the candidates; those that are equal stay in their order."""
    ranked = tuple(sorted(booted, key=lambda each: -each.partial.prior))
    candidates = [RankedCandidate(candidate=each.candidate.name, score=each.partial.prior) for each in ranked]
    ranking = Ranking(candidates=candidates, agreement=1.0 if len(ranked) == 1 else 0.0)
    return RankedBoots(ranking, SELECTOR_STRATEGY_PRIOR, ranked)


def _broken_last(verdict: RankedBoots) -> RankedBoots:
    pairs = list(zip(verdict.ranking.candidates, verdict.ranked, strict=True))
    pairs.sort(key=lambda pair: is_broken(pair[1].partial.finish_reason))
    ranking = Ranking()
    ranking.CopyFrom(verdict.ranking)
    del ranking.candidates[:]
    ranking.candidates.extend(score for score, _ in pairs)
    return replace(verdict, ranking=ranking, ranked=tuple(each for _, each in pairs))


def _request(route: RouteContext, booted: Sequence[BootResult]) -> tuple[SelectRequest, int]:
    """Returns what the selector is asked, and the money kept for its judge."""
    admission = route.admission
    strategy, judge, reserved = admission.policy.selector, None, 0
    if strategy == SELECTOR_STRATEGY_LLM:
        judge, reserved = admission.judge.target, route.budget.judge_cost(admission.judge, booted)
        if not route.budget.reserve_beside_completion(reserved, booted):
            strategy, judge, reserved = SELECTOR_STRATEGY_CONSENSUS, None, 0
            message = "the cost ceiling does not pay for a judge; the candidates were ranked by consensus"
            route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message)
    request = SelectRequest(
        messages=admission.messages,
        partials=[each.partial for each in booted],
        strategy=strategy,
        judge=judge,
        answer_pattern=admission.policy.answer_pattern if admission.policy.HasField("answer_pattern") else None,
        seed=admission.seed,
    )
    return request, reserved


def _verdict(response: SelectResponse, booted: Sequence[BootResult]) -> RankedBoots:
    by_name = {each.candidate.name: each for each in booted}
    names = [ranked.candidate for ranked in response.ranking.candidates]
    if len(names) != len(by_name) or by_name.keys() != set(names):
        message = "the selector ranked other candidates than it was asked about"
        raise ServiceError(Code.INTERNAL, ERROR_REASON_INTERNAL, message)
    return RankedBoots(response.ranking, response.strategy, tuple(by_name[name] for name in names))
