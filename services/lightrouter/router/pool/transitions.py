"""Says of each candidate whose state changes that it does, and why: in a span, a metric and a log line."""

from __future__ import annotations

import logging
from enum import Enum

from opentelemetry.metrics import Meter
from opentelemetry.trace import Tracer

from lightrouter.runtime.enums import label
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from lightrouter.runtime.telemetry.metrics import Tally
from lightrouter.v1.candidate_pb2 import CANDIDATE_STATE_ADMITTED, CandidateState

_log = logging.getLogger(__name__)


class Cause(Enum):
    """What changed a candidate's state."""

    POOL = "pool"
    """The pool says so: its file, its resource, or the evaluator's verdict there."""
    DRIFTED = "drifted"
    """Its figures left their history."""
    RETURNED = "returned"
    """Its figures are what they were."""
    EVALUATED = "evaluated"
    """It was evaluated after it had drifted."""
    MINIMUM = "minimum"
    """It has drifted, but the pool would have too few candidates without it."""


class StateTransitions:
    """Tells of changes of candidates' states."""

    def __init__(self, tracer: Tracer, meter: Meter | None = None) -> None:
        """Traces by `tracer`, and counts by `meter`."""
        self._tracer = tracer
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
        """Tells that a candidate is in the state `after` from now on, why, and in a sentence what speaks for it."""
        was, said = label(CandidateState, before), label(CandidateState, after)
        level = logging.INFO if after == CANDIDATE_STATE_ADMITTED else logging.WARNING
        _log.log(level, "the candidate %s is %s, and was %s (%s): %s", candidate, said, was, cause.value, message)
        self._changes.add(1, candidate, was, said, cause.value)
        # A span of its own: no request's span lives as long as the pool.
        with self._tracer.start_as_current_span(names.POOL_CHANGE) as span:
            told = {
                names.CANDIDATE: candidate,
                names.STATE_BEFORE: was,
                names.STATE: said,
                names.REASON: cause.value,
                names.MESSAGE: message,
            }
            span.add_event(names.CANDIDATE_STATE, told)
