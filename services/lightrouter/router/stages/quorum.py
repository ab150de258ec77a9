"""When a stage that waits for several calls may stop waiting."""

from __future__ import annotations

import asyncio
import math
from statistics import median

from lightrouter.runtime.deadline import Deadline


class QuorumWait:
    """Waits until all calls have answered, a quorum has and the grace period is over, or the deadline strikes.

    The quorum never needs the last one of several, so that one call that hangs cannot hold the others. The grace is
    measured by what those that delivered have needed, never by the deadline: a longer one makes nobody wait longer.
    """

    def __init__(
        self, calls: int, quorum: float, grace_s: float, deadline: Deadline, *, standing_by: bool = False
    ) -> None:
        """Waits for `calls` calls, of which the share `quorum`, over 0 to 1, suffices once the grace is over.

        Calls that fail are out of the count.

        Args:
            calls: How many calls there are.
            quorum: Share of the calls that suffices.
            grace_s: Least seconds that the others get once a quorum has delivered.
            deadline: When the wait ends with what there is.
            standing_by: Whether somebody else can be asked where nobody has delivered by then. Without, the wait goes
                on for the first one that delivers: an answer late in the route is better than none.
        """
        self._waiting = self._able = calls
        self._quorum = quorum
        self._grace_s = grace_s
        self._standing_by = standing_by
        self._needed_s: list[float] = []
        self._over = asyncio.Event()
        self._deadline_passed = False
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._grace: asyncio.TimerHandle | None = None
        self._strike = self._loop.call_later(deadline.remaining(), self._on_deadline)

    @property
    def deadline_passed(self) -> bool:
        """Whether the deadline has struck."""
        return self._deadline_passed

    def delivered(self) -> None:
        """Counts a call that delivered."""
        self._needed_s.append(self._loop.time() - self._begun)
        self._answered()

    def failed(self) -> None:
        """Counts a call that failed."""
        self._able -= 1
        self._answered()

    def join(self, calls: int, deadline: Deadline | None = None) -> None:
        """Counts so many calls more, after a wait in which nobody delivered; `wait` can be awaited again.

        What those needed is measured from here: who failed before them makes nobody wait longer. Where somebody else
        can be asked after them too, the wait ends at `deadline` in any case.
        """
        self._begun = self._loop.time()
        self._standing_by = deadline is not None
        if deadline is not None:
            self._strike.cancel()
            self._strike = self._loop.call_later(deadline.remaining(), self._on_deadline)
        self._waiting += calls
        self._able += calls
        self._over.clear()
        if self._waiting == 0:
            self._over.set()

    async def wait(self) -> None:
        """Returns when the stage may end."""
        await self._over.wait()

    def close(self) -> None:
        """Takes back what is due later."""
        self._strike.cancel()
        if self._grace:
            self._grace.cancel()

    def _answered(self) -> None:
        self._waiting -= 1
        if self._waiting == 0 or (self._deadline_passed and self._needed_s):
            self._over.set()
        elif self._grace is None and len(self._needed_s) >= self._quorum_of(self._able):
            grace_s = max(self._grace_s, median(self._needed_s))
            self._grace = self._loop.call_later(grace_s, self._over.set)

    def _on_deadline(self) -> None:
        self._deadline_passed = True
        if self._needed_s or self._standing_by:
            self._over.set()

    def _quorum_of(self, able: int) -> int:
        # 0.07 * 100 is a little over 7 in binary, and eight are not meant.
        share = math.ceil(self._quorum * able - 1e-9)
        return max(1, min(share, able - 1))
