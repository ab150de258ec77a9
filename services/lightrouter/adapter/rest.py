"""The rest that a provider asked for: until it is over, nobody asks."""

from __future__ import annotations

from collections.abc import Callable

from lightrouter.adapter.faults import UpstreamError


class Rest:
    """Remembers how long a provider wants to be left alone, as its Retry-After or its words say."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._until = 0.0
        self._why: UpstreamError | None = None

    def begin(self, error: UpstreamError) -> None:
        """Begins the rest that `error` asks for, if it asks for one."""
        if error.retry_after is None or not error.retryable:
            return
        until = self._clock() + error.retry_after
        if until > self._until:
            self._until, self._why = until, error

    def left(self) -> UpstreamError | None:
        """Returns the error for a call that is made during the rest, which says how long it lasts; None without."""
        seconds = self._until - self._clock()
        if self._why is None or seconds <= 0:
            return None
        return UpstreamError(
            self._why.code,
            self._why.reason,
            f"the provider asked to be left alone for {seconds:.3g} s more",
            retryable=True,
            works=None,
            retry_after=seconds,
        )
