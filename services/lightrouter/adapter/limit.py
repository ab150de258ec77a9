"""The limit of concurrent calls to a provider, with a bounded queue."""

from __future__ import annotations

import asyncio

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

# A choice: seconds after which a refused caller may try again; a call takes seconds, too.
_RETRY_AFTER = 1.0


def _overloaded(message: str) -> ServiceError:
    """Returns the error for a call that gets no place."""
    return ServiceError(Code.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_OVERLOADED, message, retry_after=_RETRY_AFTER)


class Limit:
    """Runs `concurrency` calls at a time and queues `queue` more, first come, first served.

    Attributes:
        waiting: The number of queued calls.
    """

    def __init__(self, concurrency: int, queue: int) -> None:
        self._places = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._queue = queue
        self.waiting = 0

    async def acquire(self, deadline: Deadline) -> None:
        """Takes a place, and waits for one until `deadline` if all are taken. `release` gives it back.

        Raises:
            ServiceError: The queue is full, or `deadline` passed first (OVERLOADED).
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
            raise _overloaded("the deadline passed while the call was queued") from None
        finally:
            self.waiting -= 1

    def release(self) -> None:
        """Gives a place back."""
        self._places.release()
