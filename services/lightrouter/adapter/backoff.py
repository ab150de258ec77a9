"""The pause that a provider asked for: no call is made before it has ended."""

from __future__ import annotations

from collections.abc import Callable

from lightrouter.adapter.faults import UpstreamError


class Backoff:
    """Remembers until when a provider wants no calls, by its Retry-After header or the words of its error."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Reads the time, in seconds, from `clock`."""
        self._clock = clock
        self._until = 0.0
        self._error: UpstreamError | None = None

    def begin(self, error: UpstreamError) -> None:
        """Begins the pause that `error` asks for; does nothing if it asks for none, or a longer one is running."""
        if error.retry_after is None or not error.retryable:
            return
        until = self._clock() + error.retry_after
        if until > self._until:
            self._until, self._error = until, error

    def refusal(self) -> UpstreamError | None:
        """Returns the error for a call that would be made during the pause, with the seconds left; None outside it."""
        seconds = self._until - self._clock()
        if self._error is None or seconds <= 0:
            return None
        return UpstreamError(
            self._error.code,
            self._error.reason,
            f"the provider asked for no calls; {seconds:.3g} s of its pause are left",
            retryable=True,
            works=None,
            retry_after=seconds,
            free=True,
        )
