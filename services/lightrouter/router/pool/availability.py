"""Who is not worth asking now: a candidate whose adapter does not serve, or whose provider wants to be left alone."""

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

_LONGEST_REST_S: Final = 60.0
# An open circuit or a full adapter says when to come back too, but of one replica only, and refusing costs it nothing.
_PROVIDERS_OWN: Final = frozenset(
    {ERROR_REASON_UPSTREAM_RATE_LIMITED, ERROR_REASON_UPSTREAM_ERROR, ERROR_REASON_UPSTREAM_UNAVAILABLE}
)


class Availability:
    """Remembers for all routes which providers have asked for rest, and asks for the health of adapters."""

    def __init__(
        self, declines: Callable[[str], bool] = lambda _: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`declines` tells whether the adapter at an address says that it does not serve; `clock` gives seconds."""
        self._declines = declines
        self._clock = clock
        self._rests_until: dict[str, float] = {}

    def failed(self, candidate: str, error: ServiceError) -> None:
        """Takes a failed call: where the provider said when to come back, it is left alone until then."""
        if error.retry_after is not None and error.reason in _PROVIDERS_OWN:
            self._rests_until[candidate] = self._clock() + min(error.retry_after, _LONGEST_REST_S)

    def why_not(self, candidate: Candidate) -> NotAsked | None:
        """Returns why a candidate is not worth asking now; None where it is."""
        name = candidate.name
        if self._declines(candidate.address):
            message = f"the adapter of {name} says that it does not serve"
            return NotAsked(candidate=name, reason=NOT_ASKED_REASON_NOT_SERVING, message=message)
        seconds = self._rests_until.get(name, 0.0) - self._clock()
        if seconds > 0:
            message = f"the provider of {name} has asked to be left alone for {seconds:.1f} seconds more"
            return NotAsked(candidate=name, reason=NOT_ASKED_REASON_RESTING, message=message)
        self._rests_until.pop(name, None)
        return None
