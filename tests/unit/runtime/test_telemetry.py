"""References from one span to another."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN

from lightrouter.runtime.telemetry import link_to, span_reference


def test_a_reference_leads_back_to_its_span() -> None:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("boot")
    known = span.get_span_context()
    (link,) = link_to(span_reference(span))
    assert (link.context.trace_id, link.context.span_id) == (known.trace_id, known.span_id)
    assert link.context.is_remote
    span.end()


def test_a_span_that_is_not_recorded_has_none() -> None:
    assert span_reference(INVALID_SPAN) == ""


@pytest.mark.parametrize("reference", ["", "-", f"{1:032x}-{1:016x}-01", f"{1:032X}-{10:016X}", "x" * 49])
def test_what_is_no_reference_links_to_nothing(reference: str) -> None:
    assert link_to(reference) == []
