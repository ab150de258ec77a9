"""The clock of a test that has no time to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence, Sized
from typing import TypeVar

import pytest

Result = TypeVar("Result")


class Clock:
    """Python's monotonic clock, which goes on as always and which a test may put forward.

    The timers of asyncio and the deadlines of the services go by it, gRPC's own timers do not. So a test gives a call a
    deadline that is far away, waits for the event from which a bound counts, and puts the clock forward: the service
    reaches its bound, and the caller, whose time gRPC counts, never does so first.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """Replaces `time.monotonic` by way of `patch`."""
        self._real = time.monotonic
        self._ahead_s = 0.0
        patch.setattr(time, "monotonic", self)

    def __call__(self) -> float:
        """Returns the time, in seconds."""
        return self._real() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Puts the clock forward; call it in the event loop, whose timers then see it."""
        self._ahead_s += seconds

    async def pass_at_each(self, seconds: float, asked: Sequence[Sized], call: Awaitable[Result]) -> Result:
        """Returns what `call` returns, and puts the clock forward by `seconds` whenever one of `asked` grows.

        So those who are asked, and who hang, cost a time that the machine does not take.
        """
        running, seen = asyncio.ensure_future(call), 0
        while not (await asyncio.wait((running,), timeout=0.01))[0]:
            if (grown := sum(map(len, asked))) > seen:
                seen = grown
                self.advance(seconds)
        return await running

    async def pass_after(self, seen: Awaitable[object], seconds: float, call: Awaitable[Result]) -> Result:
        """Returns what `call` returns, and puts the clock forward by `seconds` once `seen` has come."""
        running = asyncio.ensure_future(call)
        await seen
        self.advance(seconds)
        return await running
