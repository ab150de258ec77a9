"""One generation by one candidate: its turn, its attempts, its text, its tokens and its money."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from opentelemetry.trace import Tracer

from lightrouter.adapter import faults
from lightrouter.adapter.callspan import CallSpan
from lightrouter.adapter.coalesce import Coalescer, Piece
from lightrouter.adapter.continuation import decode
from lightrouter.adapter.generation import Call
from lightrouter.adapter.limit import Limit
from lightrouter.adapter.metrics import CallMetrics
from lightrouter.adapter.plan import plan
from lightrouter.adapter.providers.base import Provider
from lightrouter.adapter.retry import Attempts, RetryPolicy
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.capture import NOTHING, TextCapture
from lightrouter.runtime.circuit import Circuit
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.v1.adapter_pb2 import (
    GenerateResponse,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateResponse,
)
from lightrouter.v1.error_reason_pb2 import ErrorReason

Emit = Callable[[Piece], None]

# The answer to a caller whose time is over has to reach it before it stops waiting.
_MARGIN_SECONDS: Final = 0.2
_MARGIN_SHARE: Final = 0.1
_COALESCE_SECONDS: Final = 0.04
_COALESCE_CHARACTERS: Final = 256


class Engine:
    """Generates with one candidate as its pool entry stands; another entry is another engine."""

    def __init__(
        self,
        entry: CandidateEntry,
        provider: Provider,
        circuit: Circuit,
        tracer: Tracer,
        metrics: CallMetrics,
        capture: TextCapture = NOTHING,
    ) -> None:
        """Uses `provider`, which it closes in the end, while `circuit` lets it."""
        self.entry = entry
        """The pool entry."""
        self.circuit = circuit
        """The candidate's circuit."""
        self._provider = provider
        self._tracer = tracer
        self._metrics = metrics
        self._capture = capture
        self._prices = entry.prices.to_proto()
        self._limit = Limit(entry.limits.concurrency, entry.limits.queue)
        self._retries = RetryPolicy(entry.limits.retries)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> int:
        """How many calls wait for a place before the provider."""
        return self._limit.waiting

    @property
    def running(self) -> int:
        """How many calls are under way, without those that wait."""
        return self._running - self._limit.waiting

    async def generate(self, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns all that the model writes.

        Raises:
            ServiceError: The model did not deliver.
        """
        call = self._begin(generation, watched=False)
        try:
            result = await self._run(call, deadline)
            return GenerateResponse(
                text=call.text, reasoning=call.reasoning, restarted=call.plan.restarted, result=result
            )
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            self._ended()

    async def stream(self, generation: Generation, deadline: Deadline) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields what the model writes as it comes, collected over a short time, then the result.

        Raises:
            ServiceError: The model did not deliver.
        """
        call = self._begin(generation, watched=True)
        restarted = call.plan.restarted
        pieces = Coalescer(_COALESCE_SECONDS, _COALESCE_CHARACTERS)
        task = asyncio.create_task(self._feed(call, deadline, pieces))
        task.add_done_callback(lambda _: self._ended())
        try:
            async for piece in pieces:
                chunk = GenerationChunk(text=piece.text, reasoning=piece.reasoning, restarted=restarted)
                yield StreamGenerateResponse(chunk=chunk)
                restarted = False
            yield StreamGenerateResponse(result=await task)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def finish(self) -> None:
        """Lets running calls end, then closes the provider's connections. No call is begun any more."""
        self.circuit.close()
        await self._idle.wait()
        await self._provider.aclose()

    def _begin(self, generation: Generation, *, watched: bool) -> Call:
        entry = self.entry
        if generation.candidate and generation.candidate != entry.name:
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                ErrorReason.ERROR_REASON_WRONG_CANDIDATE,
                f"this adapter serves {entry.name}, not {generation.candidate}",
            )
        resume = decode(generation.continuation, entry.name, entry.model)
        planned = plan(entry, generation, resume)
        stage = generation.stage
        span = CallSpan(self._tracer, self._capture, entry, planned, stage, resume.span)
        call = Call(entry, self._prices, planned, stage, span, self._metrics, watched=watched)
        self._running += 1
        self._idle.clear()
        return call

    def _ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def _feed(self, call: Call, deadline: Deadline, pieces: Coalescer) -> GenerationResult | None:
        """Runs the call into `pieces`, which also get its failure; returns its result where there is one."""
        try:
            result = await self._run(call, deadline, pieces.put)
        except Exception as error:  # noqa: BLE001 - it is raised where the pieces are read
            pieces.close(error)
            return None
        pieces.close()
        return result

    async def _run(self, call: Call, deadline: Deadline, emit: Emit | None = None) -> GenerationResult:
        """Attempts the call until it succeeds or has failed; no more once it has emitted anything."""
        remaining = deadline.remaining()
        if remaining <= 0:
            raise deadline_exceeded("no time is left for the model")
        usable = Deadline.after(remaining - min(_MARGIN_SECONDS, _MARGIN_SHARE * remaining))
        attempts = Attempts(self._retries, usable, on_retry=call.retry)
        permit = self.circuit.admit()
        works: bool | None = None
        try:
            while True:
                try:
                    result = await self._attempt(call, usable, emit)
                    works = True
                    return result
                except faults.UpstreamError as error:
                    works = error.works
                    if emit and call.begun:
                        raise
                    await attempts.wait(error)
        except asyncio.CancelledError:
            if call.silent_for(self.entry.circuit.silence_s):
                works = False
            raise
        finally:
            self.circuit.record(permit, works)

    async def _attempt(self, call: Call, deadline: Deadline, emit: Emit | None) -> GenerationResult:
        await self._limit.acquire(deadline)
        try:
            call.attempt()
            limits = self.entry.limits
            seconds = min(deadline.remaining(), limits.request_timeout_s)
            try:
                async with asyncio.timeout(seconds):
                    await self._ask(call, emit)
            except TimeoutError:
                patience = min(self.entry.circuit.silence_s, limits.request_timeout_s)
                raise faults.timed_out(seconds, silent=call.silent, patient=seconds >= patience) from None
        finally:
            self._limit.release()
        last = call.end()
        if emit and (last.text or last.reasoning):
            emit(last)
        return call.result()

    async def _ask(self, call: Call, emit: Emit | None) -> None:
        ask = call.plan.ask
        if not (emit or ask.goes_on or self.entry.always_stream):
            call.take(await self._provider.generate(ask, call.said))
            return
        async with aclosing(self._provider.stream(ask, call.said)) as pieces:
            async for raw in pieces:
                piece = call.take(raw)
                if emit and (piece.text or piece.reasoning):
                    emit(piece)
