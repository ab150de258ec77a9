"""The candidates that cannot deliver now: their adapter does not serve, or their provider asked for a pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_UPSTREAM_ERROR,
    ERROR_REASON_UPSTREAM_RATE_LIMITED,
    ERROR_REASON_UPSTREAM_UNAVAILABLE,
)
from lightrouter.v1.ledger_pb2 import NOT_ASKED_REASON_NOT_SERVING, NOT_ASKED_REASON_RESTING, NotAsked

# A choice: a provider that asks for more is asked again earlier, and may ask for a pause again.
_MAX_PAUSE_S: Final = 60.0
# An open circuit or a full adapter states a time too, but for one replica only, and refusing costs it nothing.
_BY_PROVIDER: Final = frozenset(
    {ERROR_REASON_UPSTREAM_RATE_LIMITED, ERROR_REASON_UPSTREAM_ERROR, ERROR_REASON_UPSTREAM_UNAVAILABLE}
)


class Availability:
    """Remembers for all routes which providers have asked for a pause, and knows which adapters do not serve."""

    def __init__(
        self, declines: Callable[[str], bool] = lambda _: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`declines` returns whether the adapter at an address says that it does not serve; `clock` returns seconds."""
        self._declines = declines
        self._clock = clock
        self._paused_until: dict[str, float] = {}

    def failed(self, candidate: str, error: ServiceError) -> None:
        """Takes a failed call; if the provider states when to retry, the candidate is not asked until then."""
        if error.retry_after is not None and error.reason in _BY_PROVIDER:
            self._paused_until[candidate] = self._clock() + min(error.retry_after, _MAX_PAUSE_S)

    def why_not(self, candidate: Candidate) -> NotAsked | None:
        """Returns why a candidate cannot deliver now; None if it can."""
        name = candidate.name
        if self._declines(candidate.address):
            message = f"the adapter of {name} says that it does not serve"
            return NotAsked(candidate=name, reason=NOT_ASKED_REASON_NOT_SERVING, message=message)
        if seconds := self.pause(name):
            message = f"the provider of {name} has asked for a pause; retry in {seconds:.1f} seconds"
            return NotAsked(candidate=name, reason=NOT_ASKED_REASON_RESTING, message=message)
        self._paused_until.pop(name, None)
        return None

    def pause(self, candidate: str) -> float:
        """Returns the seconds that are left of the pause that a candidate's provider has asked for; 0 if none are."""
        return max(0.0, self._paused_until.get(candidate, 0.0) - self._clock())
