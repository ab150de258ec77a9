"""The health of adapters, and the router's own that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest

from lightrouter.router.pool.health import HealthMonitor
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_HEALTH_NOT_SERVING,
    CANDIDATE_HEALTH_SERVING,
    CANDIDATE_HEALTH_UNSPECIFIED,
    CANDIDATE_STATE_EVICTED,
)
from tests.unit.router.builders import failure, pool_candidate, snapshot

A, B = pool_candidate("a"), pool_candidate("b")


class Adapters:
    """Adapters whose health the test sets; None is a lost connection."""

    def __init__(self) -> None:
        self.said: dict[str, asyncio.Queue[bool | None]] = {}
        self.waits: list[bool] = []
        self.watched: set[str] = set()

    def say(self, address: str, serving: bool | None) -> None:
        self.said.setdefault(address, asyncio.Queue()).put_nowait(serving)

    async def watch(self, address: str, *, wait: bool) -> AsyncGenerator[bool, None]:
        self.waits.append(wait)
        self.watched.add(address)
        try:
            queue = self.said.setdefault(address, asyncio.Queue())
            while (serving := await queue.get()) is not None:
                yield serving
            raise failure("the connection was lost")
        finally:
            self.watched.discard(address)


class Report:
    """The reports about the router."""

    def __init__(self) -> None:
        self.said: list[bool] = []

    async def set_serving(self, serving: bool) -> None:
        self.said.append(serving)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():  # noqa: ASYNC110 - lets the watchers run; no event tells of a watch that has ended
            await asyncio.sleep(0)


async def test_the_router_serves_where_an_adapter_does() -> None:
    adapters, report = Adapters(), Report()
    health = HealthMonitor(adapters.watch, pause_seconds=0.0)
    health.follow(snapshot(A, B))
    reporting = asyncio.create_task(health.report(report.set_serving))
    assert health.of(A.address) == CANDIDATE_HEALTH_UNSPECIFIED
    await report.until(lambda: report.said == [False])

    adapters.say(A.address, True)
    await report.until(lambda: report.said == [False, True])
    assert health.of(A.address) == CANDIDATE_HEALTH_SERVING
    assert health.of(B.address) == CANDIDATE_HEALTH_UNSPECIFIED

    adapters.say(A.address, False)
    await report.until(lambda: report.said == [False, True, False])
    assert health.of(A.address) == CANDIDATE_HEALTH_NOT_SERVING
    assert health.declines(A.address)

    adapters.say(A.address, True)
    adapters.say(A.address, None)
    adapters.say(A.address, True)
    await report.until(lambda: report.said[-1])
    assert not health.declines(A.address)
    # The first attempt fails at once if there is no adapter; the next ones wait for the channel to reconnect.
    await report.until(lambda: adapters.waits.count(True) >= 1)
    assert adapters.waits[:2] == [False, False]

    reporting.cancel()
    await health.close()
    assert not adapters.watched
    assert asyncio.all_tasks() - {reporting} == {asyncio.current_task()}


async def test_a_change_of_the_pool_changes_who_is_watched() -> None:
    adapters, report = Adapters(), Report()
    health = HealthMonitor(adapters.watch, pause_seconds=0.0)
    adapters.say(A.address, True)
    health.follow(snapshot(A))
    reporting = asyncio.create_task(health.report(report.set_serving))
    await report.until(lambda: report.said[-1:] == [True])
    adapters.say(B.address, True)
    health.follow(snapshot(B))
    assert health.of(A.address) == CANDIDATE_HEALTH_UNSPECIFIED
    await report.until(lambda: report.said[-1] and adapters.watched == {B.address})

    evicted = pool_candidate("b", state=CANDIDATE_STATE_EVICTED)
    health.follow(snapshot(evicted))
    await report.until(lambda: not report.said[-1])
    assert health.of(B.address) == CANDIDATE_HEALTH_SERVING
    reporting.cancel()
    await health.close()


async def test_the_health_of_every_adapter_is_known_before_the_router_starts() -> None:
    adapters = Adapters()
    health = HealthMonitor(adapters.watch, pause_seconds=0.0)
    health.follow(snapshot())
    await health.known()
    health.follow(snapshot(A, B))
    hearing = asyncio.create_task(health.known())
    adapters.say(A.address, True)
    while health.of(A.address) == CANDIDATE_HEALTH_UNSPECIFIED:  # noqa: ASYNC110 - lets the watchers run
        await asyncio.sleep(0)
    assert not hearing.done()
    # The health of an adapter that cannot be reached is known too.
    adapters.say(B.address, None)
    await hearing
    assert health.of(B.address) == CANDIDATE_HEALTH_NOT_SERVING
    assert not health.declines(B.address)
    await health.close()


async def test_an_adapter_that_does_not_serve_is_asked_less_and_less_often() -> None:
    adapters = Adapters()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        # At the end it serves for a while.
        adapters.say(A.address, len(pauses) == 8)
        if len(pauses) == 8:
            adapters.say(A.address, False)
        if len(pauses) == 10:
            await asyncio.Event().wait()

    health = HealthMonitor(adapters.watch, sleep=sleep)
    adapters.say(A.address, False)
    health.follow(snapshot(A))
    while len(pauses) < 10:  # noqa: ASYNC110 - lets the watcher run
        await asyncio.sleep(0)
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 0.2, 0.4]
    await health.close()


async def test_a_watch_that_fails_by_a_defect_is_not_silent() -> None:
    async def defective(address: str, *, wait: bool) -> AsyncGenerator[bool, None]:
        yield True
        raise ZeroDivisionError

    health = HealthMonitor(defective)
    health.follow(snapshot(A))
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(20):
            await health.report(Report().set_serving)
    await health.close()


async def test_an_adapter_that_serves_again_declines_no_more() -> None:
    adapters, report = Adapters(), Report()
    health = HealthMonitor(adapters.watch, sleep=lambda _: asyncio.sleep(0))
    health.follow(snapshot(A))
    adapters.say(A.address, serving=False)
    await report.until(lambda: health.declines(A.address))
    adapters.say(A.address, serving=True)
    await report.until(lambda: health.of(A.address) == CANDIDATE_HEALTH_SERVING)
    assert not health.declines(A.address)
    await health.close()
