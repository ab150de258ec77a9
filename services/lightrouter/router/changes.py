"""Says of each candidate whose state changes that it does, and why: in a span, a metric and a log line."""

from __future__ import annotations

import logging
from enum import Enum

from opentelemetry.trace import Tracer

from lightrouter.runtime import names
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


class PoolChanges:
    """Tells of changes of candidates' states."""

    def __init__(self, tracer: Tracer) -> None:
        """Traces by `tracer`."""
        self._tracer = tracer

    def say(self, candidate: str, state: CandidateState.ValueType, cause: Cause, explanation: str) -> None:
        """Tells that a candidate is in this state from now on, why, and in a sentence what speaks for it."""
        said = CandidateState.Name(state).removeprefix("CANDIDATE_STATE_").lower()
        level = logging.INFO if state == CANDIDATE_STATE_ADMITTED else logging.WARNING
        _log.log(level, "the candidate %s is %s (%s): %s", candidate, said, cause.value, explanation)
        # A span of its own: no request's span lives as long as the pool.
        with self._tracer.start_as_current_span(names.POOL_CHANGE) as span:
            span.add_event(
                names.CANDIDATE_STATE,
                {
                    names.CANDIDATE: candidate,
                    names.STATE: said,
                    names.REASON: cause.value,
                    names.MESSAGE: explanation,
                },
            )
