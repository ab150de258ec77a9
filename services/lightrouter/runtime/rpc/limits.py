"""Limits of what a server handles at the same time: calls, and bytes of their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

ReadType = TypeVar("ReadType")

# A choice: a typical call ends and frees its place within this.
_RETRY_AFTER_SECONDS: Final = 1.0
# A choice: requests up to this size have their own budget, so that large requests never block them.
_SMALL_BYTES: Final = 64 * 1024
# A request is in memory twice while it is read. A router holds it about ten times while it sends it to eight
# candidates, and twice while they write (measured).
_READ_PER_SERVED: Final = 4
# A choice: seconds after which a message that does not arrive frees its slot for reading.
_READING_SECONDS: Final = 10.0


def _overloaded(message: str) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_OVERLOADED
    return ServiceError(Code.RESOURCE_EXHAUSTED, reason, message, retry_after=_RETRY_AFTER_SECONDS)


class Places:
    """A limit of concurrent calls; a call beyond it is refused instead of queued."""

    def __init__(self, most: int) -> None:
        """Admits `most` calls at a time."""
        self._most = most
        self.taken = 0
        """The number of current calls."""

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts one call while the context lasts.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: the limit is reached.
        """
        if self.taken >= self._most:
            raise _overloaded(f"{self._most} calls are being served already; try again later")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Bytes:
    """Two budgets for the bytes of requests in memory: one for large requests, one for small ones."""

    def __init__(self, most_served: int, most_message: int) -> None:
        """Limits each budget to `most_served` bytes; one message has at most `most_message` bytes."""
        self._most = most_served
        self.served = {"large": 0, "small": 0}
        """The bytes of the requests that are served now."""
        self._reading = asyncio.Semaphore(max(1, _READ_PER_SERVED * most_served // most_message))

    async def read(self, read: Callable[[], Awaitable[ReadType]]) -> ReadType:
        """Returns the result of `read`, after waiting until the memory for the largest message is free.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: it is not free in time; DEADLINE_EXCEEDED: the message does not arrive.
        """
        try:
            async with asyncio.timeout(_READING_SECONDS):
                await self._reading.acquire()
        except TimeoutError:
            raise _overloaded("too many requests are being received; try again later") from None
        try:
            async with asyncio.timeout(_READING_SECONDS):
                return await read()
        except TimeoutError:
            message = f"the request's message did not come within {_READING_SECONDS:g} s"
            reason = ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED
            raise ServiceError(Code.DEADLINE_EXCEEDED, reason, message) from None
        finally:
            self._reading.release()

    @contextmanager
    def serving(self, size: int) -> Iterator[None]:
        """Counts a request of `size` bytes while the context lasts. A single request always fits.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: the budget is used up.
        """
        kind = "large" if size > _SMALL_BYTES else "small"
        served = self.served[kind]
        if served and served + size > self._most:
            raise _overloaded(
                f"the {kind} requests that are being served have {served:,} bytes, and one of {size:,} is too much "
                "beside them; try again later"
            )
        self.served[kind] += size
        try:
            yield
        finally:
            self.served[kind] -= size
