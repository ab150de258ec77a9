"""Reports changes of candidates' states, with the reason: a log line, an event of the current span and a metric."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from opentelemetry.metrics import Meter
from opentelemetry.trace import get_current_span

from lightrouter.evaluator.decision import MINIMUM_POOL
from lightrouter.pool.status import PoolStatus, StateChange
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from lightrouter.runtime.telemetry.metrics import Tally

_log = logging.getLogger(__name__)


class Announcer:
    """Reports changes of states."""

    def __init__(self, meter: Meter) -> None:
        """Counts changes with `meter`."""
        self._changes = Tally(STATE_CHANGES).report(meter)

    def announce(self, changes: Iterable[StateChange], held: PoolStatus, run: str) -> None:
        """Reports these changes, and each candidate that evaluation `run` keeps only for want of others."""
        for change in changes:
            state, why = change.after.state, change.after.admitted
            if state is None:
                continue
            what = {
                names.CANDIDATE: change.candidate,
                names.STATE_BEFORE: change.before.value,
                names.STATE: state.value,
                names.REASON: why.reason,
            }
            self._changes.add(1, *what.values())
            get_current_span().add_event(names.CANDIDATE_STATE, {**what, names.MESSAGE: why.message})
            said = "the state of %s is %s now, and was %s (%s): %s"
            _log.warning(said, change.candidate, state.value, change.before.value, why.reason, why.message)
        for name, status in held.statuses.items():
            if status.evaluation_run == run and status.admitted.reason == MINIMUM_POOL:
                what = {names.CANDIDATE: name, names.MESSAGE: status.admitted.message}
                get_current_span().add_event(names.POOL_TOO_SMALL, what)
                _log.error("%s is kept for want of others (%s): %s", name, MINIMUM_POOL, status.admitted.message)
