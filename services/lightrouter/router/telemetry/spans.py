"""The spans of a route: their attributes, events and status."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace import (
    Span,
    Status,
    StatusCode,
    Tracer,
    format_trace_id,
    get_current_span,
    set_span_in_context,
)

from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import Merged
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.enums import label
from lightrouter.runtime.errors import ServiceError, reason_name
from lightrouter.runtime.telemetry import names
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_CANCELLED,
    ERROR_REASON_DEADLINE_EXCEEDED,
    ERROR_REASON_INTERNAL,
    ErrorReason,
)
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Selection, SelectionReason


@contextmanager
def traced(tracer: Tracer, name: str, deadline: Deadline, stage: str = "") -> Iterator[Span]:
    """Makes a span the current one; if its block fails or is cancelled, the status of the span says why.

    Args:
        tracer: Makes the span.
        name: Its name.
        deadline: The route's deadline. A route that is cancelled then was not left by its caller.
        stage: The name of the stage; empty for the route.
    """
    attributes = {names.STAGE: stage} if stage else None
    span = tracer.start_span(name, attributes=attributes)
    # The SDK's own context managers do this in three layers.
    token = context.attach(set_span_in_context(span))
    try:
        yield span
    except ServiceError as error:
        _failed(span, error.reason, error.message)
        raise
    except asyncio.CancelledError:
        if deadline.at_hand:
            _failed(span, ERROR_REASON_DEADLINE_EXCEEDED, "the deadline passed")
        else:
            _failed(span, ERROR_REASON_CANCELLED, "the caller did not wait for the end")
        raise
    except Exception:
        _failed(span, ERROR_REASON_INTERNAL, "the service has a defect; its log says more under this trace id")
        raise
    finally:
        context.detach(token)
        span.end()


def _failed(span: Span, reason: ErrorReason.ValueType, message: str) -> None:
    span.set_attribute(names.ERROR_TYPE, reason_name(reason))
    span.set_status(Status(StatusCode.ERROR, message))


def dropped(degradation: Degradation, error: ServiceError | None) -> None:
    """Adds an event to the current span: a candidate dropped out, and why."""
    span = get_current_span()
    if span.is_recording():
        attributes = {
            names.CANDIDATE: degradation.candidate,
            names.REASON: label(DegradedReason, degradation.reason),
            names.MESSAGE: degradation.message,
        }
        if error:
            attributes[names.ERROR_TYPE] = reason_name(error.reason)
        span.add_event(names.CANDIDATE_DROPPED, attributes)


def degraded(degradation: Degradation) -> None:
    """Adds an event to the current span: the answer is degraded, and why."""
    span = get_current_span()
    if span.is_recording():
        attributes = {
            names.REASON: label(DegradedReason, degradation.reason),
            names.MESSAGE: degradation.message,
        }
        if degradation.candidate:
            attributes[names.CANDIDATE] = degradation.candidate
        span.add_event(names.ANSWER_DEGRADED, attributes)


def shortlisted(span: Span, asked: Sequence[RouteCandidate]) -> None:
    """Sets the candidates of the shortlist."""
    if span.is_recording():
        span.set_attribute(names.CANDIDATES, [candidate.name for candidate in asked])


def booted(span: Span, policy: Policy, delivered: Sequence[BootResult]) -> None:
    """Sets the candidates that booted."""
    if span.is_recording():
        booted = [boot.candidate.name for boot in delivered]
        span.set_attributes({names.BOOT_TOKENS: policy.boot_tokens, names.CANDIDATES: booted})


def selected(span: Span, selection: Selection) -> None:
    """Sets the ranking and the candidates that go on."""
    if span.is_recording():
        ranked = selection.ranking.candidates
        for rank, candidate in enumerate(ranked, 1):
            attributes: dict[str, str | int | float | bool] = {
                names.CANDIDATE: candidate.candidate,
                names.RANK: rank,
                names.SCORE: candidate.score,
                names.CHOSEN: candidate.candidate in selection.chosen,
            }
            span.add_event(names.CANDIDATE_RANKED, attributes)
        span.set_attributes(
            {
                names.STRATEGY: label(SelectorStrategy, selection.strategy),
                names.CANDIDATES: list(selection.chosen),
                names.AGREEMENT: selection.ranking.agreement,
                names.MARGIN: selection.margin,
                names.K: len(selection.chosen),
                names.SELECTION_REASON: label(SelectionReason, selection.reason),
            }
        )


def completing(span: Span, chosen: Sequence[BootResult]) -> None:
    """Sets the candidates that complete their drafts."""
    if span.is_recording():
        span.set_attribute(names.CANDIDATES, [boot.candidate.name for boot in chosen])


def merged(span: Span, answer: Merged) -> None:
    """Sets the strategy that merged the drafts, and their candidates."""
    if span.is_recording():
        strategy = label(AggregatorStrategy, answer.strategy)
        span.set_attributes({names.STRATEGY: strategy, names.CANDIDATES: list(answer.candidates)})


def answered(span: Span, answer: Answer) -> None:
    """Sets the candidates of the answer, its cost and its degradations."""
    if span.is_recording():
        span.set_attributes({names.CANDIDATES: list(answer.candidates), names.COST: answer.ledger.cost_nanousd})
        if answer.degraded:
            span.set_attribute(
                names.DEGRADED, [label(DegradedReason, degradation.reason) for degradation in answer.degraded]
            )


def trace_id(span: Span) -> str:
    """Returns the id of a span's trace, 32 hexadecimal digits; empty if nothing is traced."""
    context = span.get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else ""
