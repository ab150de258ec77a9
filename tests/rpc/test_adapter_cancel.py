"""After a cancellation or a deadline, the provider's connection closes at once and nothing is left."""

from __future__ import annotations

import asyncio

import pytest

from lightrouter.runtime.errors import ServiceError
from tests.rpc.adapter_support import LONG, Adapter, adapter, generation, until
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Upstream


async def first_chunk(served: Adapter, begun: asyncio.Event) -> None:
    async for _ in served.stream(generation(), LONG):
        begun.set()


async def no_tasks() -> None:
    """Waits until no task of an adapter runs any more."""
    running = [task for task in asyncio.all_tasks() if "Engine" in str(task.get_coro())]
    if running:
        await asyncio.wait(running)


async def settled(upstream: Upstream, requests: int) -> None:
    """Waits until the connections are closed and the adapter's tasks have ended, long before the calls' deadline."""
    await upstream.all_closed()
    await no_tasks()
    assert len(upstream.requests) == requests


@pytest.mark.parametrize("behaviour", [behaviours.hang, behaviours.drip("abc" * 1000, 0.01)], ids=["hang", "drip"])
async def test_a_cancelled_generate(behaviour: Behaviour) -> None:
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        call = asyncio.create_task(served.generate(generation(), LONG))
        await upstream.arrived()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await settled(upstream, 1)


@pytest.mark.parametrize(
    "behaviour",
    [behaviours.hang_mid_stream("Hello"), behaviours.drip("abc" * 1000, 0.01), behaviours.endless],
    ids=["hang", "drip", "endless"],
)
async def test_a_cancelled_stream(behaviour: Behaviour) -> None:
    async with (
        Upstream(behaviour) as upstream,
        adapter(upstream.base_url, limits={"max_response_bytes": 2**30}) as served,
    ):
        begun = asyncio.Event()
        call = asyncio.create_task(first_chunk(served, begun))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await settled(upstream, 1)


async def test_a_cancelled_wait_for_a_retry() -> None:
    limited = behaviours.status(503, headers={"Retry-After": "5"})
    async with Upstream(limited) as upstream, adapter(upstream.base_url) as served:
        call = asyncio.create_task(served.generate(generation(), LONG))
        await upstream.arrived()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await no_tasks()
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_out_of_time(streamed: bool) -> None:
    async with Upstream(behaviours.hang) as upstream, adapter(upstream.base_url) as served:
        for seconds in (0.3, 3.0, 30.0):
            with pytest.raises(ServiceError):
                await served.ask(generation(), seconds, streamed=streamed)
            # A slow machine needs a longer deadline to ask the provider at all.
            if upstream.requests:
                break
        await settled(upstream, 1)


async def test_cancelled_while_waiting_for_its_turn() -> None:
    async with (
        Upstream(behaviours.hang) as upstream,
        adapter(upstream.base_url, limits={"concurrency": 1}) as served,
    ):
        first = asyncio.create_task(served.generate(generation(), LONG))
        await upstream.arrived()
        second = asyncio.create_task(served.generate(generation(), LONG))
        await until(lambda: served.live.engine.waiting == 1)
        for call in (second, first):
            call.cancel()
        await asyncio.wait((first, second))
        await settled(upstream, 1)
