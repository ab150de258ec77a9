"""Deadlines, passed on explicitly so that each stage of a route gets its share of the caller's time."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

# A choice: above what a message and a busy event loop take on one machine.
_MOMENT_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Returns the deadline that is `seconds` away."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Returns the seconds left; 0 once it has passed."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.at

    @property
    def at_hand(self) -> bool:
        """Whether it has passed, or will within the moment by which timers of two processes may differ."""
        return self.remaining() < _MOMENT_SECONDS

    def share(self, fraction: float, at_most: float | None = None) -> Deadline:
        """Returns the deadline of a stage that may use `fraction` of the remaining time, at most `at_most` seconds."""
        now = time.monotonic()
        seconds = max(0.0, self.at - now) * fraction
        return Deadline(now + (seconds if at_most is None else min(seconds, at_most)))


_current: ContextVar[Deadline] = ContextVar("lightrouter_deadline")


def set_current_deadline(deadline: Deadline) -> None:
    """Sets the deadline of the call that this task serves."""
    _current.set(deadline)


def current_deadline() -> Deadline:
    """Returns the deadline of the call that this task serves.

    Raises:
        LookupError: Outside a served call.
    """
    return _current.get()
