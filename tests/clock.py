"""The clock of a test that has no time to wait."""

from __future__ import annotations

import time

import pytest


class Clock:
    """Python's monotonic clock, which goes on as always and which a test may put forward.

    The timers of asyncio and the deadlines of the services go by it, gRPC's own timers do not. So a test gives a call a
    deadline that is far away, waits for the event from which a bound counts, and puts the clock forward: the service
    reaches its bound, and the caller, whose time gRPC counts, never does so first.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Replaces `time.monotonic` by way of `patch`."""
        self._real = time.monotonic
        self._ahead_s = 0.0
        patch.setattr(time, "monotonic", self)

    def __call__(self) -> float:
        """Returns the time, in seconds."""
        return self._real() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Puts the clock forward; call it in the event loop, whose timers then see it."""
        self._ahead_s += seconds
