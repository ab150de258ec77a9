"""How much a server takes on at the same time: calls, and bytes of their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ErrorReason

ReadType = TypeVar("ReadType")

_RETRY_AFTER_SECONDS: Final = 1.0
# Requests up to this size have a budget of their own, so that large ones never keep them out.
_SMALL_BYTES: Final = 64 * 1024
# A request that is being read is in memory twice. One that a router serves is there some ten times while it is sent to
# eight candidates, and twice while they write (measured).
_READ_PER_SERVED: Final = 4
# Nobody may hold one of the places for reading for longer with a message that does not come.
_READING_SECONDS: Final = 10.0


def _overloaded(message: str) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_OVERLOADED
    return ServiceError(Code.RESOURCE_EXHAUSTED, reason, message, retry_after=_RETRY_AFTER_SECONDS)


class Places:
    """Places for calls; a call beyond them is refused rather than queued without end."""

    def __init__(self, most: int) -> None:
        """Has `most` places."""
        self._most = most
        self.taken = 0
        """How many are taken."""

    @contextmanager
    def one(self) -> Iterator[None]:
        """Takes a place for as long as the context lasts.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: there is none.
        """
        if self.taken >= self._most:
            raise _overloaded(f"{self._most} calls are being served already; try again later")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


class Bytes:
    """A budget for the requests that a server has in memory, one for the large and one for the small."""

    def __init__(self, most_served: int, most_message: int) -> None:
        """Bounds each to `most_served` bytes that are served, where one message has at most `most_message`."""
        self._most = most_served
        self.served = {"large": 0, "small": 0}
        """Bytes that are served now."""
        self._reading = asyncio.Semaphore(max(1, _READ_PER_SERVED * most_served // most_message))

    async def read(self, read: Callable[[], Awaitable[ReadType]]) -> ReadType:
        """Returns what `read` does, once the memory for the largest message is free.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: it is not free in time; DEADLINE_EXCEEDED: the message does not come.
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
        """Counts a request of `size` bytes for as long as the context lasts. One alone is always served.

        Raises:
            ServiceError: RESOURCE_EXHAUSTED: the budget is spent.
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
