"""Retries: whether and when a call gets another attempt."""

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
    """The number of retries and the waits between them. The waits are a choice: short enough for a person who waits."""

    retries: int
    """The most attempts after the first."""
    base: float = 0.1
    """The longest wait before the second attempt, in seconds; it doubles with each attempt."""
    cap: float = 5.0
    """The longest wait before any attempt, in seconds, unless the provider asks for more."""


class Attempts:
    """The attempts of one call: exponential backoff with full jitter, Retry-After honoured, never past the deadline."""

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
        """Waits by `policy`, not past `deadline`, and at most `longest` seconds in all.

        `on_retry` is called with the error and the seconds of each wait.
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
        """Waits until the next attempt after `error` may begin.

        Raises:
            UpstreamError: `error` itself, at once, if no attempt is left, or none helps, or the wait is too long.
        """
        if error.stale and not self._stale:
            # The provider has not seen the request, so this is no retry and needs no wait.
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
