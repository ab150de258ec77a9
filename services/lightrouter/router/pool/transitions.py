"""Announces changes of candidates' states, with the cause, in a span, a metric and a log line."""

from __future__ import annotations

import logging
from enum import Enum

from opentelemetry.metrics import Meter
from opentelemetry.trace import NoOpTracer, Tracer

from lightrouter.runtime.enums import label
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from lightrouter.runtime.telemetry.metrics import Tally
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_ADMITTED, CandidateState

_log = logging.getLogger(__name__)


class Cause(Enum):
    """What changed a candidate's state."""

    POOL = "pool"
    """The pool file, the Candidate resource or the evaluator's verdict in it says so."""
    DRIFTED = "drifted"
    """Its figures left their history for the worse."""
    RETURNED = "returned"
    """Its figures are back to their history."""
    EVALUATED = "evaluated"
    """It was evaluated after it had drifted."""
    MINIMUM = "minimum"
    """It has drifted, but the pool would have too few candidates without it."""


class StateTransitions:
    """Announces changes of candidates' states."""

    def __init__(self, tracer: Tracer | None = None, meter: Meter | None = None) -> None:
        """Writes spans with `tracer`, and counts with `meter`."""
        self._tracer = tracer or NoOpTracer()
        self._changes = Tally(STATE_CHANGES)
        if meter:
            self._changes.report(meter)

    def announce(
        self,
        candidate: str,
        before: CandidateState.ValueType,
        after: CandidateState.ValueType,
        cause: Cause,
        message: str,
    ) -> None:
        """Announces that a candidate is in the state `after` from now on; `message` is a sentence about the cause."""
        was, now = label(CandidateState, before), label(CandidateState, after)
        level = logging.INFO if after == CANDIDATE_STATE_ADMITTED else logging.WARNING
        _log.log(level, "the candidate %s is %s, and was %s (%s): %s", candidate, now, was, cause.value, message)
        self._changes.add(1, candidate, was, now, cause.value)
        # A span of its own, because no request caused the change.
        with self._tracer.start_as_current_span(names.POOL_CHANGE) as span:
            attributes = {
                names.CANDIDATE: candidate,
                names.STATE_BEFORE: was,
                names.STATE: now,
                names.REASON: cause.value,
                names.MESSAGE: message,
            }
            span.add_event(names.CANDIDATE_STATE, attributes)
