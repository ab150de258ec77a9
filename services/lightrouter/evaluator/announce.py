"""Reports changes of candidates' states, with the reason: a log line, an event of the current span and a metric."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from opentelemetry.metrics import Meter
from opentelemetry.trace import get_current_span

from lightrouter.evaluator.decision import MINIMUM_POOL
from lightrouter.pool.status import StateChange
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from lightrouter.runtime.telemetry.metrics import Tally

_log = logging.getLogger(__name__)


class Announcer:
    """Reports changes of states."""

    def __init__(self, meter: Meter) -> None:
        """Counts changes with `meter`."""
        self._changes = Tally(STATE_CHANGES).report(meter)

    def changed(self, changes: Iterable[StateChange]) -> None:
        """Reports these changes."""
        for change in changes:
            after = change.after.state
            if after is None:
                continue
            what = {
                names.CANDIDATE: change.candidate,
                names.STATE_BEFORE: change.before.value,
                names.STATE: after.value,
                names.REASON: change.after.admitted.reason,
            }
            self._changes.add(1, *what.values())
            get_current_span().add_event(names.CANDIDATE_STATE, {**what, names.MESSAGE: change.after.admitted.message})
            _log.warning(
                "the state of %s is %s now, and was %s (%s): %s",
                change.candidate,
                after.value,
                change.before.value,
                change.after.admitted.reason,
                change.after.admitted.message,
            )

    def alarm(self, candidate: str, message: str) -> None:
        """Reports a candidate that stays only because the pool would be too small without it."""
        get_current_span().add_event(names.POOL_TOO_SMALL, {names.CANDIDATE: candidate, names.MESSAGE: message})
        _log.error("%s is kept for want of others (%s): %s", candidate, MINIMUM_POOL, message)
