"""Retries: whether and when a call gets another attempt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lightrouter.adapter import faults
from lightrouter.adapter.retry import Attempts, RetryPolicy
from lightrouter.runtime.deadline import Deadline

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


class Sleeps:
    def __init__(self) -> None:
        self.slept: list[float] = []
        self.ceilings: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def uniform(self, low: float, high: float) -> float:
        assert low == 0
        self.ceilings.append(high)
        return high / 2

    def attempts(self, retries: int = 3, seconds: float = 100, base: float = 0.1, cap: float = 5) -> Attempts:
        policy = RetryPolicy(retries, base, cap)
        return Attempts(policy, Deadline.after(seconds), uniform=self.uniform, sleep=self.sleep)


async def test_waits_grow_with_full_jitter_up_to_the_cap() -> None:
    sleeps = Sleeps()
    attempts = sleeps.attempts(retries=4, base=1, cap=3)
    for _ in range(4):
        await attempts.wait(faults.failed(500, ""))
    assert sleeps.ceilings == [1, 2, 3, 3]
    assert sleeps.slept == [0.5, 1, 1.5, 1.5]


async def test_the_last_error_is_raised_when_no_retry_is_left() -> None:
    attempts = Sleeps().attempts(retries=1)
    await attempts.wait(faults.failed(500, ""))
    error = faults.failed(503, "")
    with pytest.raises(faults.UpstreamError) as caught:
        await attempts.wait(error)
    assert caught.value is error


@pytest.mark.parametrize("error", [faults.rejected(400, ""), faults.unauthenticated("no"), faults.malformed("x")])
async def test_an_error_that_no_retry_helps_is_raised_at_once(error: faults.UpstreamError) -> None:
    sleeps = Sleeps()
    with pytest.raises(faults.UpstreamError):
        await sleeps.attempts().wait(error)
    assert not sleeps.slept


async def test_waits_at_least_what_the_provider_asks_for() -> None:
    sleeps = Sleeps()
    await sleeps.attempts(base=1).wait(faults.rate_limited(7))
    assert sleeps.slept == [7.5]


async def test_never_waits_past_the_deadline() -> None:
    sleeps = Sleeps()
    with pytest.raises(faults.UpstreamError) as caught:
        await sleeps.attempts(seconds=5).wait(faults.rate_limited(7))
    assert caught.value.retry_after == 7
    assert not sleeps.slept


async def test_a_stale_connection_is_no_retry_once() -> None:
    sleeps = Sleeps()
    attempts = sleeps.attempts(retries=0)
    await attempts.wait(faults.unavailable("hung up", stale=True))
    assert not sleeps.slept
    with pytest.raises(faults.UpstreamError):
        await attempts.wait(faults.unavailable("hung up", stale=True))


@pytest.mark.parametrize(("asked_for", "waits"), [(0.4, 2), (0.9, 1), (1.1, 0)])
async def test_waits_no_more_than_its_longest_in_all(asked_for: float, waits: int) -> None:
    sleeps = Sleeps()
    policy = RetryPolicy(5, base=0.0)
    attempts = Attempts(policy, Deadline.after(100), longest=1.0, uniform=sleeps.uniform, sleep=sleeps.sleep)
    for _ in range(waits):
        await attempts.wait(faults.rate_limited(asked_for))
    with pytest.raises(faults.UpstreamError) as caught:
        await attempts.wait(faults.rate_limited(asked_for))
    assert caught.value.retry_after == asked_for
    assert sleeps.slept == [asked_for] * waits
