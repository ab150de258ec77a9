"""When a stage that waits for several calls may stop waiting."""

from __future__ import annotations

import asyncio
import math

from lightrouter.runtime.deadline import Deadline


class Patience:
    """Waits until all calls have answered, a quorum has and the grace period is over, or the deadline strikes.

    A deadline that strikes while nobody has delivered waits for the first one that does: an answer late in the route is
    better than none.
    """

    def __init__(self, calls: int, quorum: float, grace_s: float, deadline: Deadline) -> None:
        """Waits for `calls` calls, of which the share `quorum`, over 0 to 1, suffices after `grace_s` seconds.

        Calls that fail are out of the count.
        """
        self._waiting = self._able = calls
        self._quorum = quorum
        self._grace_s = grace_s
        self._delivered = 0
        self._over = asyncio.Event()
        self._struck = False
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._strike = self._loop.call_later(deadline.remaining(), self._on_deadline)

    @property
    def struck(self) -> bool:
        """Whether it was the deadline that ended the wait."""
        return self._struck

    def delivered(self) -> None:
        """Counts a call that delivered."""
        self._delivered += 1
        self._answered()

    def failed(self) -> None:
        """Counts a call that failed."""
        self._able -= 1
        self._answered()

    async def wait(self) -> None:
        """Returns when the stage may end."""
        try:
            await self._over.wait()
        finally:
            self._strike.cancel()
            if self._grace:
                self._grace.cancel()

    def _answered(self) -> None:
        self._waiting -= 1
        if self._waiting == 0 or (self._struck and self._delivered):
            self._over.set()
        elif self._grace is None and 0 < self._needed() <= self._delivered:
            self._grace = self._loop.call_later(self._grace_s, self._over.set)

    def _on_deadline(self) -> None:
        self._struck = True
        if self._delivered:
            self._over.set()

    def _needed(self) -> int:
        # 0.07 * 100 is a little over 7 in binary, and eight are not meant.
        return math.ceil(self._quorum * self._able - 1e-9)
