"""The end of the wait for several calls: the quorum and its rounding, the grace period, the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lightrouter.router.stages.quorum import QuorumWait
from lightrouter.runtime.deadline import Deadline


class Clock:
    """The clock of the running loop, which a test moves, and the timers on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.due: list[float] = []
        loop = asyncio.get_running_loop()
        later = loop.call_later

        def call_later(delay: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
            self.due.append(self.now + delay)
            return later(3600, callback)

        monkeypatch.setattr(loop, "time", lambda: self.now)
        monkeypatch.setattr(loop, "call_later", call_later)


def long() -> Deadline:
    return Deadline.after(3600)


def needed(calls: int, quorum: float, failed: int, clock: Clock) -> int:
    """Returns the number of deliveries after which the grace period starts."""
    wait = QuorumWait(calls, quorum, 1.0, long())
    for _ in range(failed):
        wait.failed()
    for count in range(1, calls - failed):
        wait.delivered()
        if len(clock.due) > 1:
            wait.close()
            return count
    wait.close()
    return calls - failed


@pytest.mark.parametrize(
    ("calls", "quorum", "failed", "expected"),
    [
        # A quorum of several calls never includes the last one.
        (2, 0.75, 0, 1),
        (3, 0.75, 0, 2),
        (2, 1.0, 0, 1),
        (3, 1.0, 0, 2),
        (8, 1.0, 0, 7),
        # Shares are rounded up, never down.
        (4, 0.75, 0, 3),
        (5, 0.75, 0, 4),
        (6, 0.75, 0, 5),
        (7, 0.75, 0, 6),
        (8, 0.75, 0, 6),
        (3, 0.5, 0, 2),
        (5, 0.5, 0, 3),
        (7, 0.5, 0, 4),
        (8, 0.5, 0, 4),
        (8, 0.01, 0, 1),
        # 0.07 * 100 is a little over 7 in binary.
        (100, 0.07, 0, 7),
        # Failures do not count.
        (3, 0.75, 1, 1),
        (4, 0.75, 2, 1),
        (8, 0.5, 4, 2),
    ],
)
async def test_the_quorum(
    calls: int, quorum: float, failed: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        assert needed(calls, quorum, failed, Clock(patched)) == expected


@pytest.mark.parametrize("seconds", [10.0, 3600.0])
@pytest.mark.parametrize(
    ("took", "grace_s", "ends"),
    [
        ([0.2], 1.0, 1.2),
        ([3.0], 1.0, 6.0),
        ([1.0, 2.0, 3.0], 0.5, 5.0),
        ([0.1, 0.1, 4.0], 0.5, 4.5),
    ],
)
async def test_the_grace_is_judged_by_what_the_others_needed_not_by_the_deadline(
    took: list[float], grace_s: float, ends: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        clock = Clock(patched)
        wait = QuorumWait(len(took) + 1, 1.0, grace_s, Deadline.after(seconds))
        for moment in took:
            clock.now = moment
            wait.delivered()
        assert clock.due[1:] == [pytest.approx(ends)]
        wait.close()


async def test_all_answers_end_the_wait() -> None:
    wait = QuorumWait(3, 0.75, 3600.0, long())
    wait.delivered()
    wait.failed()
    wait.delivered()
    await wait.wait()
    assert not wait.deadline_passed
    wait.close()


@pytest.mark.parametrize("standing_by", [False, True])
async def test_a_deadline_without_anybody_ends_the_wait_where_others_stand_by(standing_by: bool) -> None:
    wait = QuorumWait(2, 0.5, 3600.0, Deadline.after(0.0), standing_by=standing_by)
    waiting = asyncio.create_task(wait.wait())
    while not wait.deadline_passed:  # noqa: ASYNC110 - lets the timer run
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done() == standing_by
    if standing_by:
        wait.join(1)
        waiting = asyncio.create_task(wait.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
    wait.delivered()
    await waiting
    wait.close()


async def test_candidates_that_join_and_hang_leave_time_for_the_next() -> None:
    wait = QuorumWait(1, 0.75, 3600.0, long(), standing_by=True)
    wait.failed()
    await wait.wait()
    wait.join(1, Deadline.after(0.0))
    await wait.wait()
    assert wait.deadline_passed
    wait.join(1)
    waiting = asyncio.create_task(wait.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    wait.delivered()
    await waiting
    wait.close()


@pytest.mark.parametrize("joining", [0, 2])
async def test_the_wait_covers_candidates_that_join(joining: int) -> None:
    wait = QuorumWait(1, 0.75, 3600.0, long(), standing_by=True)
    wait.failed()
    await wait.wait()
    wait.join(joining)
    waiting = asyncio.create_task(wait.wait())
    for _ in range(joining):
        await asyncio.sleep(0)
        assert not waiting.done()
        wait.failed()
    await waiting
    wait.close()


async def test_the_quorum_counts_those_who_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        clock = Clock(patched)
        wait = QuorumWait(2, 0.75, 1.0, long(), standing_by=True)
        wait.failed()
        wait.failed()
        wait.join(4)
        wait.delivered()
        wait.delivered()
        assert clock.due[1:] == []
        wait.delivered()
        assert len(clock.due) == 2
        wait.close()


async def test_the_grace_of_those_who_joined_is_not_longer_for_those_who_failed_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        clock = Clock(patched)
        wait = QuorumWait(2, 0.75, 1.0, long(), standing_by=True)
        clock.now = 20.0
        wait.failed()
        wait.failed()
        wait.join(2)
        clock.now = 22.0
        wait.delivered()
        assert clock.due[1:] == [24.0]
        wait.close()


async def test_a_deadline_that_strikes_after_they_joined_is_waited_out() -> None:
    wait = QuorumWait(1, 0.75, 3600.0, Deadline.after(0.0), standing_by=True)
    wait.failed()
    wait.join(2)
    waiting = asyncio.create_task(wait.wait())
    while not wait.deadline_passed:  # noqa: ASYNC110 - lets the timer run
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    wait.delivered()
    await waiting
    wait.close()


async def test_a_failure_after_the_deadline_does_not_end_the_wait_for_the_first_delivery() -> None:
    wait = QuorumWait(3, 1.0, 0.0, Deadline.after(0.0))
    waiting = asyncio.ensure_future(wait.wait())
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, later.set)
    await later.wait()
    assert wait.deadline_passed
    wait.failed()
    for _ in range(3):
        await asyncio.sleep(0)
    ended = [waiting.done()]
    wait.delivered()
    await waiting
    wait.close()
    assert ended == [False]
