"""The engine of one candidate: queue, circuit, attempts and result of each generation."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from opentelemetry.trace import Tracer

from lightrouter.adapter import faults
from lightrouter.adapter.generation import GenerationRun
from lightrouter.adapter.limit import Limit
from lightrouter.adapter.provider_state import ProviderState
from lightrouter.adapter.providers.provider import Provider
from lightrouter.adapter.quirks import Quirks, QuirkTrials
from lightrouter.adapter.retry import Attempts, RetryPolicy
from lightrouter.adapter.telemetry import CallMetrics, CallObserver
from lightrouter.adapter.text.coalesce import Coalescer
from lightrouter.adapter.text.continuation import decode
from lightrouter.adapter.text.plan import Plan, make_plan
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

# A choice: the error of a call whose time is over must reach the caller before the caller stops waiting.
_MARGIN_SECONDS: Final = 0.2
_MARGIN_SHARE: Final = 0.1
# A choice: the tokens a second of a slow model. An answer that does not stream may be silent while it is written.
_SLOW_TOKENS_A_SECOND: Final = 10
# A choice: the most seconds that a boot waits between its attempts. During a longer wait the candidate would look slow.
# An error that names the wait lets the router go on with the other candidates and return when the wait is over.
_LONGEST_BOOT_WAIT: Final = 1.0
# The stages whose call may be the first that a model gets; a completion follows a boot.
_FIRST_CALLS: Final = frozenset({Stage.STAGE_BOOT, Stage.STAGE_SELECT, Stage.STAGE_AGGREGATE})
# Seconds and characters after which text is sent. A choice: 25 messages a second read as a fluent text and cost far
# less than a message for each token; four a second show the router soon enough that a held call has written too much.
_WATCHED: Final = (0.04, 256)
_UNWATCHED: Final = (0.25, 4096)
# A choice: the text that is held while nobody reads, some 15,000 tokens of English. Beyond it, the provider waits.
_MOST_HELD_BYTES: Final = 64 * 1024


class Engine:
    """Generates with one candidate by one pool entry; a changed entry gets a new engine."""

    def __init__(
        self,
        entry: CandidateEntry,
        provider: Provider,
        provider_state: ProviderState,
        tracer: Tracer,
        metrics: CallMetrics,
        capture: TextCapture = NOTHING,
    ) -> None:
        """Calls `provider`, of which `provider_state` is known, and closes it in the end."""
        self.entry = entry
        """The pool entry."""
        self.provider_state = provider_state
        """The state of the provider."""
        self._provider = provider
        self._tracer = tracer
        self._metrics = metrics
        self._capture = capture
        self._prices = entry.prices.to_proto()
        self._limit = Limit(entry.limits.concurrency, entry.limits.queue)
        self._retries = RetryPolicy(entry.limits.retries)
        self._warmup = Warmup(provider_state.backoff)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def update(self, entry: CandidateEntry) -> None:
        """Takes an entry that differs only in members that change no request, such as the state or the prices."""
        self.entry = entry
        self._prices = entry.prices.to_proto()

    def describe(self) -> Candidate:
        """Returns the candidate, with the request features that its provider was found to refuse."""
        candidate = self.entry.to_proto(self.entry.address or "")
        candidate.refuses[:] = self.provider_state.learned.quirks.described()
        return candidate

    @property
    def waiting(self) -> int:
        """The number of queued calls."""
        return self._limit.waiting

    @property
    def running(self) -> int:
        """The number of running calls, without the queued ones."""
        return self._running - self._limit.waiting

    async def generate(self, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns the whole output of the model.

        Raises:
            ServiceError: The model did not deliver.
        """
        run = self._begin(generation, streamed=False)
        try:
            result = await self._complete(run, deadline)
            return GenerateResponse(
                text=run.text,
                reasoning=run.reasoning,
                restarted=run.restarted,
                result=result,
                tool_calls=run.calls,
            )
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            self._ended()

    async def stream(
        self,
        generation: Generation,
        deadline: Deadline,
        checkpoint_tokens: int = 0,
        *,
        unwatched: bool = False,
        joined: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields the output of the model in chunks of about 40 ms, 250 ms if it is unwatched, then the result.

        Between the text of the first `checkpoint_tokens` new tokens and the rest, it yields the checkpoint, unless the
        text has ended by then; 0 for none. If the provider tells the end of the text only after its last token, a
        checkpoint that lies exactly there comes nevertheless. The piece before the checkpoint or the result comes in
        the same message if `joined`.

        Raises:
            ServiceError: The model did not deliver.
        """
        run = self._begin(generation, streamed=True, checkpoint=checkpoint_tokens)
        announced = False
        piece: GenerationChunk | None = None
        deltas = Coalescer(*(_UNWATCHED if unwatched else _WATCHED), _MOST_HELD_BYTES)
        task = asyncio.create_task(self._feed(run, deadline, deltas))
        task.add_done_callback(lambda _: self._ended())
        try:
            async for delta in deltas:
                if isinstance(delta, GenerationResult):
                    yield StreamGenerateResponse(checkpoint=delta, piece=piece)
                    piece = None
                    continue
                restarted = run.restarted and not announced
                announced |= restarted
                chunk = GenerationChunk(
                    text=delta.text, reasoning=delta.reasoning, restarted=restarted, tool_calls=delta.calls
                )
                if joined and deltas.at_mark:
                    piece = chunk
                else:
                    yield StreamGenerateResponse(chunk=chunk)
            result = await task
            if run.restarted and not announced:
                yield StreamGenerateResponse(chunk=GenerationChunk(restarted=True))
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))
        yield StreamGenerateResponse(result=result, piece=piece)

    async def finish(self) -> None:
        """Waits until running calls have ended, then closes the provider. No new call may begin."""
        await self._idle.wait()
        await self._warmup.aclose()
        await self._provider.aclose()

    def _begin(self, generation: Generation, *, streamed: bool, checkpoint: int = 0) -> GenerationRun:
        entry = self.entry
        if generation.candidate and generation.candidate != entry.name:
            raise ServiceError(
                Code.FAILED_PRECONDITION,
                ErrorReason.ERROR_REASON_WRONG_CANDIDATE,
                f"this adapter serves {entry.name}, not {generation.candidate}",
            )
        resume_state = decode(generation.continuation, entry.name, entry.model)

        def planned(quirks: Quirks) -> Plan:
            learned = self.provider_state.learned
            return make_plan(
                entry,
                generation,
                resume_state,
                quirks,
                checkpoint,
                continues_prefills=learned.continues_prefills,
                begins_blank=learned.begins_blank,
            )

        stage = generation.stage
        observer = CallObserver(self._tracer, self._metrics, self._capture, entry, stage, resume_state.span)
        learned = self.provider_state.learned
        run = GenerationRun(entry, self._prices, planned, learned.quirks, stage, observer, streamed=streamed)
        run.last_resort = generation.last_resort
        self._running += 1
        self._idle.clear()
        return run

    def _ended(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def _feed(self, run: GenerationRun, deadline: Deadline, deltas: Coalescer) -> GenerationResult | None:
        """Puts output and error of the run into `deltas`; returns the result, None after an error."""
        try:
            result = await self._complete(run, deadline, deltas)
        except Exception as error:  # noqa: BLE001 - it is raised where the deltas are read
            deltas.close(error)
            return None
        deltas.close()
        return result

    async def _complete(
        self, run: GenerationRun, deadline: Deadline, deltas: Coalescer | None = None
    ) -> GenerationResult:
        """Makes attempts until one succeeds or none is left; makes no more after output was emitted."""
        remaining = deadline.remaining()
        if remaining <= 0:
            raise deadline_exceeded("no time is left for the model")
        usable = Deadline.after(remaining - min(_MARGIN_SECONDS, _MARGIN_SHARE * remaining))
        longest = _LONGEST_BOOT_WAIT if run.stage == Stage.STAGE_BOOT and not run.last_resort else math.inf
        attempts = Attempts(self._retries, usable, longest=longest, on_retry=run.retry)
        trials = QuirkTrials(self.provider_state.learned, run.use_quirks)
        permit = self.provider_state.circuit.admit(last_resort=run.last_resort)
        works: bool | None = None
        try:
            while True:
                try:
                    result = await self._attempt(run, usable, deltas)
                    works = True
                    self._warmup.answered()
                    return result
                except faults.UpstreamError as error:
                    works = error.works
                    if deltas and run.has_output:
                        raise
                    if run.is_doubtful and run.info.accepted is not None:
                        self.provider_state.learned.prefill_doubtful(run.info.accepted)
                    if trials.try_next(error.remedies):
                        run.retry(error, 0.0)
                        continue
                    await attempts.wait(error)
        except asyncio.CancelledError:
            if run.silent_for(self._silence_limit(run, deltas)):
                works = False
            elif run.checkpoint:
                works = True
            raise
        finally:
            self.provider_state.circuit.record(permit, works)
            self._learn(run, trials)

    def _learn(self, run: GenerationRun, trials: QuirkTrials) -> None:
        """Remembers the form of the request, if the provider has accepted it."""
        if run.info.accepted is None or not run.has_output:
            return
        trials.accepted(run.info.accepted)
        if not run.plan.request.has_prefill and run.text[:1].isspace():
            self.provider_state.learned.begins_blank = True
        if run.ignored_prefill is not None:
            self.provider_state.learned.prefill_ignored(run.ignored_prefill, certain=run.prefill_is_unread)

    def _silence_limit(self, run: GenerationRun, deltas: Coalescer | None) -> float:
        """Returns the seconds without a byte after which a cancelled attempt counts as a failure of the provider.

        An answer that does not stream is written first; the limit allows for that time.
        """
        limits, most = self.entry.limits, run.plan.request.sent_max_tokens
        seconds = self.entry.circuit.silence_s
        if not self._streams(run, deltas):
            seconds += limits.request_timeout_s if most is None else most / _SLOW_TOKENS_A_SECOND
        return min(seconds, limits.request_timeout_s)

    def _streams(self, run: GenerationRun, deltas: Coalescer | None) -> bool:
        request = run.plan.request
        return (
            deltas is not None
            or request.has_prefill
            or request.is_cut
            or self.entry.always_stream
            or request.quirks.must_stream
            or self._may_load(run)
        )

    def _may_load(self, run: GenerationRun) -> bool:
        """Returns whether a call may make the server load the model. It streams then: the first token ends the load."""
        return run.stage in _FIRST_CALLS and is_free(self.entry)

    async def _attempt(self, run: GenerationRun, deadline: Deadline, deltas: Coalescer | None) -> GenerationResult:
        await self._limit.acquire(deadline)
        try:
            if not run.last_resort and (refusal := self.provider_state.backoff.refusal()):
                if run.attempts:
                    raise refusal
                raise ServiceError(refusal.code, refusal.reason, refusal.message, retry_after=refusal.retry_after)
            run.begin_attempt()
            limits = self.entry.limits
            seconds = min(deadline.remaining(), limits.request_timeout_s)
            try:
                async with asyncio.timeout(seconds) as timeout:
                    await self._call_provider(run, deltas, timeout, deadline)
            except TimeoutError:
                if run.finished:
                    # The text is complete; only its token counts are late.
                    return self._result(run, deltas)
                if run.is_paused:
                    raise deadline_exceeded("the caller did not read the text before its deadline") from None
                patient = seconds >= self._silence_limit(run, deltas)
                raise faults.timed_out(seconds, silent=run.silent, patient=patient) from None
        except faults.UpstreamError as error:
            self.provider_state.backoff.begin(error)
            raise
        finally:
            self._limit.release()
        return self._result(run, deltas)

    @staticmethod
    def _result(run: GenerationRun, deltas: Coalescer | None) -> GenerationResult:
        last = run.end()
        if deltas:
            deltas.put(last)
        return run.result()

    async def _call_provider(
        self, run: GenerationRun, deltas: Coalescer | None, timeout: asyncio.Timeout, deadline: Deadline
    ) -> None:
        request = run.plan.request
        if not self._streams(run, deltas):
            run.feed(await self._provider.generate(request, run.info))
            return
        stream = self._provider.stream(request, run.info)
        if self._may_load(run):
            stream = self._warmup.read(self.entry, stream)
        async with aclosing(stream) as raws:
            async for raw in raws:
                outputs = run.feed(raw)
                if deltas:
                    for output in outputs:
                        deltas.put(output)
                if run.is_cut:
                    return
                if deltas and deltas.full:
                    await _room(run, deltas, timeout, deadline)


async def _room(run: GenerationRun, deltas: Coalescer, timeout: asyncio.Timeout, deadline: Deadline) -> None:
    """Waits until the reader has made room, by `deadline`; meanwhile the provider's `timeout` stands still."""
    loop, until = asyncio.get_running_loop(), timeout.when()
    if until is None:
        raise AssertionError("every attempt has a time limit")
    left = until - loop.time()
    timeout.reschedule(loop.time() + deadline.remaining())
    with run.paused():
        await deltas.room()
    timeout.reschedule(loop.time() + min(left, deadline.remaining()))
