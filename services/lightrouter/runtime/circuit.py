"""A circuit: after repeated failures whoever failed is left alone for a while, then tried with one call."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

# How long callers are told to wait while one of them tries the provider.
_PROBE_RETRY_AFTER: Final = 1.0
# The first wait is this part of the longest, so that a blip of seconds costs seconds; each failed try doubles it.
_FIRST_SHARE: Final = 1 / 20
# Candidates that failed together are not tried together: a wait is this much shorter at most.
_JITTER: Final = 0.25


class State(Enum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Takes the call back."""


Later = Callable[[float, Callable[[], None]], Timer]
"""Makes a call after so many seconds; `loop.call_later` is one."""


class Circuit:
    """Opens after so many failures in a row, lets one call try after a wait that grows, and closes on its success."""

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
        """`cooldown` is the longest wait and `clock` gives seconds; `on_change` is told every new state."""
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

    def admit(self, *, last_resort: bool = False) -> int:
        """Returns the permit of one call, to be given to `record` when the call has ended.

        Args:
            last_resort: Whether nobody else is left to ask: the call passes whatever the state, and closes the circuit
                where it succeeds.

        Raises:
            ServiceError: The circuit is open, or half-open and a call is trying the provider already.
        """
        if self.state is State.CLOSED or last_resort:
            return self._epoch
        if self.state is State.OPEN or self._probing:
            wait = max(self._reopens_at - self._clock(), 0.0) or _PROBE_RETRY_AFTER
            raise ServiceError(
                Code.UNAVAILABLE,
                ErrorReason.ERROR_REASON_CIRCUIT_OPEN,
                f"the provider failed {self._failures} times in a row and is left alone for a while",
                retry_after=wait,
            )
        self._probing = True
        return self._epoch

    def record(self, permit: int, succeeded: bool | None) -> None:
        """Takes how the call of `permit` ended; None where that says nothing about the provider.

        A call that was admitted in an earlier state says nothing about this one.
        """
        if permit != self._epoch:
            return
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
            # Half-open it has failed as often already.
            if self._in_a_row >= self._failures:
                self._open()

    def close(self) -> None:
        """Takes back what is due later."""
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
