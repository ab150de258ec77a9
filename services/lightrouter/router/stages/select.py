"""The select stage: ranks the partials with the selector service, or by prior if that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import BootRanking, RouteContext
from lightrouter.router.finish import is_interrupted
from lightrouter.router.helpers import judge_of
from lightrouter.router.records import record_failure, record_service
from lightrouter.router.terms import offered
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import AT_THE_DOOR, SLOW
from lightrouter.v1.candidate_pb2 import RankedCandidate, Ranking
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_INTERNAL
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SELECTOR_SLOW,
    STAGE_SELECT,
)
from lightrouter.v1.policy_pb2 import SELECTOR_STRATEGY_CONSENSUS, SELECTOR_STRATEGY_LLM, SELECTOR_STRATEGY_PRIOR
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse

# A choice: reading more of a text that was cut off takes milliseconds.
_MOST_CHECKED: Final = 16 * 1024


class Selector(Protocol):
    """The selector service."""

    async def select(self, request: SelectRequest, deadline: Deadline) -> SelectResponse:
        """Returns the ranking of the partials.

        Raises:
            ServiceError: It failed, or the deadline passed.
        """
        ...

    async def shortlist(self, request: ShortlistRequest, deadline: Deadline) -> ShortlistResponse:
        """Returns the candidates by the quality that is expected of them, best first.

        Raises:
            ServiceError: It failed, or the deadline passed.
        """
        ...


async def select(
    route: RouteContext, boots: Sequence[BootResult], selector: Selector, unasked: Sequence[RouteCandidate] = ()
) -> BootRanking:
    """Returns the ranking of what the candidates wrote.

    The selector is not called if there is only one candidate and nobody else to ask, or if no candidate has visible
    text. If the selector fails or exceeds its time share, candidates are ranked by prior and the degradation is
    recorded. Partials that a provider interrupted, or that break the request's form, come last, whatever their scores
    are.

    Args:
        route: The route.
        boots: What the candidates wrote.
        selector: Ranks.
        unasked: The candidates that may be asked next, if worth decides that.
    """
    return _last(await _ranked(route, boots, selector, unasked), lambda boot: _is_out(route, boot))


async def _ranked(
    route: RouteContext, boots: Sequence[BootResult], selector: Selector, unasked: Sequence[RouteCandidate]
) -> BootRanking:
    if (len(boots) == 1 and not unasked) or all(boot.is_blank for boot in boots):
        return prior(boots)
    deadline = route.deadline.share(route.shares.select)
    judge = judge_of(route, boots)
    request, reserved = _request(route, boots, judge)
    if unasked:
        request.worth_nanousd = route.admission.policy.worth_nanousd
        request.unasked.extend(offered(route, unasked))
    started_at = time.monotonic()
    try:
        response = await selector.select(request, deadline)
        record_service(route, reserved, response.entries, response.degraded, [judge])
        return _to_ranking(response, boots)
    except ServiceError as error:
        slow = error.reason in SLOW
        reason = DEGRADED_REASON_SELECTOR_SLOW if slow else DEGRADED_REASON_SELECTOR_FAILED
        route.ledger.degrade(reason, f"the candidates were ranked by prior: {error.message}", error=error)
        if error.reason in AT_THE_DOOR:
            route.budget.settle(reserved, 0)
        if slow and request.strategy == SELECTOR_STRATEGY_LLM:
            # The selector can no longer say what its judge has read and written.
            read = "".join(boot.partial.text for boot in boots)
            record_failure(route, STAGE_SELECT, judge, error, started_at, read=read)
        return prior(boots)


def prior(boots: Sequence[BootResult]) -> BootRanking:
    """Returns the ranking by the candidates' priors; candidates with equal priors keep their order."""
    ranked = tuple(sorted(boots, key=lambda boot: -boot.partial.prior))
    candidates = [RankedCandidate(candidate=boot.candidate.name, score=boot.partial.prior) for boot in ranked]
    ranking = Ranking(candidates=candidates, agreement=1.0 if len(ranked) == 1 else 0.0)
    return BootRanking(ranking, SELECTOR_STRATEGY_PRIOR, ranked)


def _is_out(route: RouteContext, boot: BootResult) -> bool:
    """Returns whether a boot can become no answer: its provider interrupted it, or it breaks the request's form."""
    partial, form = boot.partial, route.admission.form
    if is_interrupted(partial.finish_reason):
        return True
    if form is None or (not boot.ended and len(partial.text) > _MOST_CHECKED):
        return False
    if boot.ended:
        # What takes longer is checked when it becomes a draft.
        return bool(form.quick_fault(partial.text, partial.tool_calls))
    return form.rules_out(partial.text, partial.tool_calls)


def _last(ranking: BootRanking, is_last: Callable[[BootResult], bool]) -> BootRanking:
    """Returns the ranking with some boots behind all others."""
    pairs = list(zip(ranking.proto.candidates, ranking.boots, strict=True))
    pairs.sort(key=lambda pair: is_last(pair[1]))
    proto = Ranking()
    proto.CopyFrom(ranking.proto)
    del proto.candidates[:]
    proto.candidates.extend(ranked for ranked, _ in pairs)
    return replace(ranking, proto=proto, boots=tuple(boot for _, boot in pairs))


def _request(route: RouteContext, boots: Sequence[BootResult], judge: RouteCandidate) -> tuple[SelectRequest, int]:
    """Returns the request to the selector, and the money that is reserved for its judge."""
    admission = route.admission
    strategy, target, reserved = admission.policy.selector, None, 0
    if strategy == SELECTOR_STRATEGY_LLM:
        target, reserved = judge.target, route.budget.judge_cost(judge, boots)
        if not route.budget.reserve_beside_completion(reserved, boots):
            strategy, target, reserved = SELECTOR_STRATEGY_CONSENSUS, None, 0
            message = "the cost ceiling does not pay for a judge; the candidates were ranked by consensus"
            route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message)
    request = SelectRequest(
        messages=admission.messages,
        partials=[boot.partial for boot in boots],
        strategy=strategy,
        judge=target,
        answer_pattern=admission.policy.answer_pattern if admission.policy.HasField("answer_pattern") else None,
        seed=admission.seed,
        output=admission.output,
    )
    return request, reserved


def _to_ranking(response: SelectResponse, boots: Sequence[BootResult]) -> BootRanking:
    by_name = {boot.candidate.name: boot for boot in boots}
    names = [ranked.candidate for ranked in response.ranking.candidates]
    if len(names) != len(by_name) or by_name.keys() != set(names):
        message = "the selector ranked other candidates than it was asked about"
        raise ServiceError(Code.INTERNAL, ERROR_REASON_INTERNAL, message)
    return BootRanking(
        response.ranking,
        response.strategy,
        tuple(by_name[name] for name in names),
        response.expected_quality if response.HasField("expected_quality") else None,
        response.unasked,
    )
