"""Signs of life in a stream whose next event may take long: they tell its reader a slow model from a dead service.

The reader limits the silence between two messages, and the sender limits its wait for a model. A sign of life in each
interval makes the first limit independent of the second: the reader's only has to be longer than the interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import copy_context
from typing import Final, TypeVar

Event = TypeVar("Event")

HEARTBEAT_SECONDS: Final = 5.0
"""Longest silence of a service that lives. A choice: a loaded machine keeps it, and it costs one message."""


async def with_heartbeats(
    events: AsyncGenerator[Event, None], sign: Event, seconds: float
) -> AsyncGenerator[Event, None]:
    """Yields the events, and `sign` after each `seconds` without one. Closing the generator closes `events`."""
    # The steps share one context: a span that is open over several events must be closed where it was opened.
    context = copy_context()
    step: asyncio.Task[Event | None] | None = None
    try:
        while True:
            step = asyncio.create_task(_next(events), context=context)
            while not (await asyncio.wait((step,), timeout=seconds))[0]:
                yield sign
            event = step.result()
            if event is None:
                return
            yield event
    finally:
        if step is not None:
            step.cancel()
            await asyncio.wait((step,))
        await asyncio.create_task(events.aclose(), context=context)


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    """Returns the next event; None at the end."""
    return await anext(events, None)
