"""One generation by one candidate: its turn, its attempts, its text, its tokens and its money."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from opentelemetry.trace import Tracer

from lightrouter.adapter import faults
from lightrouter.adapter.callspan import CallSpan
from lightrouter.adapter.generation import GenerationRun
from lightrouter.adapter.limit import Limit
from lightrouter.adapter.metrics import CallMetrics
from lightrouter.adapter.providers.provider import Provider
from lightrouter.adapter.quirks import Quirks, Tries
from lightrouter.adapter.retry import Attempts, RetryPolicy
from lightrouter.adapter.standing import Standing
from lightrouter.adapter.text.coalesce import Coalescer, TextDelta
from lightrouter.adapter.text.continuation import decode
from lightrouter.adapter.text.opening import Joint
from lightrouter.adapter.text.plan import Plan, plan
from lightrouter.adapter.warmup import Warmup, is_free
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, deadline_exceeded
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.v1.adapter_pb2 import (
    GenerateResponse,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateResponse,
)
from lightrouter.v1.candidate_pb2 import Candidate
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

Emit = Callable[[TextDelta], None]

# The answer to a caller whose time is over has to reach it before it stops waiting.
_MARGIN_SECONDS: Final = 0.2
_MARGIN_SHARE: Final = 0.1
# What a slow model writes in a second: so much longer than silence may an answer take that comes as a whole.
_SLOW_TOKENS_A_SECOND: Final = 10
# Seconds that a boot waits at most between its attempts. The router would take a longer wait for slowness. Told of the
# wait, it goes on with the other candidates and comes back when it is over.
_LONGEST_BOOT_WAIT: Final = 1.0
# The stages whose call may be the first that a model gets; a draft is completed by one that has booted.
_FIRST_CALLS: Final = frozenset({Stage.STAGE_BOOT, Stage.STAGE_SELECT, Stage.STAGE_AGGREGATE})
_COALESCE_SECONDS: Final = 0.04
_COALESCE_CHARACTERS: Final = 256


class Engine:
    """Generates with one candidate as its pool entry stands; another entry is another engine."""

    def __init__(
        self,
        entry: CandidateEntry,
        provider: Provider,
        standing: Standing,
        tracer: Tracer,
        metrics: CallMetrics,
        capture: TextCapture = NOTHING,
    ) -> None:
        """Uses `provider`, which it closes in the end, as it stands."""
        self.entry = entry
        """The pool entry."""
        self.standing = standing
        """How the provider stands."""
        self._provider = provider
        self._tracer = tracer
        self._metrics = metrics
        self._capture = capture
        self._prices = entry.prices.to_proto()
        self._limit = Limit(entry.limits.concurrency, entry.limits.queue)
        self._retries = RetryPolicy(entry.limits.retries)
        self._warmup = Warmup(standing.rest)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def tell(self, entry: CandidateEntry) -> None:
        """Takes an entry that differs in what is only said of the candidate, such as its state or its prices."""
        self.entry = entry
        self._prices = entry.prices.to_proto()

    def describe(self) -> Candidate:
        """Returns the candidate, with what its provider was found to refuse."""
        candidate = self.entry.to_proto(self.entry.address or "")
        candidate.refuses.extend(self.standing.learnt.quirks.described())
        return candidate

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
            return GenerateResponse(text=call.text, reasoning=call.reasoning, restarted=call.restarted, result=result)
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
        told = False
        pieces = Coalescer(_COALESCE_SECONDS, _COALESCE_CHARACTERS)
        task = asyncio.create_task(self._feed(call, deadline, pieces))
        task.add_done_callback(lambda _: self._ended())
        try:
            async for piece in pieces:
                restarted = call.restarted and not told
                told |= restarted
                chunk = GenerationChunk(text=piece.text, reasoning=piece.reasoning, restarted=restarted)
                yield StreamGenerateResponse(chunk=chunk)
            yield StreamGenerateResponse(result=await task)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def finish(self) -> None:
        """Lets running calls end, then closes the provider's connections. No call is begun any more."""
        await self._idle.wait()
        await self._warmup.aclose()
        await self._provider.aclose()

    def _begin(self, generation: Generation, *, watched: bool) -> GenerationRun:
        entry = self.entry
        if generation.candidate and generation.candidate != entry.name:
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                ErrorReason.ERROR_REASON_WRONG_CANDIDATE,
                f"this adapter serves {entry.name}, not {generation.candidate}",
            )
        resume = decode(generation.continuation, entry.name, entry.model)

        def planned(quirks: Quirks) -> Plan:
            return plan(entry, generation, resume, quirks)

        stage = generation.stage
        span = CallSpan(self._tracer, self._capture, entry, stage, resume.span)
        quirks = self.standing.learnt.quirks
        call = GenerationRun(entry, self._prices, planned, quirks, stage, span, self._metrics, watched=watched)
        call.last_resort = generation.last_resort
        self._running += 1
        self._idle.clear()
        return call

    def _ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def _feed(self, call: GenerationRun, deadline: Deadline, pieces: Coalescer) -> GenerationResult | None:
        """Runs the call into `pieces`, which also get its failure; returns its result where there is one."""
        try:
            result = await self._run(call, deadline, pieces.put)
        except Exception as error:  # noqa: BLE001 - it is raised where the pieces are read
            pieces.close(error)
            return None
        pieces.close()
        return result

    async def _run(self, call: GenerationRun, deadline: Deadline, emit: Emit | None = None) -> GenerationResult:
        """Attempts the call until it succeeds or has failed; no more once it has emitted anything."""
        remaining = deadline.remaining()
        if remaining <= 0:
            raise deadline_exceeded("no time is left for the model")
        usable = Deadline.after(remaining - min(_MARGIN_SECONDS, _MARGIN_SHARE * remaining))
        longest = _LONGEST_BOOT_WAIT if call.stage == Stage.STAGE_BOOT and not call.last_resort else math.inf
        attempts = Attempts(self._retries, usable, longest=longest, on_retry=call.retry)
        tries = Tries(self.standing.learnt, call.put)
        permit = self.standing.circuit.admit(last_resort=call.last_resort)
        works: bool | None = None
        try:
            while True:
                try:
                    result = await self._attempt(call, usable, emit)
                    works = True
                    self._warmup.answered()
                    return result
                except faults.UpstreamError as error:
                    works = error.works
                    if emit and call.begun:
                        raise
                    if tries.again(error.remedies):
                        call.retry(error, 0.0)
                        continue
                    await attempts.wait(error)
        except asyncio.CancelledError:
            if call.silent_for(self._patience(call, emit)):
                works = False
            raise
        finally:
            self.standing.circuit.record(permit, works)
            self._learn(call, tries)

    def _learn(self, call: GenerationRun, tries: Tries) -> None:
        """Remembers how the request was put, once the provider has taken it."""
        if call.said.taken is None or not call.begun:
            return
        tries.taken(call.said.taken)
        if call.plan.ask.goes_on and call.joint is not None:
            self.standing.learnt.prefill_ignored(call.joint is Joint.ANEW)

    def _patience(self, call: GenerationRun, emit: Emit | None) -> float:
        """Returns the seconds without a byte after which an attempt that was given up is a failure.

        An answer that comes as a whole is written first, and its writing is no silence.
        """
        limits, most = self.entry.limits, call.plan.ask.most_asked
        seconds = self.entry.circuit.silence_s
        if not self._streams(call, emit):
            seconds += limits.request_timeout_s if most is None else most / _SLOW_TOKENS_A_SECOND
        return min(seconds, limits.request_timeout_s)

    def _streams(self, call: GenerationRun, emit: Emit | None) -> bool:
        ask = call.plan.ask
        return bool(emit) or ask.goes_on or ask.is_cut or self.entry.always_stream or self._may_load(call)

    def _may_load(self, call: GenerationRun) -> bool:
        """Returns whether a call may be what loads the model, which shows by its first token: so it is streamed."""
        return call.stage in _FIRST_CALLS and is_free(self.entry)

    async def _attempt(self, call: GenerationRun, deadline: Deadline, emit: Emit | None) -> GenerationResult:
        await self._limit.acquire(deadline)
        try:
            if not call.last_resort and (rest := self.standing.rest.left()):
                if call.attempts:
                    raise rest
                raise ServiceError(rest.code, rest.reason, rest.message, retry_after=rest.retry_after)
            call.attempt()
            limits = self.entry.limits
            seconds = min(deadline.remaining(), limits.request_timeout_s)
            try:
                async with asyncio.timeout(seconds):
                    await self._ask(call, emit)
            except TimeoutError:
                if call.finished:
                    # The text is there, and only its counts are late.
                    return self._result(call, emit)
                patient = seconds >= self._patience(call, emit)
                raise faults.timed_out(seconds, silent=call.silent, patient=patient) from None
        except faults.UpstreamError as error:
            self.standing.rest.begin(error)
            raise
        finally:
            self._limit.release()
        return self._result(call, emit)

    @staticmethod
    def _result(call: GenerationRun, emit: Emit | None) -> GenerationResult:
        last = call.end()
        if emit and (last.text or last.reasoning):
            emit(last)
        return call.result()

    async def _ask(self, call: GenerationRun, emit: Emit | None) -> None:
        ask = call.plan.ask
        if not self._streams(call, emit):
            call.take(await self._provider.generate(ask, call.said))
            return
        stream = self._provider.stream(ask, call.said)
        if self._may_load(call):
            stream = self._warmup.read(self.entry, stream)
        async with aclosing(stream) as pieces:
            async for raw in pieces:
                piece = call.take(raw)
                if emit and (piece.text or piece.reasoning):
                    emit(piece)
                if call.is_cut:
                    return
