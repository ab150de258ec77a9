"""Whether and when a provider is asked again."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lightrouter.adapter.faults import UpstreamError
from lightrouter.runtime.deadline import Deadline


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how far apart attempts are."""

    retries: int
    """Attempts after the first."""
    base: float = 0.1
    """Longest wait before the second attempt, in seconds; it doubles with every attempt."""
    cap: float = 5.0
    """Longest wait of all, in seconds, where the provider does not ask for more."""


class Attempts:
    """The attempts of one call: full jitter between them, what the provider asks for, never past the deadline."""

    def __init__(
        self,
        policy: RetryPolicy,
        deadline: Deadline,
        *,
        longest: float = math.inf,
        uniform: Callable[[float, float], float] = random.uniform,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_retry: Callable[[UpstreamError, float], None] = lambda _error, _seconds: None,
    ) -> None:
        """Waits by `policy`, not past `deadline`, and no more than `longest` seconds in all.

        `on_retry` hears what failed and how long the wait is.
        """
        self._policy = policy
        self._deadline = deadline
        self._longest = longest
        self._uniform = uniform
        self._sleep = sleep
        self._on_retry = on_retry
        self._retries = 0
        self._stale = False

    async def wait(self, error: UpstreamError) -> None:
        """Waits until the provider may be asked again after `error`.

        Raises:
            UpstreamError: `error` itself, at once, where no further attempt is left, helps, or fits the deadline.
        """
        if error.stale and not self._stale:
            # The provider has not seen the request: this is no retry, and there is nothing to wait for.
            self._stale = True
            self._on_retry(error, 0.0)
            return
        if not error.retryable or self._retries >= self._policy.retries:
            raise error
        ceiling = min(self._policy.cap, self._policy.base * 2**self._retries)
        seconds = (error.retry_after or 0.0) + self._uniform(0.0, ceiling)
        if seconds > self._longest or seconds >= self._deadline.remaining():
            raise error
        self._longest -= seconds
        self._retries += 1
        self._on_retry(error, seconds)
        await self._sleep(seconds)
