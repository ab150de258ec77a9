"""The warm-up of a model that its first request loads.

Servers such as Ollama stop loading a model when the request is cancelled, and a route cancels a late call. Without the
warm-up, a model that takes longer to load than routes wait would never be loaded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

from lightrouter.adapter.backoff import Backoff
from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta
from lightrouter.pool.schema import REPLAY, CandidateEntry

Deltas = AsyncGenerator[TextDelta, None]

# A choice: with less time left than this, a load does not end.
_LEAST_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


def is_free(entry: CandidateEntry) -> bool:
    """Returns whether a call of the candidate costs nothing.

    A provider with a key may cost money although the prices are 0, because nobody has filled them in.
    """
    prices = entry.prices
    keyed = entry.api_key_env is not None or entry.api_key_file is not None
    return not (prices.input or prices.cached_input or prices.output or keyed) and entry.provider != REPLAY


class Warmup:
    """Keeps one cancelled call open until its first token, so that the model gets loaded.

    It keeps one call at a time, which `concurrency` does not count, and only if the model has sent nothing since that
    call began. The caller gets its cancellation at once.
    """

    def __init__(self, backoff: Backoff) -> None:
        """Begins in `backoff` the pause that the provider asks for in a kept call."""
        self._backoff = backoff
        self._answered = -1.0
        self._going_on: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Records that the model has answered, so it is loaded."""
        self._answered = asyncio.get_running_loop().time()

    async def read(self, entry: CandidateEntry, deltas: Deltas) -> Deltas:
        """Yields `deltas`; keeps them open if the reader is cancelled before the first text.

        Args:
            entry: The candidate, which is free. Its `request_timeout_s` bounds the call as it bounds every attempt.
            deltas: The output of the provider; closed in the end.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(aclosing(deltas))
            delta: TextDelta | None = NOTHING
            while delta and not _has_text(delta):
                step = asyncio.create_task(_next(deltas))
                try:
                    delta = await asyncio.shield(step)
                except asyncio.CancelledError:
                    stack.pop_all()
                    seconds = begun + entry.limits.request_timeout_s - loop.time()
                    if self._going_on is None and self._answered < begun and seconds > _LEAST_SECONDS:
                        self._going_on = asyncio.create_task(self._go_on(entry.name, deltas, step, seconds))
                    else:
                        # A second cancellation must not interrupt the close.
                        await asyncio.wait((asyncio.create_task(_close(deltas, step)),))
                    raise
                if delta:
                    yield delta
            self.answered()
            async for more in deltas:
                yield more

    async def aclose(self) -> None:
        """Ends the kept call, if there is one."""
        if self._going_on:
            self._going_on.cancel()
            await asyncio.wait((self._going_on,))

    async def _go_on(self, name: str, deltas: Deltas, step: asyncio.Task[TextDelta | None], seconds: float) -> None:
        _log.info(
            "a call to %s was cancelled before its first token; it goes on for at most %.3g s, so that a model which "
            "is being loaded gets ready; it costs nothing",
            name,
            seconds,
        )
        try:
            async with asyncio.timeout(seconds):
                delta = await step
                while delta and not _has_text(delta):
                    delta = await _next(deltas)
            if delta:
                self.answered()
            _log.info("the model of %s %s", name, "is loaded: it has answered" if delta else "has ended without text")
        except TimeoutError:
            _log.warning("the model of %s has not answered in %.3g s more; its call is given up", name, seconds)
        except UpstreamError as error:
            self._backoff.begin(error)
            _log.warning("the call to %s that went on has failed: %s", name, error.message)
        finally:
            await _close(deltas, step)
            self._going_on = None


def _has_text(delta: TextDelta) -> bool:
    return bool(delta.text or delta.reasoning)


async def _next(deltas: Deltas) -> TextDelta | None:
    return await anext(deltas, None)


async def _close(deltas: Deltas, step: asyncio.Task[TextDelta | None]) -> None:
    """Closes `deltas`, after ending `step`, which may still wait for the next one."""
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    await deltas.aclose()
