"""The limit of concurrent calls and its queue."""

from __future__ import annotations

import asyncio

import pytest

from lightrouter.adapter.limit import Limit
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

LONG = Deadline.after(3600)


async def refused(limit: Limit, deadline: Deadline = LONG) -> None:
    with pytest.raises(ServiceError) as caught:
        await limit.acquire(deadline)
    assert caught.value.code == Code.RESOURCE_EXHAUSTED
    assert caught.value.reason == ErrorReason.ERROR_REASON_OVERLOADED
    assert caught.value.retry_after


async def test_calls_beyond_the_queue_are_refused() -> None:
    limit = Limit(concurrency=1, queue=1)
    await limit.acquire(LONG)
    waiting = asyncio.create_task(limit.acquire(LONG))
    await asyncio.sleep(0)
    await refused(limit)
    limit.release()
    await waiting
    assert limit.waiting == 0


async def test_waiting_ends_with_the_deadline() -> None:
    limit = Limit(concurrency=1, queue=1)
    await limit.acquire(LONG)
    await refused(limit, Deadline.after(0.001))
    assert limit.waiting == 0


async def test_a_cancelled_wait_leaves_its_place_to_others() -> None:
    limit = Limit(concurrency=1, queue=1)
    await limit.acquire(LONG)
    waiting = asyncio.create_task(limit.acquire(LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    limit.release()
    await limit.acquire(LONG)
