"""The aggregate stage: merges several drafts with the aggregator service, or takes the best draft if that fails."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import Merged, RouteContext
from lightrouter.router.finish import complete_first, is_interrupted
from lightrouter.router.helpers import synthesizer_of
from lightrouter.router.records import record_failure, record_service
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import SLOW
from lightrouter.runtime.tokens import most_tokens
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse, AggregateResult
from lightrouter.v1.candidate_pb2 import Draft, ModelTarget
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_INTERNAL
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_AGGREGATOR_FAILED,
    DEGRADED_REASON_AGGREGATOR_SLOW,
    DEGRADED_REASON_COST_CEILING,
    STAGE_AGGREGATE,
)
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, AGGREGATOR_STRATEGY_SYNTHESIZE

# The limit of `AggregateRequest.synthesizers` in aggregator.proto.
_MAX_SYNTHESIZERS = 16


class Aggregator(Protocol):
    """The aggregator service."""

    def aggregate(self, request: AggregateRequest, deadline: Deadline) -> AsyncGenerator[AggregateResponse, None]:
        """Yields the answer in pieces, then the result. Closing the iterator cancels the call.

        Raises:
            ServiceError: It failed, or the deadline passed.
        """
        ...


def best(route: RouteContext, drafts: Sequence[Draft], *, restart: bool = False) -> Merged:
    """Sends the best draft and returns it as the answer; `restart` voids the text that was sent before.

    The best draft is the best-ranked complete one.
    """
    draft = complete_first(drafts)[0]
    route.events.chunk(draft.text, restart=restart, calls=draft.tool_calls)
    return Merged(
        draft.text,
        draft.finish_reason,
        [draft.candidate],
        AGGREGATOR_STRATEGY_BEST,
        tool_calls=tuple(draft.tool_calls),
    )


async def aggregate(
    route: RouteContext,
    drafts: Sequence[Draft],
    candidates: Sequence[RouteCandidate],
    aggregator: Aggregator,
    *,
    restart: bool = False,
) -> Merged:
    """Merges several drafts, sends the answer in pieces as it is written, and returns it.

    If the aggregator fails or exceeds its time share, the answer is the best draft and the degradation is recorded.

    Args:
        route: The route.
        drafts: The drafts, best-ranked first; at least two.
        candidates: Their candidates, in the same order.
        aggregator: The aggregator service.
        restart: Whether the answer voids a text that was sent before.
    """
    synthesizers, reserved = _synthesizers(route, drafts, candidates)
    started_at = time.monotonic()
    if not synthesizers and route.admission.policy.aggregator == AGGREGATOR_STRATEGY_SYNTHESIZE:
        message = "the cost ceiling does not pay for merging; the answer is the best draft"
        route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message)
        return best(route, drafts, restart=restart)
    request = _request(route, drafts, [candidate.target for candidate in synthesizers])
    pieces: list[str] = []
    result: AggregateResult | None = None
    try:
        result = await _merge(
            route, aggregator.aggregate(request, route.deadline.share(route.shares.aggregate)), pieces, restart=restart
        )
        record_service(route, reserved, result.entries, result.degraded, synthesizers)
        text = "".join(pieces)
        if not text.strip():
            raise _no_answer("the aggregator ended without a text")
        if _is_worse(result, drafts):
            raise _no_answer("the merged text is not whole, and a draft is")
    except ServiceError as error:
        slow = error.reason in SLOW
        reason = DEGRADED_REASON_AGGREGATOR_SLOW if slow else DEGRADED_REASON_AGGREGATOR_FAILED
        route.ledger.degrade(reason, f"the answer is the best draft: {error.message}", error=error)
        if synthesizers and result is None and (pieces or slow):
            # The aggregator can no longer say which model wrote; it asks the first one first.
            read, received = "".join(draft.text for draft in drafts), "".join(pieces)
            record_failure(route, STAGE_AGGREGATE, synthesizers[0], error, started_at, read=read, received=received)
        return best(route, drafts, restart=restart or bool(pieces))
    return Merged(text, result.finish_reason, result.candidates, result.strategy, result.contradictions)


async def _merge(
    route: RouteContext, responses: AsyncGenerator[AggregateResponse, None], pieces: list[str], *, restart: bool
) -> AggregateResult:
    async with aclosing(responses):
        async for event in responses:
            if event.HasField("result"):
                return event.result
            chunk = event.chunk
            if not chunk.text and not chunk.restart:
                # A sign of life while the model is slow.
                continue
            if chunk.restart:
                pieces.clear()
            route.events.chunk(chunk.text, restart=chunk.restart or (restart and not pieces))
            pieces.append(chunk.text)
            await route.events.wait_for_room()
    raise _no_answer("the aggregator's stream ended without a result")


def _is_worse(result: AggregateResult, drafts: Sequence[Draft]) -> bool:
    """Returns whether the merged text is incomplete although a draft is complete."""
    cut = result.strategy == AGGREGATOR_STRATEGY_SYNTHESIZE and result.finish_reason == FINISH_REASON_LENGTH
    return (cut or is_interrupted(result.finish_reason)) and any(
        draft.finish_reason == FINISH_REASON_STOP for draft in drafts
    )


def _no_answer(message: str) -> ServiceError:
    return ServiceError(Code.INTERNAL, ERROR_REASON_INTERNAL, message)


def _synthesizers(
    route: RouteContext, drafts: Sequence[Draft], candidates: Sequence[RouteCandidate]
) -> tuple[list[RouteCandidate], int]:
    """Returns the models that may merge, in the order in which to ask them, and the money reserved for them."""
    if route.admission.policy.aggregator != AGGREGATOR_STRATEGY_SYNTHESIZE:
        return [], 0
    preferred = synthesizer_of(route)
    others = [candidate for candidate in candidates if preferred is None or candidate.name != preferred.name]
    able = [preferred, *others] if preferred else others
    if not route.budget.limited:
        return able[:_MAX_SYNTHESIZERS], 0
    tokens = [most_tokens(draft.text) for draft in drafts]
    for candidate in able:
        cost = route.budget.merge_cost_of(candidate, tokens)
        if route.budget.reserve(cost):
            return [candidate], cost
    return [], 0


def _request(route: RouteContext, drafts: Sequence[Draft], synthesizers: Sequence[ModelTarget]) -> AggregateRequest:
    admission = route.admission
    return AggregateRequest(
        messages=admission.messages,
        drafts=drafts,
        strategy=admission.policy.aggregator,
        answer_pattern=admission.policy.answer_pattern if admission.policy.HasField("answer_pattern") else None,
        synthesizers=synthesizers,
        sampling=admission.sampling,
        output=admission.output,
    )
