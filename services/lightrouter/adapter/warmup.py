"""The warm-up of a model that its first request loads: servers such as Ollama give up the load with the request.

A route cancels a call that is late. So a model that takes longer to load than routes wait would never be loaded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Final

from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.rest import Rest
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.pool.schema import REPLAY, CandidateEntry

Pieces = AsyncGenerator[TextDelta, None]

# With less time than this before its bound, no load ends.
_LEAST_SECONDS: Final = 0.1

_log = logging.getLogger(__name__)


def is_free(entry: CandidateEntry) -> bool:
    """Returns whether asking a candidate costs nothing.

    A provider that wants a key may want money, too: prices of 0 are then prices that nobody has filled in.
    """
    prices = entry.prices
    keyed = entry.api_key_env is not None or entry.api_key_file is not None
    return not (prices.input or prices.cached_input or prices.output or keyed) and entry.provider != REPLAY


class Warmup:
    """Lets a call that was cancelled before its first token go on up to that token, so that the model gets loaded.

    It does so for one call at a time, beside those that `concurrency` counts, and only where nothing has come from the
    model since that call began. The caller has its cancellation at once.
    """

    def __init__(self, rest: Rest) -> None:
        """Begins the rest that the provider asks for meanwhile."""
        self._rest = rest
        self._answered = -1.0
        self._going_on: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Takes that the model has answered, so that it is loaded."""
        self._answered = asyncio.get_running_loop().time()

    async def read(self, entry: CandidateEntry, pieces: Pieces) -> Pieces:
        """Yields `pieces`, which go on without their reader where it is cancelled before the first text.

        Args:
            entry: The candidate, which is free. Its `request_timeout_s` bounds the call as it bounds every attempt.
            pieces: What the provider sends; closed in the end.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(aclosing(pieces))
            piece: TextDelta | None = TextDelta("", "")
            while piece and not _has_text(piece):
                step = asyncio.create_task(_next(pieces))
                try:
                    piece = await asyncio.shield(step)
                except asyncio.CancelledError:
                    stack.pop_all()
                    seconds = begun + entry.limits.request_timeout_s - loop.time()
                    if self._going_on is None and self._answered < begun and seconds > _LEAST_SECONDS:
                        self._going_on = asyncio.create_task(self._go_on(entry.name, pieces, step, seconds))
                    else:
                        # A second cancellation must not leave it half closed.
                        await asyncio.wait((asyncio.create_task(_close(pieces, step)),))
                    raise
                if piece:
                    yield piece
            self.answered()
            async for more in pieces:
                yield more

    async def aclose(self) -> None:
        """Ends the call that goes on, if there is one."""
        if self._going_on:
            self._going_on.cancel()
            await asyncio.wait((self._going_on,))

    async def _go_on(self, name: str, pieces: Pieces, step: asyncio.Task[TextDelta | None], seconds: float) -> None:
        _log.info(
            "a call to %s was cancelled before its first token; it goes on for at most %.3g s, so that a model which "
            "is being loaded gets ready; it costs nothing",
            name,
            seconds,
        )
        try:
            async with asyncio.timeout(seconds):
                piece = await step
                while piece and not _has_text(piece):
                    piece = await _next(pieces)
            if piece:
                self.answered()
            _log.info("the model of %s %s", name, "is loaded: it has answered" if piece else "has ended without text")
        except TimeoutError:
            _log.warning("the model of %s has not answered in %.3g s more; its call is given up", name, seconds)
        except UpstreamError as error:
            self._rest.begin(error)
            _log.warning("the call to %s that went on has failed: %s", name, error.message)
        finally:
            await _close(pieces, step)
            self._going_on = None


def _has_text(piece: TextDelta) -> bool:
    return bool(piece.text or piece.reasoning)


async def _next(pieces: Pieces) -> TextDelta | None:
    return await anext(pieces, None)


async def _close(pieces: Pieces, step: asyncio.Task[TextDelta | None]) -> None:
    """Closes `pieces`, whose next one `step` may still wait for."""
    step.cancel()
    await asyncio.gather(step, return_exceptions=True)
    await pieces.aclose()
