"""What the spans of a route say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.trace import Span, get_current_span

from lightrouter.runtime import names
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Selection, SelectionReason

if TYPE_CHECKING:
    from lightrouter.router.aggregate import Merged
    from lightrouter.router.runner import Booted


def failed(span: Span, error: ServiceError) -> None:
    """Says why the route failed."""
    span.set_attribute(names.ERROR_TYPE, ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_"))


def dropped(candidate: str, reason: DegradedReason.ValueType) -> None:
    """Says in the current span that a candidate takes no further part, and why."""
    span = get_current_span()
    if span.is_recording():
        why = _short(DegradedReason.Name(reason), "DEGRADED_REASON_")
        span.add_event(names.CANDIDATE_DROPPED, {names.CANDIDATE: candidate, names.REASON: why})


def booted(span: Span, policy: Policy, delivered: Sequence[Booted]) -> None:
    """Says who booted."""
    if span.is_recording():
        span.set_attribute(names.BOOT_TOKENS, policy.boot_tokens)
        span.set_attribute(names.CANDIDATES, [each.runner.name for each in delivered])


def selected(span: Span, selection: Selection) -> None:
    """Says how the partials rank, and who goes on."""
    if span.is_recording():
        ranked = selection.ranking.candidates
        span.set_attribute(names.STRATEGY, _short(SelectorStrategy.Name(selection.strategy), "SELECTOR_STRATEGY_"))
        span.set_attribute(names.CANDIDATES, [each.candidate for each in ranked])
        span.set_attribute(names.SCORES, [each.score for each in ranked])
        span.set_attribute(names.AGREEMENT, selection.ranking.agreement)
        span.set_attribute(names.MARGIN, selection.margin)
        span.set_attribute(names.K, len(selection.chosen))
        span.set_attribute(names.SELECTION_REASON, _short(SelectionReason.Name(selection.reason), "SELECTION_REASON_"))


def completing(span: Span, chosen: Sequence[Booted]) -> None:
    """Says who goes on."""
    if span.is_recording():
        span.set_attribute(names.CANDIDATES, [each.runner.name for each in chosen])


def merged(span: Span, answer: Merged) -> None:
    """Says how the drafts became the answer."""
    if span.is_recording():
        span.set_attribute(names.STRATEGY, _short(AggregatorStrategy.Name(answer.strategy), "AGGREGATOR_STRATEGY_"))
        span.set_attribute(names.CANDIDATES, list(answer.candidates))


def answered(span: Span, answer: Answer) -> None:
    """Says whose answer it is, what it cost and what was degraded."""
    if span.is_recording():
        span.set_attribute(names.CANDIDATES, list(answer.candidates))
        span.set_attribute(names.COST, answer.ledger.cost_nanousd)
        if answer.degraded:
            reasons = [_short(DegradedReason.Name(each.reason), "DEGRADED_REASON_") for each in answer.degraded]
            span.set_attribute(names.DEGRADED, reasons)


def _short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
