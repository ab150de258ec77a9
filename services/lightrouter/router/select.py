"""The ranking: by the selector service, or by prior where that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from lightrouter.router.book import SLOW
from lightrouter.router.calls import settle_service
from lightrouter.router.runner import Booted
from lightrouter.router.state import Run, Verdict
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


async def select(run: Run, booted: Sequence[Booted], selector: Selector) -> Verdict:
    """Returns the ranking of what the candidates wrote.

    Nobody is asked where there is only one candidate, or none with visible text: hidden reasoning is not judged on
    nothing. A selector that fails or takes longer than its share of the time is done without, and the book says so.
    Partials that were withheld in part come last, whatever their scores are.
    """
    return _broken_last(await _ranked(run, booted, selector))


async def _ranked(run: Run, booted: Sequence[Booted], selector: Selector) -> Verdict:
    if len(booted) == 1 or not any(each.partial.text for each in booted):
        return prior(booted)
    deadline = run.deadline.share(run.shares.select)
    request, reserved = _request(run, booted)
    try:
        response = await selector.select(request, deadline)
        run.book.extend(response.entries, response.degraded)
        settle_service(run, reserved, response.entries)
        return _verdict(response, booted)
    except ServiceError as error:
        slow = error.reason in SLOW
        reason = DEGRADED_REASON_SELECTOR_SLOW if slow else DEGRADED_REASON_SELECTOR_FAILED
        run.book.degrade(reason, f"the candidates were ranked by prior: {error.message}")
        return prior(booted)


def prior(booted: Sequence[Booted]) -> Verdict:
    """Returns the ranking by what the pool knows of the candidates; those that are equal stay in their order."""
    ranked = tuple(sorted(booted, key=lambda each: -each.partial.prior))
    candidates = [RankedCandidate(candidate=each.runner.name, score=each.partial.prior) for each in ranked]
    ranking = Ranking(candidates=candidates, agreement=1.0 if len(ranked) == 1 else 0.0)
    return Verdict(ranking, SELECTOR_STRATEGY_PRIOR, ranked)


def _broken_last(verdict: Verdict) -> Verdict:
    pairs = list(zip(verdict.ranking.candidates, verdict.ranked, strict=True))
    pairs.sort(key=lambda pair: is_broken(pair[1].partial.finish_reason))
    ranking = Ranking()
    ranking.CopyFrom(verdict.ranking)
    del ranking.candidates[:]
    ranking.candidates.extend(score for score, _ in pairs)
    return replace(verdict, ranking=ranking, ranked=tuple(each for _, each in pairs))


def _request(run: Run, booted: Sequence[Booted]) -> tuple[SelectRequest, int]:
    """Returns what the selector is asked, and the money kept for its judge."""
    admission = run.admission
    strategy, judge, reserved = admission.policy.selector, None, 0
    if strategy == SELECTOR_STRATEGY_LLM:
        judge, reserved = admission.judge.target, run.budget.judge_cost(admission.judge, booted)
        if not run.budget.reserve_beside_completion(reserved, booted):
            strategy, judge, reserved = SELECTOR_STRATEGY_CONSENSUS, None, 0
            message = "the cost ceiling does not pay for a judge; the candidates were ranked by consensus"
            run.book.degrade(DEGRADED_REASON_COST_CEILING, message)
    request = SelectRequest(
        messages=admission.messages,
        partials=[each.partial for each in booted],
        strategy=strategy,
        judge=judge,
        answer_pattern=admission.policy.answer_pattern if admission.policy.HasField("answer_pattern") else None,
        seed=admission.seed,
    )
    return request, reserved


def _verdict(response: SelectResponse, booted: Sequence[Booted]) -> Verdict:
    by_name = {each.runner.name: each for each in booted}
    names = [ranked.candidate for ranked in response.ranking.candidates]
    if len(names) != len(by_name) or by_name.keys() != set(names):
        message = "the selector ranked other candidates than it was asked about"
        raise ServiceError(Code.INTERNAL, ERROR_REASON_INTERNAL, message)
    return Verdict(response.ranking, response.strategy, tuple(by_name[name] for name in names))
