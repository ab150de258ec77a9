"""How many calls a provider gets at the same time, and how many may wait for their turn."""

from __future__ import annotations

import asyncio

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

_RETRY_AFTER = 1.0


def _overloaded(message: str) -> ServiceError:
    """Returns the error for a call that found no place."""
    return ServiceError(Code.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_OVERLOADED, message, retry_after=_RETRY_AFTER)


class Limit:
    """At most `concurrency` calls at the same time; at most `queue` wait for a place, in the order of their coming."""

    def __init__(self, concurrency: int, queue: int) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._queue = queue
        self.waiting = 0

    async def acquire(self, deadline: Deadline) -> None:
        """Takes a place, waiting for one until `deadline` if need be; give it back with `release`.

        Raises:
            ServiceError: Too many calls wait already, or the time was over first (OVERLOADED).
        """
        if not self._places.locked():
            await self._places.acquire()
            return
        if self.waiting >= self._queue:
            message = f"the candidate has {self._concurrency} calls running and {self.waiting} waiting; try again later"
            raise _overloaded(message)
        self.waiting += 1
        try:
            async with asyncio.timeout(deadline.remaining()):
                await self._places.acquire()
        except TimeoutError:
            raise _overloaded("the time was over before it was this call's turn") from None
        finally:
            self.waiting -= 1

    def release(self) -> None:
        """Gives a place back."""
        self._places.release()
