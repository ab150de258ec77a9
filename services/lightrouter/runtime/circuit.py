"""A circuit breaker: opens after repeated failures, and tries one call after a wait."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

# A choice: seconds that other callers wait while one call tries the provider.
_PROBE_RETRY_AFTER: Final = 1.0
# A choice: the first wait is this share of the longest, so that a short failure costs a short wait; each failed try
# doubles the wait.
_FIRST_SHARE: Final = 1 / 20
# A choice: each wait is shorter by a random share, at most this one, so that candidates that failed together are not
# tried together.
_JITTER: Final = 0.25


class State(Enum):
    """The state of a circuit: calls pass (closed), are refused (open), or one call tries (half-open)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancels the scheduled call."""


Later = Callable[[float, Callable[[], None]], Timer]
"""Schedules a call in a number of seconds, as `loop.call_later` does."""


class Permit(NamedTuple):
    """The permission to make one call.

    Attributes:
        epoch: The state in which it was given, by its number.
        tries: Whether the call is the one that tries the provider.
    """

    epoch: int
    tries: bool = False


class Circuit:
    """Opens after `failures` failures in a row, tries one call after each growing wait, closes on its success."""

    def __init__(
        self,
        failures: int,
        cooldown: float,
        *,
        clock: Callable[[], float],
        later: Later,
        on_change: Callable[[State], None] = lambda _: None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`cooldown` is the longest wait in seconds, `clock` returns seconds, `on_change` receives each new state."""
        self._failures = failures
        self._cooldown = cooldown
        self._clock = clock
        self._later = later
        self._on_change = on_change
        self._uniform = uniform
        self._in_a_row = 0
        self._opened = 0
        self._reopens_at = 0.0
        self._epoch = 0
        self._probing = False
        self._timer: Timer | None = None
        self.state = State.CLOSED

    def admit(self, *, last_resort: bool = False) -> Permit:
        """Returns the permit of one call, for `record` after the call.

        Args:
            last_resort: Whether no other candidate is left: the call passes in every state, and its success closes the
                circuit.

        Raises:
            ServiceError: The circuit is open, or half-open while another call tries the provider (CIRCUIT_OPEN).
        """
        if self.state is State.CLOSED or last_resort:
            return Permit(self._epoch)
        if self.state is State.OPEN or self._probing:
            wait = max(self._reopens_at - self._clock(), 0.0) or _PROBE_RETRY_AFTER
            raise ServiceError(
                Code.UNAVAILABLE,
                ErrorReason.ERROR_REASON_CIRCUIT_OPEN,
                f"circuit open after {self._failures} failures in a row; retry in {wait:.1f} s",
                retry_after=wait,
            )
        self._probing = True
        return Permit(self._epoch, tries=True)

    def record(self, permit: Permit, succeeded: bool | None) -> None:
        """Records the outcome of the call of `permit`; None if it says nothing about the provider.

        The outcome of a call that was admitted in an earlier state is ignored.
        """
        if permit.epoch != self._epoch:
            return
        if permit.tries:
            self._probing = False
        if succeeded is None:
            return
        if succeeded:
            self._in_a_row = 0
            if self.state is not State.CLOSED:
                self._opened = 0
                self.close()
                self._change(State.CLOSED)
        elif self.state is not State.OPEN:
            self._in_a_row += 1
            # If half-open, the count is at the threshold already.
            if self._in_a_row >= self._failures:
                self._open()

    def close(self) -> None:
        """Cancels the scheduled change of state."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _open(self) -> None:
        wait = min(self._cooldown * _FIRST_SHARE * 2.0 ** min(self._opened, 16), self._cooldown)
        wait *= self._uniform(1 - _JITTER, 1)
        self._opened += 1
        self._reopens_at = self._clock() + wait
        self._timer = self._later(wait, self._half_open)
        self._change(State.OPEN)

    def _half_open(self) -> None:
        self._timer = None
        self._change(State.HALF_OPEN)

    def _change(self, state: State) -> None:
        self._epoch += 1
        self._probing = False
        self.state = state
        self._on_change(state)
