"""Calls to candidates: request, reply, ledger line, settlement of the money, failure and events, in one place."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from math import inf
from typing import Self

from lightrouter.router.budget import Grant
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.conversation import own_messages
from lightrouter.router.finish import is_interrupted
from lightrouter.router.held import HeldStream
from lightrouter.router.records import record_failure
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.ledger import SLOW, entry
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.toolcalls import ToolCalls, calls_text, pieces_of
from lightrouter.v1.adapter_pb2 import Generation, GenerationChunk, GenerationResult
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Sampling, ToolCall
from lightrouter.v1.error_reason_pb2 import (
    ERROR_REASON_EMPTY_OUTPUT,
    ERROR_REASON_UPSTREAM_MALFORMED,
)
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_CANDIDATE_FAILED,
    DEGRADED_REASON_CANDIDATE_SLOW,
    DEGRADED_REASON_COMPLETION_FAILED,
    STAGE_BOOT,
    STAGE_COMPLETE,
    LedgerEntry,
    Stage,
)


class CandidateCall:
    """One call to one candidate.

    Make it with `boot`, `completion` or `takeover`, whose money is already reserved. Run it once, with `generate`,
    `hold` or `chunks`. Record it once, with `fail`, `end_boot` or `end_draft`: each writes the ledger line, settles the
    money, notes why a candidate drops out, and sends the event. A boot that is held open gets its line later: from the
    completion that goes on with its stream, or from `records.drop_held`.

    Attributes:
        candidate: The candidate.
        prefix: The text that the candidate is asked to continue; empty for a new text.
        chunks_received: Chunks with text that `chunks` has yielded so far.
        is_recorded: Whether `fail`, `end_boot` or `end_draft` was called.
    """

    def __init__(
        self,
        route: RouteContext,
        models: Models,
        stage: Stage.ValueType,
        candidate: RouteCandidate,
        grant: Grant,
        prefix: str = "",
        continuation: bytes = b"",
        held: HeldStream | None = None,
    ) -> None:
        """Prepares the call; its time is counted from here.

        Args:
            route: The route.
            models: The candidates' models.
            stage: The stage that makes the call.
            candidate: The candidate.
            grant: Most output tokens of this call, and the money that is reserved for it.
            prefix: The text to continue.
            continuation: What the candidate's adapter returned with that text.
            held: The open stream of the call that wrote that text, with which this call goes on.
        """
        self.candidate = candidate
        self.prefix = prefix
        self.chunks_received = 0
        self.is_recorded = False
        self._route = route
        self._models = models
        self._stage = stage
        self._grant = grant
        self._continuation = continuation
        self._held = held
        self._goes_on = held is not None
        self._started_at = held.started_at if held else time.monotonic()
        self._received: list[str] = []
        self._added: Sequence[ChatMessage] = ()
        self._calls = ToolCalls()
        if held:
            self._calls.add(pieces_of(held.boot_calls.calls()))
        self._restarted = bool(prefix) and not candidate.can_continue and not held
        self._result = GenerationResult()
        route.calls.append(self)

    @classmethod
    def boot(cls, route: RouteContext, models: Models, candidate: RouteCandidate) -> Self:
        """Returns the call for a candidate's boot tokens."""
        grant = Grant(candidate.boot_tokens, route.budget.boot_cost(candidate))
        return cls(route, models, STAGE_BOOT, candidate, grant)

    @classmethod
    def completion(cls, route: RouteContext, models: Models, boot: BootResult, grant: Grant) -> Self:
        """Returns the call with which a candidate finishes its draft, within the grant.

        That is the call of the boot itself, if it is open.
        """
        if boot.held and boot.is_open:
            boot.held.is_recorded = True
            whole = Grant(grant.tokens, grant.reserved + boot.held.reserved)
            return cls(route, models, STAGE_BOOT, boot.candidate, whole, boot.partial.text, held=boot.held)
        if not boot.candidate.resumes:
            return cls(route, models, STAGE_COMPLETE, boot.candidate, grant)
        if not boot.can_continue:
            # An adapter that writes a draft anew adds the tokens of its boot text to the limit that it is given.
            grant = grant._replace(tokens=max(1, grant.tokens - boot.used_tokens))
        return cls(route, models, STAGE_COMPLETE, boot.candidate, grant, boot.partial.text, boot.continuation)

    @classmethod
    def takeover(
        cls, route: RouteContext, models: Models, candidate: RouteCandidate, prefix: str, grant: Grant
    ) -> Self:
        """Returns the call with which a candidate continues a text of other candidates, within the grant."""
        return cls(route, models, STAGE_COMPLETE, candidate, grant, prefix)

    @classmethod
    def again(
        cls, route: RouteContext, models: Models, boot: BootResult, grant: Grant, added: Sequence[ChatMessage]
    ) -> Self:
        """Returns the call with which a candidate writes a new draft after the messages `added`, within the grant."""
        call = cls(route, models, STAGE_COMPLETE, boot.candidate, grant)
        call._added = added
        return call

    @property
    def continues(self) -> bool:
        """Whether the received text follows the prefix; False if the candidate writes a new text."""
        return bool(self.prefix) and not self._restarted

    @property
    def text(self) -> str:
        """The candidate's text so far, with the prefix if the candidate continues it."""
        received = "".join(self._received)
        return self.prefix + received if self.continues else received

    @property
    def goes_on(self) -> bool:
        """Whether it is the call of the boot, which goes on."""
        return self._goes_on

    @property
    def calls(self) -> list[ToolCall]:
        """The candidate's tool calls so far."""
        return self._calls.calls()

    @property
    def finish_reason(self) -> FinishReason.ValueType:
        """Why the text ended; set once the call has delivered."""
        return self._result.finish_reason

    async def generate(self, deadline: Deadline) -> None:
        """Receives the whole text in one message.

        Raises:
            ServiceError: The call failed; record it with `fail`.
        """
        if self._held:
            self._received.append(await self._held.finish(deadline))
            self._take_calls(self._held)
            self._result = self._held.result or self._result
            return
        # The request holds a copy of the conversation, so no variable keeps it while the model writes.
        response = await self._models.generate(self.candidate.target, self._generation(), deadline)
        self._received.append(response.text)
        self._calls.add(pieces_of(response.tool_calls))
        self._restarted = response.restarted
        self._result = response.result

    async def hold(self, on_text: Callable[[str], None]) -> None:
        """Receives the boot, and keeps the call open if there is more to write.

        Args:
            on_text: Gets the text of the boot as it arrives.

        Raises:
            ServiceError: The call failed; record it with `fail`.
        """
        candidate = self.candidate
        responses = self._models.stream(
            candidate.target,
            self._generation(candidate.output_tokens),
            self._route.deadline,
            checkpoint_tokens=candidate.boot_tokens,
            unwatched=not self._route.events.wants_text,
        )
        rest = candidate.output_tokens - candidate.boot_tokens
        # A call that may be held to its end needs no other limit than the provider's.
        most = inf if candidate.held_tokens >= rest else candidate.held_tokens
        self._held = HeldStream(responses, candidate.name, candidate.boot_tokens, most)
        self._held.reserved = self._grant.reserved

        def receive(text: str) -> None:
            self._received.append(text)
            on_text(text)

        self._result = await self._held.boot(receive)
        self._calls.add(pieces_of(self._held.boot_calls.calls()))
        self._restarted = self._held.restarted

    async def chunks(self) -> AsyncGenerator[GenerationChunk, None]:
        """Yields the text as it arrives, until the call has delivered. Closing the generator cancels the call.

        Raises:
            ServiceError: The call failed; record it with `fail`.
        """
        if self._held:
            async with aclosing(self._held.chunks()) as chunks:
                async for chunk in chunks:
                    self._received.append(chunk.text)
                    self.chunks_received += 1
                    yield chunk
            self._take_calls(self._held)
            self._result = self._held.result or self._result
            return
        responses = self._models.stream(self.candidate.target, self._generation(), self._route.deadline)
        async with aclosing(responses):
            async for response in responses:
                if response.HasField("result"):
                    self._result = response.result
                    return
                chunk = response.chunk
                self._restarted |= chunk.restarted
                self._calls.add(chunk.tool_calls)
                if chunk.text:
                    self._received.append(chunk.text)
                    self.chunks_received += 1
                yield chunk
        message = f"the stream of {self.candidate.name} ended without a result"
        raise ServiceError(Code.INTERNAL, ERROR_REASON_UPSTREAM_MALFORMED, message)

    def fail(self, error: ServiceError) -> None:
        """Records that the call failed, with the tokens and the money of what it had received."""
        line = self.abandon(error)
        self._drop(error)
        if self._boots:
            self._route.events.booted(Partial(candidate=self.candidate.name), line)
        else:
            self._route.events.drafted(self.candidate.name, 0, line)

    def abandon(self, error: ServiceError) -> LedgerEntry:
        """Records a call that failed, or that nobody waits for; returns its ledger line, and tells nobody of it."""
        self.is_recorded = True
        if self._held:
            self._held.close()
        received = "".join([self.prefix, *self._received] if self._goes_on else self._received)
        received += calls_text(self.calls)
        line = record_failure(
            self._route,
            self._stage,
            self.candidate,
            error,
            self._started_at,
            read="" if self._goes_on else self.prefix,
            received=received,
            went_on=self._goes_on,
        )
        # The cost of a call that was cut off before any text is unknown, so its money stays reserved.
        if error.reason not in SLOW or received or error.spent:
            self._route.budget.settle(self._grant.reserved, line.cost_nanousd)
        return line

    def end_boot(self) -> BootResult | None:
        """Records a boot that was delivered and returns it; None if it ended without visible text.

        A boot whose call is open is recorded when it is known whether the call goes on.
        """
        if self._held and self._result is not self._held.result:
            return self._end_held_boot(self._held)
        boot = BootResult.of(self.candidate, self.text, self._result, calls=self.calls)
        line = self._record_success()
        empty = boot.ended and boot.is_blank
        if empty:
            self._fail_empty(line)
        elif is_interrupted(self.finish_reason):
            message = f"the boot of {self.candidate.name} may not be whole: its provider ended it early"
            self._route.ledger.degrade(DEGRADED_REASON_CANDIDATE_FAILED, message, self.candidate.name)
        self._route.events.booted(boot.partial, line)
        return None if empty else boot

    def end_draft(self) -> str | None:
        """Records a draft that was delivered and returns its whole text; None if that has nothing visible."""
        line, text = self._record_success(), self.text
        if not (text.strip() or self._calls):
            self._fail_empty(line)
            self._route.events.drafted(self.candidate.name, 0, line)
            return None
        self._route.events.drafted(self.candidate.name, len(text), line)
        if is_interrupted(self.finish_reason):
            name = self.candidate.name
            message = (
                f"the draft of {name} may not be whole: its provider ended it, and neither the model nor a limit did"
            )
            self._route.ledger.drop(DEGRADED_REASON_COMPLETION_FAILED, message, name)
        return text

    @property
    def _boots(self) -> bool:
        """Whether the call is still the boot and has not gone on."""
        return self._stage == STAGE_BOOT and not self._goes_on

    def _end_held_boot(self, held: HeldStream) -> BootResult:
        self.is_recorded = True
        boot = BootResult.of(self.candidate, self.text, self._result, held, self.calls)
        self._route.held.append(boot)
        self._route.events.booted(boot.partial, entry(self._stage, self.candidate.name, self._result))
        return boot

    def _take_calls(self, held: HeldStream) -> None:
        """Takes the tool calls of a held call, which has collected them itself."""
        self._calls.clear()
        self._calls.add(pieces_of(held.calls.calls()))

    def _generation(self, max_tokens: int | None = None) -> Generation:
        """Returns the request: the conversation, the text to continue, and the request's sampling with this limit.

        The limit is `max_tokens`; None for that of the grant.
        """
        route = self._route
        sampling = Sampling()
        sampling.CopyFrom(route.admission.sampling)
        sampling.max_output_tokens = max_tokens or self._grant.tokens
        return Generation(
            messages=[*own_messages(route.admission.messages, self.candidate.name), *self._added],
            output=route.admission.output,
            prefix=self.prefix,
            continuation=self._continuation,
            sampling=sampling,
            candidate=self.candidate.name,
            stage=self._stage,
            last_resort=self.candidate.name in route.ledger.last_resorts,
        )

    def _record_success(self) -> LedgerEntry:
        self.is_recorded = True
        name = self.candidate.name
        self._route.states[name] = self._result.state
        line = entry(self._stage, name, self._result, restarted=self._restarted, went_on=self._goes_on)
        self._route.ledger.add(line)
        self._route.times.note_call(name, self._result)
        if self._stage == STAGE_COMPLETE and self.continues:
            self._route.times.note_second_call(name, self._result.usage)
        self._route.budget.learn(name, self._result.least_tokens)
        self._route.budget.settle(self._grant.reserved, line.cost_nanousd)
        return line

    def _fail_empty(self, line: LedgerEntry) -> None:
        """Turns the line of a delivered call into a failure, because the text has nothing visible."""
        message = f"{self.candidate.name} ended without any visible text"
        error = ServiceError(Code.UNAVAILABLE, ERROR_REASON_EMPTY_OUTPUT, message)
        line.failure.CopyFrom(error.failure())
        self._drop(error)

    def _drop(self, error: ServiceError) -> None:
        name = self.candidate.name
        if self._boots:
            slow = error.reason in SLOW
            reason = DEGRADED_REASON_CANDIDATE_SLOW if slow else DEGRADED_REASON_CANDIDATE_FAILED
            message = f"{name} did not boot: {error.message}"
        else:
            reason = DEGRADED_REASON_COMPLETION_FAILED
            message = f"{name} failed while it completed its draft: {error.message}"
        self._route.ledger.drop(reason, message, name, error)
