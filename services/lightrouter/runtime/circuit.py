"""A circuit: after repeated failures whoever failed is left alone for a while, then tried with one call."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

# How long callers are told to wait while one of them tries the provider.
_PROBE_RETRY_AFTER = 1.0


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
    """Opens after so many failures in a row, lets one call try after the cooldown, and closes on its success."""

    def __init__(
        self,
        failures: int,
        cooldown: float,
        *,
        clock: Callable[[], float],
        later: Later,
        on_change: Callable[[State], None] = lambda _: None,
    ) -> None:
        """`clock` gives seconds; `on_change` is told every new state."""
        self._failures = failures
        self._cooldown = cooldown
        self._clock = clock
        self._later = later
        self._on_change = on_change
        self._in_a_row = 0
        self._reopens_at = 0.0
        self._epoch = 0
        self._probing = False
        self._timer: Timer | None = None
        self.state = State.CLOSED

    def admit(self) -> int:
        """Returns the permit of one call, to be given to `record` when the call has ended.

        Raises:
            ServiceError: The circuit is open, or half-open and a call is trying the provider already.
        """
        if self.state is State.CLOSED:
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
            if self.state is State.HALF_OPEN:
                self._change(State.CLOSED)
            return
        self._in_a_row += 1
        if self.state is State.HALF_OPEN or self._in_a_row >= self._failures:
            self._open()

    def close(self) -> None:
        """Takes back what is due later; the circuit is not used any more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _open(self) -> None:
        self._reopens_at = self._clock() + self._cooldown
        self._timer = self._later(self._cooldown, self._half_open)
        self._change(State.OPEN)

    def _half_open(self) -> None:
        self._timer = None
        self._change(State.HALF_OPEN)

    def _change(self, state: State) -> None:
        self._epoch += 1
        self._probing = False
        self.state = state
        if state is State.CLOSED:
            self._in_a_row = 0
        self._on_change(state)
