"""Writes one text with the first model that succeeds; if one fails, the next continues its text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

from lightrouter.answers.untrusted import MarkRemover
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.ledger import CUT_OFF, entry, failed_entry
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.tokens import estimate_tokens, messages_tokens
from lightrouter.v1.adapter_pb2 import Generation, GenerationResult, StreamGenerateResponse
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, Sampling, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import LedgerEntry, Stage

_STAGE = Stage.STAGE_AGGREGATE


class _CannotGoOnError(ServiceError):
    """The provider started a new text instead of continuing the given one."""

    def __init__(self, candidate: str) -> None:
        message = f"{candidate} cannot go on from text that is there already"
        super().__init__(Code.CANCELLED, ErrorReason.ERROR_REASON_CANCELLED, message)


class Deadlines(NamedTuple):
    """The deadlines of a text.

    Attributes:
        first_piece: The deadline of its first chunk.
        whole: The deadline of its end.
        stall_seconds: Maximum seconds from one chunk to the next.
    """

    first_piece: Deadline
    whole: Deadline
    stall_seconds: float


class Synthesis:
    """A text that is being written.

    Attributes:
        text: The text so far.
        result: The result of the call that finished the text; None before that.
        entries: The ledger entry of each finished call.
        error: The last failure.
    """

    def __init__(
        self, models: Models, messages: Sequence[ChatMessage], nonce: str, sampling: Sampling, deadlines: Deadlines
    ) -> None:
        """Writes the reply to `messages`, and removes marks with `nonce` that a weak model copies from them."""
        self.text = ""
        self.result: GenerationResult | None = None
        self.entries: list[LedgerEntry] = []
        self.error: ServiceError | None = None
        self._models = models
        self._messages = messages
        self._nonce = nonce
        self._sampling = sampling
        self._deadlines = deadlines

    @property
    def out_of_time(self) -> bool:
        """Whether the deadline of the first chunk, or of the whole text after it, has passed."""
        return self._until.expired

    @property
    def _until(self) -> Deadline:
        return self._deadlines.whole if self.text else self._deadlines.first_piece

    async def pieces(self, targets: Sequence[ModelTarget]) -> AsyncGenerator[str, None]:
        """Yields the text as it is written, by the first target that delivers.

        A target that fails after it has written text is called once more to continue, then the next one. `result` stays
        None if no target finishes or the time is over.
        """
        for target in targets:
            for _ in range(2):
                before = len(self.text)
                try:
                    async with aclosing(self._call(target)) as call:
                        async for text in call:
                            self.text += text
                            yield text
                    return
                except ServiceError as error:
                    self.error = error
                    if isinstance(error, _CannotGoOnError) and len(self.text) > before:
                        # The text before and the new one stand side by side; nothing can go on from both.
                        return
                if self.out_of_time:
                    return
                if len(self.text) == before:
                    break

    async def _call(self, target: ModelTarget) -> AsyncGenerator[str, None]:
        """Yields the text of one call; sets `result` at its end and always adds the call to `entries`.

        Raises:
            ServiceError: The model did not finish its text.
        """
        prefix = self.text
        marks = MarkRemover(self._nonce)
        begin = time.monotonic()
        stream = self._models.stream(target, self._generation(target), self._deadlines.whole)
        try:
            while (response := await self._next(stream, target)).WhichOneof("event") != "result":
                if response.chunk.restarted and prefix:
                    raise _CannotGoOnError(target.candidate)
                if text := self._joined(marks.feed(response.chunk.text)):
                    yield text
            if text := self._joined(marks.end()):
                yield text
        except ServiceError as error:
            usage = self._estimate(prefix, error)
            elapsed = time.monotonic() - begin
            self.entries.append(failed_entry(_STAGE, target.candidate, error, elapsed, usage=usage))
            raise
        finally:
            await stream.aclose()
        self._end(target, response.result)

    def _joined(self, text: str) -> str:
        """Returns a chunk for the current text; the first one loses its leading white space."""
        return text if self.text else text.lstrip()

    async def _next(
        self, stream: AsyncGenerator[StreamGenerateResponse, None], target: ModelTarget
    ) -> StreamGenerateResponse:
        seconds = self._until.remaining()
        try:
            async with asyncio.timeout(min(seconds, self._deadlines.stall_seconds) if self.text else seconds):
                return await anext(stream)
        except StopAsyncIteration:
            message = f"{target.candidate} ended without saying how"
            raise ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED, message) from None
        except TimeoutError:
            raise deadline_exceeded(f"{target.candidate} did not write in the time it had") from None

    def _end(self, target: ModelTarget, result: GenerationResult) -> None:
        line = entry(_STAGE, target.candidate, result)
        self.entries.append(line)
        if not self.text.strip():
            message = f"{target.candidate} ended without any text"
            error = ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_EMPTY_OUTPUT, message)
            line.failure.CopyFrom(error.failure())
            raise error
        self.result = result

    def _generation(self, target: ModelTarget) -> Generation:
        generation = Generation(
            messages=self._messages,
            prefix=self.text,
            sampling=self._sampling,
            candidate=target.candidate,
            stage=_STAGE,
        )
        if self.text and self._sampling.HasField("max_output_tokens"):
            rest = self._sampling.max_output_tokens - estimate_tokens(self.text)
            generation.sampling.max_output_tokens = max(1, rest)
        return generation

    def _estimate(self, prefix: str, error: ServiceError) -> Usage | None:
        """Returns the estimated usage of a failed call; None if it wrote nothing and was not cut off."""
        written = self.text[len(prefix) :]
        if not written and error.reason not in CUT_OFF:
            return None
        read = messages_tokens(self._messages) + estimate_tokens(prefix)
        return Usage(input_tokens=read, output_tokens=estimate_tokens(written), estimated=True)
