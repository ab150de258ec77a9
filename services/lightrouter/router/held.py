"""Held streams: the call that boots a candidate stays open while the router ranks, and can go on to the draft's end."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.telemetry.callhandle import CallHandle
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.runtime.toolcalls import ToolCalls, calls_text
from lightrouter.v1.adapter_pb2 import GenerationChunk, GenerationResult, StreamGenerateResponse
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, Usage
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_MALFORMED, ERROR_REASON_UPSTREAM_TOO_LARGE

MAX_CHARACTERS_PER_TOKEN: Final = 256
"""Bounds what the router holds of a boot. The longest tokens of the known vocabularies are runs of 128 spaces; twice
that is a choice."""
# An adapter of an older version sends no checkpoint. The boot then ends at this many times its tokens, as estimated: a
# choice, high enough that no estimate comes before a checkpoint.
_TIMES_WITHOUT_CHECKPOINT: Final = 4
# A choice: the characters after the checkpoint that the router holds. Then it reads no more, and gRPC's flow control
# stops the adapter.
_MOST_HELD_CHARACTERS: Final = 64 * 1024


class HeldStream:
    """The stream of one call, read by a task of its own so that text arrives while nobody waits for it.

    Attributes:
        started_at: When the call began, on the monotonic clock.
        reserved: Nano-dollars that are reserved for the boot and for what comes while the stream is held.
        booted: How the call stood at its checkpoint, or how it ended if it ended before that; None before.
        result: How the call ended; None before that.
        restarted: Whether the adapter wrote a text anew that it was asked to continue.
        tokens_after: The tokens that arrived after the checkpoint, reasoning included; estimated.
        is_recorded: Whether the call is in the ledger.
        calls: The tool calls that have arrived.
        boot_calls: The tool calls as they stood at the checkpoint.
    """

    def __init__(
        self, responses: AsyncGenerator[StreamGenerateResponse, None], name: str, boot_tokens: int, held_tokens: float
    ) -> None:
        """Prepares the stream.

        Args:
            responses: The messages of the call. Closing the iterator cancels the call.
            name: The candidate, for errors.
            boot_tokens: The tokens before the checkpoint.
            held_tokens: The tokens that may arrive after the checkpoint before `go_on`; more cancel the call.
        """
        self.started_at = time.monotonic()
        self.reserved = 0
        self.booted: GenerationResult | None = None
        self.result: GenerationResult | None = None
        self.restarted = False
        self.tokens_after = 0
        self.is_recorded = False
        self.calls, self.boot_calls = ToolCalls(), ToolCalls()
        self._responses = responses
        self._name = name
        self._boot_tokens = boot_tokens
        self._held_tokens = held_tokens
        self._on_text: Callable[[str], None] = lambda _: None
        self._boot_characters = 0
        self._boot_counted = 0
        self._rest: deque[GenerationChunk] = deque()
        self._rest_characters = 0
        self._goes_on = False
        self._is_cut = False
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._handle = CallHandle()

    @property
    def is_open(self) -> bool:
        """Whether the call can still go on to the end of the draft, or has reached it, and nobody has taken it."""
        if self.is_recorded or self._is_cut or self._task is None:
            return False
        return not self._task.done() or self.result is not None

    @property
    def error(self) -> ServiceError | None:
        """The failure of the call; None if it has not failed."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        failure = self._task.exception()
        return failure if isinstance(failure, ServiceError) else None

    async def boot(self, on_text: Callable[[str], None]) -> GenerationResult:
        """Reads the call to its checkpoint, or to its end if it ends before that; returns how it stood there.

        Args:
            on_text: Gets the text up to there as it arrives.

        Raises:
            ServiceError: The call failed.
        """
        self._on_text = on_text
        self._task = asyncio.create_task(self._read())
        self._task.add_done_callback(self._ended)
        try:
            while self.booted is None:
                await self._wait()
        except BaseException:
            self.close()
            raise
        return self.booted

    def go_on(self) -> None:
        """Lets the call write to its end."""
        if not self._goes_on and self.booted:
            self._handle.chosen(self.booted.usage.output_tokens + self.tokens_after)
        self._goes_on = True
        self._taken.set()

    async def finish(self, deadline: Deadline) -> str:
        """Returns the text after the checkpoint once the call has ended.

        Raises:
            ServiceError: The call failed, or the deadline passed.
        """
        try:
            async with asyncio.timeout(max(0.0, deadline.remaining())), aclosing(self.chunks()) as chunks:
                return "".join([chunk.text async for chunk in chunks])
        except TimeoutError:
            raise deadline_exceeded(f"{self._name} had not finished its draft in time") from None

    async def chunks(self) -> AsyncGenerator[GenerationChunk, None]:
        """Yields the text after the checkpoint; what has arrived comes at once. Closing the generator cancels the call.

        Raises:
            ServiceError: The call failed.
        """
        self.go_on()
        try:
            while self._rest or self.result is None:
                while self._rest:
                    chunk = self._rest.popleft()
                    self._rest_characters -= _characters(chunk)
                    self._taken.set()
                    yield chunk
                if self.result is None:
                    await self._wait()
        finally:
            self.close()

    def close(self) -> None:
        """Cancels the call unless it has ended."""
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Returns when nothing of the call runs any more."""
        if self._task is not None and not self._task.done():
            await asyncio.wait((self._task,))

    async def _wait(self) -> None:
        """Waits for the next message; raises the error of a call that has failed."""
        assert self._task is not None
        if self._task.done():
            self._task.result()
            return
        self._changed.clear()
        await self._changed.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            # The next reader gets the error; here it only counts as seen.
            task.exception()
        self._changed.set()

    async def _read(self) -> None:
        self._handle.attach()
        async with aclosing(self._responses) as responses:
            async for response in responses:
                if response.HasField("piece"):
                    self._add(response.piece)
                if response.HasField("result"):
                    self.result = response.result
                    self.booted = self.booted or response.result
                    return
                if response.HasField("checkpoint"):
                    self.booted = self.booted or response.checkpoint
                else:
                    self._add(response.chunk)
                    self._end_without_checkpoint(response.chunk)
                self._changed.set()
                if not self._goes_on and self.tokens_after > self._held_tokens:
                    self._is_cut = True
                    return
                await self._wait_for_room()
        message = f"the stream of {self._name} ended without a result"
        raise ServiceError(Code.INTERNAL, ERROR_REASON_UPSTREAM_MALFORMED, message)

    def _add(self, chunk: GenerationChunk) -> None:
        self.restarted |= chunk.restarted
        self.calls.add(chunk.tool_calls)
        if self.booted is None:
            self._add_to_boot(chunk)
        else:
            self._add_to_rest(chunk)

    def _add_to_boot(self, chunk: GenerationChunk) -> None:
        self.boot_calls.add(chunk.tool_calls)
        if not (chunk.text or chunk.tool_calls):
            return
        self._on_text(chunk.text)
        self._boot_characters += _characters(chunk)
        if self._boot_characters > self._boot_tokens * MAX_CHARACTERS_PER_TOKEN:
            message = f"{self._name} sent more text than {self._boot_tokens} boot tokens can have"
            raise ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_TOO_LARGE, message)

    def _end_without_checkpoint(self, chunk: GenerationChunk) -> None:
        if self.booted is not None:
            return
        self._boot_counted += estimate_tokens(chunk.text) + estimate_tokens(calls_text(chunk.tool_calls))
        if self._boot_counted >= _TIMES_WITHOUT_CHECKPOINT * self._boot_tokens:
            usage = Usage(output_tokens=self._boot_counted, estimated=True)
            self.booted = GenerationResult(finish_reason=FINISH_REASON_LENGTH, usage=usage)

    def _add_to_rest(self, chunk: GenerationChunk) -> None:
        written = (chunk.text, chunk.reasoning, calls_text(chunk.tool_calls))
        self.tokens_after += sum(map(estimate_tokens, filter(None, written)))
        if chunk.text or chunk.tool_calls:
            chunk.reasoning = ""
            self._rest.append(chunk)
            self._rest_characters += _characters(chunk)

    async def _wait_for_room(self) -> None:
        while self._rest_characters > _MOST_HELD_CHARACTERS:
            self._taken.clear()
            await self._taken.wait()


def _characters(chunk: GenerationChunk) -> int:
    return len(chunk.text) + len(calls_text(chunk.tool_calls))
