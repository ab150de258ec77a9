"""The complete stage for a caller that watches one candidate finish: each chunk goes out as it arrives.

A candidate that fails is replaced by the next in the ranking that can continue the text that went out, so that the
caller gets no text twice. If none can, the text starts anew, and the caller is told with `restart`. It also starts anew
after a text that its provider interrupted, if another candidate can write a complete one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from math import inf

from lightrouter.router.calls import CandidateCall
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.finish import is_interrupted
from lightrouter.router.forms import fault_of
from lightrouter.router.records import drop_held
from lightrouter.router.stages.complete import completion_limit_s, note_short_grant
from lightrouter.router.stages.last_resort import pick_last_resorts
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import Models
from lightrouter.runtime.toolcalls import ToolCalls, pieces_of
from lightrouter.v1.adapter_pb2 import GenerationChunk
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_UNKNOWN, FinishReason, ToolCall, ToolCallDelta
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_TIMEOUT
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_COMPLETION_FAILED,
    DEGRADED_REASON_COST_CEILING,
    DEGRADED_REASON_FORM_NOT_MET,
)


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """An answer whose text went out in chunks.

    Attributes:
        text: The text since the last restart.
        candidates: Names of the candidates that wrote it, in the order of its parts.
        finish_reason: Why the text ended.
        tool_calls: The tool calls since the last restart.
    """

    text: str
    candidates: list[str]
    finish_reason: FinishReason.ValueType
    tool_calls: Sequence[ToolCall] = ()


async def stream_completion(
    route: RouteContext, models: Models, chosen: BootResult, ranked: Sequence[BootResult]
) -> StreamedAnswer:
    """Sends the draft of `chosen` in chunks and returns it; the others of the ranking can replace it.

    Raises:
        ServiceError: All candidates failed; UNAVAILABLE, DEADLINE_EXCEEDED or FAILED_PRECONDITION, with one failure a
            candidate.
    """
    drop_held(route, [chosen])
    completion = _StreamedCompletion(route, models, chosen, ranked)
    boot: BootResult | None = chosen
    while boot:
        finish_reason = await completion.attempt(boot)
        if finish_reason is not None:
            return completion.answer(finish_reason)
        boot = completion.replacement()
    if completion.interrupted:
        return completion.send_interrupted()
    if completion.unaffordable and completion.text.strip():
        message = "the cost ceiling does not cover another candidate; the text ends at the failure of the last one"
        route.ledger.degrade(DEGRADED_REASON_COST_CEILING, message)
        return completion.answer(FINISH_REASON_LENGTH)
    raise route.ledger.nobody_left(route.deadline)


class _StreamedCompletion:
    """The text that went out, and the candidates that can still write it.

    Attributes:
        interrupted: The first text that its provider interrupted or that lacks the request's form; None if none was.
        unaffordable: Whether the budget did not cover a candidate that could have gone on.
    """

    def __init__(self, route: RouteContext, models: Models, chosen: BootResult, ranked: Sequence[BootResult]) -> None:
        self.interrupted: StreamedAnswer | None = None
        self.unaffordable = False
        self._fault = ""
        self._route = route
        self._models = models
        self._untried = [boot for boot in ranked if boot is not chosen]
        self._boots = {boot.candidate.name: boot for boot in ranked}
        self._sent: list[str] = []
        self._calls = ToolCalls()
        self._sent_tokens = 0.0
        self._writers: list[str] = []
        self._is_void = False
        self._writing: CandidateCall | None = None

    @property
    def text(self) -> str:
        """The text that the caller has since the last restart."""
        return "".join(self._sent)

    def answer(self, finish_reason: FinishReason.ValueType) -> StreamedAnswer:
        """Returns the text that the caller has as the answer."""
        return StreamedAnswer(self.text, list(self._writers), finish_reason, tuple(self._calls.calls()))

    def replacement(self) -> BootResult | None:
        """Returns the next candidate: the best-ranked that can continue the text, else the best-ranked draft.

        If no ranked candidate is left and there is no interrupted text to answer with, it is a last resort.
        """
        if not self._untried and not self.interrupted:
            self._untried += map(BootResult.empty, pick_last_resorts(self._route, lambda _: True, limit=1))
        if not self._untried:
            return None
        index = 0
        if self._sent and not self._is_void:
            indices = range(len(self._untried))
            index = min(indices, key=lambda i: (self._preference(self._untried[i]), i))
        return self._untried.pop(index)

    @staticmethod
    def _preference(boot: BootResult) -> int:
        """Returns 0 for a candidate that can continue a text, 1 for a finished draft, 2 for a draft to write anew."""
        if boot.ended:
            return 1
        return 0 if boot.candidate.can_continue else 2

    async def attempt(self, boot: BootResult) -> FinishReason.ValueType | None:
        """Lets a candidate write the rest of the text; returns why the text ended, None if another has to be asked."""
        if boot.ended:
            return await self._send_draft(boot)
        if self._sent and not self._is_void and boot.candidate.can_continue:
            return await self._take_over(boot.candidate)
        candidate, budget = boot.candidate, self._route.budget
        grant = budget.grant(boot)
        if grant is None:
            drop_held(self._route)
            grant = budget.grant(boot) or (None if self._sent else budget.grant_rest(boot))
        if grant is None:
            self.unaffordable = True
            return None
        note_short_grant(self._route, boot, grant)
        if not grant.tokens and not boot.is_blank:
            return await self._send_draft(boot)
        if not grant.tokens:
            self._route.ledger.add_unpaid(candidate.name)
            return None
        if boot.can_continue:
            self._send(candidate, boot.partial.text, pieces=pieces_of(boot.partial.tool_calls))
        call = CandidateCall.completion(self._route, self._models, boot, grant)
        return await self._run(call, completion_limit_s(self._route, boot))

    async def _take_over(self, candidate: RouteCandidate) -> FinishReason.ValueType | None:
        """Lets a candidate continue a text of other candidates."""
        text = self.text
        grant = self._route.budget.grant_takeover(candidate, text, round(self._sent_tokens))
        if grant is None:
            self.unaffordable = True
            return None
        return await self._run(CandidateCall.takeover(self._route, self._models, candidate, text, grant), inf)

    async def _send_draft(self, boot: BootResult) -> FinishReason.ValueType | None:
        """Sends a boot text as the draft.

        Keeps it aside if it lacks the request's form, or if its provider interrupted it and others can be asked.
        """
        name, text, finish_reason = boot.candidate.name, boot.partial.text, boot.partial.finish_reason
        calls = tuple(boot.partial.tool_calls)
        fault = await fault_of(self._route, text, calls)
        if fault or (is_interrupted(finish_reason) and (self.interrupted or self._untried)):
            self._set_aside(StreamedAnswer(text, [name], finish_reason, calls), fault)
            return None
        pieces = pieces_of(boot.partial.tool_calls)
        self._send(boot.candidate, text, restart=bool(self._sent or self._calls), pieces=pieces)
        self._route.events.drafted(name, len(text), None)
        return finish_reason

    def send_interrupted(self) -> StreamedAnswer:
        """Sends the interrupted text, unless the caller has it, and returns it as the answer."""
        assert self.interrupted
        answer = self.interrupted
        if (self.text, self._calls.calls()) != (answer.text, list(answer.tool_calls)):
            self._route.events.chunk(answer.text, restart=bool(self._sent), calls=answer.tool_calls)
        if self._fault:
            message = f"the answer of {answer.candidates[-1]} {self._fault}"
            self._route.ledger.degrade(DEGRADED_REASON_FORM_NOT_MET, message, answer.candidates[-1])
        return answer

    def _set_aside(self, text: StreamedAnswer, fault: str) -> None:
        """Keeps a text that may not be whole, or that has a fault by the request's form; the first one counts."""
        name = text.candidates[-1]
        if fault:
            self._route.ledger.drop(DEGRADED_REASON_COMPLETION_FAILED, f"the draft of {name} {fault}", name)
            text = replace(text, finish_reason=FINISH_REASON_UNKNOWN)
        if self.interrupted is None:
            self.interrupted, self._fault = text, fault

    def _send(
        self,
        candidate: RouteCandidate,
        text: str,
        *,
        restart: bool = False,
        pieces: Sequence[ToolCallDelta] = (),
    ) -> None:
        restart = restart or (self._is_void and bool(text or pieces))
        if restart:
            self._is_void = False
            self._sent_tokens = 0.0
            self._sent.clear()
            self._calls.clear()
            self._writers.clear()
        if not (text or pieces or restart):
            return
        self._sent.append(text)
        self._calls.add(pieces)
        self._sent_tokens += (self._boots.get(candidate.name) or BootResult.empty(candidate)).tokens_of(text)
        if candidate.name not in self._writers:
            self._writers.append(candidate.name)
        self._route.events.chunk(text, restart=restart, pieces=pieces)

    async def _run(self, call: CandidateCall, silence_limit_s: float) -> FinishReason.ValueType | None:
        """Runs a call and sends its text; returns why the text ended, None if it failed or may not be whole."""
        try:
            await self._stream(call, silence_limit_s)
        except ServiceError as error:
            call.fail(error)
            # Nobody else can go on with a tool call.
            self._is_void |= bool(self._calls)
            return None
        if call.end_draft() is None:
            return None
        answer = self.answer(call.finish_reason)
        fault = await fault_of(self._route, answer.text, answer.tool_calls)
        if not (is_interrupted(call.finish_reason) or fault):
            return call.finish_reason
        self._set_aside(answer, fault)
        self._is_void = True
        return None

    async def _stream(self, call: CandidateCall, silence_limit_s: float) -> None:
        """Sends the chunks of a call as they arrive; a call that falls silent is cancelled if others can be asked."""
        route = self._route
        try:
            async with aclosing(call.chunks()) as chunks, asyncio.timeout(self._limit_s(silence_limit_s)) as timeout:
                async for chunk in chunks:
                    self._send_chunk(call, chunk)
                    # The time for which a slow reader stops the stream is not the candidate's silence.
                    timeout.reschedule(None)
                    await route.events.wait_for_room()
                    seconds = self._limit_s(silence_limit_s)
                    if seconds is not None:
                        timeout.reschedule(asyncio.get_running_loop().time() + seconds)
        except TimeoutError:
            message = f"{call.candidate.name} fell silent before its draft was finished"
            raise ServiceError(Code.DEADLINE_EXCEEDED, ERROR_REASON_UPSTREAM_TIMEOUT, message) from None

    def _limit_s(self, silence_limit_s: float) -> float | None:
        """Returns the seconds for which a call may be silent from now on; None if nobody else can be asked."""
        others = self._untried or self._route.admission.standby
        share_s = self._route.deadline.remaining() * self._route.shares.complete
        return min(share_s, silence_limit_s) if others else None

    def _send_chunk(self, call: CandidateCall, chunk: GenerationChunk) -> None:
        # A text that is written anew voids what went out before, another candidate's text or its own boot.
        if chunk.restarted and call.chunks_received > bool(chunk.text):
            # Only the end of the text showed it; the start of the text went out as if it continued.
            self._send(call.candidate, call.text, restart=True)
        elif chunk.text or chunk.tool_calls:
            begins = self._writing is not call and not (call.continues or call.goes_on)
            self._writing = call
            restart = begins and bool(self._sent)
            self._send(call.candidate, chunk.text, restart=restart, pieces=chunk.tool_calls)
