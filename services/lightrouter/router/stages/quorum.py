"""The wait for several parallel calls of which a quorum suffices."""

from __future__ import annotations

import asyncio
import math
from statistics import median

from lightrouter.runtime.deadline import Deadline


class QuorumWait:
    """Waits until all calls have answered, a quorum has and the grace period is over, or the deadline has passed.

    The quorum of several calls never includes the last one, so that one call that hangs cannot delay the others. The
    grace period depends on the time that the delivered calls needed and not on the deadline, so that a longer deadline
    makes nobody wait longer.
    """

    def __init__(
        self, calls: int, quorum: float, grace_s: float, deadline: Deadline, *, standing_by: bool = False
    ) -> None:
        """Starts the wait. Calls that fail do not count.

        Args:
            calls: Number of calls.
            quorum: Share of the calls that suffices, above 0 and up to 1.
            grace_s: Least seconds that the other calls have after a quorum has delivered.
            deadline: When the wait ends with the calls that have delivered.
            standing_by: Whether other candidates can be asked if no call has delivered at the deadline. If not, the
                wait goes on for the first delivery: a late answer is better than none.
        """
        self._waiting = self._able = calls
        self._quorum = quorum
        self._grace_s = grace_s
        self._standing_by = standing_by
        self._delivered_after_s: list[float] = []
        self._done = asyncio.Event()
        self._deadline_passed = False
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._grace_timer: asyncio.TimerHandle | None = None
        self._deadline_timer = self._loop.call_later(deadline.remaining(), self._on_deadline)

    @property
    def deadline_passed(self) -> bool:
        """Whether the deadline has passed."""
        return self._deadline_passed

    def delivered(self) -> None:
        """Counts a call that delivered."""
        self._delivered_after_s.append(self._loop.time() - self._started_at)
        self._answered()

    def failed(self) -> None:
        """Counts a call that failed."""
        self._able -= 1
        self._answered()

    def join(self, calls: int, deadline: Deadline | None = None) -> None:
        """Adds calls after a wait in which none delivered; `wait` can be awaited again.

        Their time is measured from here, so that earlier failures make nobody wait longer. If further candidates can be
        asked after them, the wait ends at `deadline` in any case.
        """
        self._started_at = self._loop.time()
        self._standing_by = deadline is not None
        if deadline is not None:
            self._deadline_timer.cancel()
            self._deadline_timer = self._loop.call_later(deadline.remaining(), self._on_deadline)
        self._waiting += calls
        self._able += calls
        self._done.clear()
        if self._waiting == 0:
            self._done.set()

    async def wait(self) -> None:
        """Returns when the stage may end."""
        await self._done.wait()

    def close(self) -> None:
        """Cancels the timers."""
        self._deadline_timer.cancel()
        if self._grace_timer:
            self._grace_timer.cancel()

    def _answered(self) -> None:
        self._waiting -= 1
        if self._waiting == 0 or (self._deadline_passed and self._delivered_after_s):
            self._done.set()
        elif self._grace_timer is None and len(self._delivered_after_s) >= self._quorum_of(self._able):
            grace_s = max(self._grace_s, median(self._delivered_after_s))
            self._grace_timer = self._loop.call_later(grace_s, self._done.set)

    def _on_deadline(self) -> None:
        self._deadline_passed = True
        if self._delivered_after_s or self._standing_by:
            self._done.set()

    def _quorum_of(self, able: int) -> int:
        # Floating point: 0.07 * 100 is a little above 7, and must not become 8.
        share = math.ceil(self._quorum * able - 1e-9)
        return max(1, min(share, able - 1))
