"""Every number of an enumeration has a label, also the numbers of a newer version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import Span

from lightrouter.router.context import Merged
from lightrouter.router.telemetry import spans
from lightrouter.runtime import enums
from lightrouter.runtime.enums import OTHER, label, series
from lightrouter.runtime.errors import reason_name, reason_series
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import TextCapture
from lightrouter.v1.candidate_pb2 import CandidateHealth, CandidateState
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Degradation, DegradedReason, Stage
from lightrouter.v1.policy_pb2 import AggregatorStrategy, SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, Selection, SelectionReason

if TYPE_CHECKING:
    from lightrouter.runtime.enums import Enumeration

ENUMS = [
    *(AggregatorStrategy, CandidateHealth, CandidateState, DegradedReason, ErrorReason, FinishReason, Role),
    *(SelectionReason, SelectorStrategy, Stage),
]
NEWER = 1717


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.DESCRIPTOR.name)
def test_a_label_is_the_name_without_the_enumeration_s(enum: Enumeration) -> None:
    assert label(enum, 0) == "unspecified"
    found = [label(enum, number) for number in enum.values()]
    assert len(set(found)) == len(found)
    for name, short in zip(enum.keys(), found, strict=True):
        assert name.lower().endswith(f"_{short}")


@pytest.mark.parametrize(
    ("enum", "number", "short"),
    [
        (SelectorStrategy, SelectorStrategy.SELECTOR_STRATEGY_LLM, "llm"),
        (FinishReason, FinishReason.FINISH_REASON_LENGTH, "length"),
        (CandidateState, CandidateState.CANDIDATE_STATE_PROBATION, "probation"),
        (Role, Role.ROLE_USER, "user"),
        (Stage, Stage.STAGE_BOOT, "boot"),
    ],
)
def test_some_labels(enum: Enumeration, number: int, short: str) -> None:
    assert label(enum, number) == series(enum, number) == short


@given(st.sampled_from(ENUMS), st.integers(-(2**31), 2**31 - 1))
def test_every_number_has_a_label(enum: Enumeration, number: int) -> None:
    if number not in enum.values():
        assert label(enum, number) == f"unknown_{number}"
        assert series(enum, number) == OTHER


def test_a_newer_reason_has_a_name() -> None:
    newer = ErrorReason.ValueType(NEWER)
    assert (reason_name(newer), reason_series(newer)) == ("UNKNOWN_1717", OTHER)
    assert reason_series(ErrorReason.ERROR_REASON_OVERLOADED) == "OVERLOADED"


def told(span: Span) -> dict[str, object]:
    span.end()
    assert isinstance(span, ReadableSpan)
    found: dict[str, object] = dict(span.attributes or {})
    for event in span.events:
        found.update(event.attributes or {})
    return found


def test_spans_take_values_of_a_newer_service() -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    newer = f"unknown_{NEWER}"

    span = tracer.start_span("select")
    reason = SelectionReason.ValueType(NEWER)
    spans.selected(span, Selection(strategy=SelectorStrategy.ValueType(NEWER), reason=reason))
    found = told(span)
    assert (found[names.STRATEGY], found[names.SELECTION_REASON]) == (newer, newer)

    span = tracer.start_span("aggregate")
    strategy = AggregatorStrategy.ValueType(NEWER)
    spans.merged(span, Merged("text", FinishReason.ValueType(NEWER), ["a"], strategy, []))
    assert told(span)[names.STRATEGY] == newer

    degraded = DegradedReason.ValueType(NEWER)
    span = tracer.start_span("route")
    spans.answered(span, Answer(degraded=[Degradation(reason=degraded)]))
    assert told(span)[names.DEGRADED] == (newer,)

    with tracer.start_as_current_span("boot") as current:
        degradation = Degradation(reason=degraded, message="why", candidate="a")
        spans.dropped(degradation, None)
        spans.degraded(degradation)
    assert told(current)[names.REASON] == newer


def test_captured_text_takes_values_of_a_newer_service() -> None:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("chat")
    capture = TextCapture(100)
    capture.asked(span, [ChatMessage(role=Role.ValueType(NEWER), content="hello")])
    capture.answered(span, "text", FinishReason.ValueType(NEWER))
    assert str(told(span)).count(f"unknown_{NEWER}") == 2


@pytest.mark.parametrize("enum", [Role, SelectorStrategy, FinishReason, DegradedReason])
def test_a_label_leads_back_to_its_value(enum: Enumeration) -> None:
    assert [enums.value(enum, word) for word in enums.labels(enum)] == sorted(filter(None, enum.values()))
    with pytest.raises(KeyError):
        enums.value(enum, "unknown_17")
