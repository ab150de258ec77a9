"""One running generation: what has come of it, and its result and span when it has ended."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Final

from opentelemetry.trace import Span, Status, StatusCode, Tracer

from lightrouter.adapter import faults, usage
from lightrouter.adapter.coalesce import Piece
from lightrouter.adapter.continuation import encode
from lightrouter.adapter.metrics import CallMetrics
from lightrouter.adapter.plan import Plan, resumed
from lightrouter.adapter.providers.base import Said
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime import names
from lightrouter.runtime.errors import ServiceError, reason_name
from lightrouter.runtime.labels import OTHER, STAGES
from lightrouter.runtime.ledger import cost_nanousd, duration
from lightrouter.runtime.telemetry import link_to, span_reference
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

_FINISH_NAMES: Final = {number: name.removeprefix("FINISH_REASON_").lower() for name, number in FinishReason.items()}
_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_STOP: Final = FinishReason.FINISH_REASON_STOP
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH


class Call:
    """One generation, over all its attempts.

    Attributes:
        plan: What is asked.
        said: What the provider says in this attempt.
    """

    def __init__(
        self,
        entry: CandidateEntry,
        prices: Prices,
        plan: Plan,
        stage: Stage.ValueType,
        tracer: Tracer,
        metrics: CallMetrics,
        *,
        watched: bool = False,
        follows: str = "",
    ) -> None:
        """Begins the generation and its span, a child of the current one.

        Args:
            entry: The candidate.
            prices: What its tokens cost.
            plan: What is asked.
            stage: The stage that asks.
            tracer: Makes the span.
            metrics: Measures it.
            watched: Whether its text is read as it comes.
            follows: Reference of the span whose output it goes on from; the new span links to it.
        """
        self.plan = plan
        self._watched = watched
        self.said = Said()
        self._entry = entry
        self._stage = stage
        self._metrics = metrics
        self._measured = False
        self._prices = prices
        self._transcript = plan.transcript(entry)
        self._pieces: list[Piece] = []
        self._attempts = 0
        self._finish = _UNSPECIFIED
        self._call_begun = self._attempt_begun = time.monotonic()
        self._first = 0.0
        self._span: Span = tracer.start_span(names.CHAT.format(model=entry.model), links=link_to(follows))

    @property
    def text(self) -> str:
        """The visible text of this attempt so far."""
        return "".join([piece.text for piece in self._pieces])

    @property
    def reasoning(self) -> str:
        """The hidden reasoning of this attempt so far."""
        return "".join([piece.reasoning for piece in self._pieces])

    @property
    def begun(self) -> bool:
        """Whether this attempt has given out anything."""
        return bool(self._pieces)

    @property
    def silent(self) -> bool:
        """Whether nothing has come in this attempt."""
        return not self._first

    def silent_for(self, seconds: float) -> bool:
        """Returns whether an attempt is waiting, and has been for so long without anything having come."""
        return bool(self._attempts) and self.silent and time.monotonic() - self._attempt_begun >= seconds

    def attempt(self) -> None:
        """Begins the next attempt; what the last one left is forgotten."""
        if self._attempts:
            self.said = Said()
            self._transcript = self.plan.transcript(self._entry)
            self._pieces.clear()
            self._first = 0.0
        self._attempts += 1
        self._attempt_begun = time.monotonic()

    def take(self, raw: Piece) -> Piece:
        """Returns what of the provider's next piece can be given out; either part may be empty."""
        if not self._first and (raw.text or raw.reasoning):
            self._first = time.monotonic()
        return self._kept(self._transcript.feed(raw))

    def end(self) -> Piece:
        """Ends the text and returns the last of it.

        Raises:
            UpstreamError: There is no text and no reasoning (EMPTY_OUTPUT), or the text ends in half a character.
        """
        finish = self.said.finish_reason
        if finish == _UNSPECIFIED:
            count = (self.said.usage or {}).get("completion_tokens")
            most = self.plan.ask.max_tokens
            finish = _LENGTH if most and isinstance(count, int) and count >= most else _STOP
        self._finish = finish
        last = self._kept(self._transcript.end(cut=finish == _LENGTH))
        # Cut without any text, a model has reasoned and its provider does not show it; and what a model goes on from
        # may have been all that it had to say.
        if self._transcript.blank and finish != _LENGTH and not self.plan.ask.goes_on:
            raise faults.empty_output()
        return last

    def result(self) -> GenerationResult:
        """Returns how the generation ended, and ends its span."""
        used = self._usage()
        entry, said = self._entry, self.said
        result = GenerationResult(
            finish_reason=self._finish,
            usage=used,
            cost_nanousd=cost_nanousd(self._prices, used),
            model=said.model,
            elapsed=duration(time.monotonic() - self._call_begun),
            attempts=self._attempts,
        )
        if self._finish == _LENGTH:
            resume = resumed(
                self._transcript, self.plan.resume, used.output_tokens, takes_reasoning_back=said.takes_reasoning_back
            )
            resume = replace(resume, span=span_reference(self._span))
            result.continuation = encode(entry.name, entry.model, resume)
        if self._watched:
            result.time_to_first_token.CopyFrom(duration(self._first - self._call_begun))
        first = self._first - self._call_begun if self._watched else None
        self._measured = True
        self._metrics.delivered(entry, self._stage, time.monotonic() - self._call_begun, used, first)
        self._end_span(result)
        return result

    def fail(self, error: BaseException) -> None:
        """Ends the span of a generation that has failed with `error` or was cancelled."""
        span = self._span
        reason, message = _fault(error)
        if self._attempts and not self._measured:
            self._measured = True
            self._metrics.failed(self._entry, self._stage, time.monotonic() - self._call_begun, reason)
        if not span.is_recording():
            return
        span.set_attributes({**self._request_attributes(), names.ERROR_TYPE: reason_name(reason)})
        span.set_status(Status(StatusCode.ERROR, message))
        span.end()

    def retry(self, error: ServiceError, seconds: float) -> None:
        """Says in the span that an attempt failed and that another follows after so many seconds."""
        if self._span.is_recording():
            attributes: dict[str, str | int | float] = {
                names.ATTEMPT: self._attempts,
                names.ERROR_TYPE: reason_name(error.reason),
                names.MESSAGE: error.message,
                names.WAIT: seconds,
            }
            self._span.add_event(names.RETRY, attributes)

    def _kept(self, piece: Piece) -> Piece:
        if piece.text or piece.reasoning:
            self._pieces.append(piece)
        return piece

    def _usage(self) -> Usage:
        ask, transcript = self.plan.ask, self._transcript
        written = usage.Written(
            prompt=sum(len(message.content) for message in ask.messages) + len(ask.lead) + len(ask.lead_reasoning),
            text=transcript.characters,
            reasoning=transcript.reasoning_characters,
            max_tokens=ask.max_tokens,
        )
        counted = usage.reported(self.said.usage, written)
        if counted:
            return counted
        return usage.estimated(ask.messages, ask.lead + ask.lead_reasoning, self.text, self.reasoning)

    def _request_attributes(self) -> dict[str, str | int]:
        entry = self._entry
        attributes: dict[str, str | int] = {
            names.GEN_AI_OPERATION_NAME: "chat",
            names.GEN_AI_PROVIDER_NAME: entry.provider,
            names.GEN_AI_REQUEST_MODEL: entry.model,
            names.CANDIDATE: entry.name,
            names.STAGE: STAGES.get(self._stage, OTHER),
            names.ATTEMPTS: self._attempts,
        }
        if self.plan.ask.max_tokens is not None:
            attributes[names.GEN_AI_REQUEST_MAX_TOKENS] = self.plan.ask.max_tokens
        return attributes

    def _end_span(self, result: GenerationResult) -> None:
        span = self._span
        if span.is_recording():
            used = result.usage
            span.set_attributes(
                {
                    **self._request_attributes(),
                    names.GEN_AI_RESPONSE_MODEL: result.model,
                    names.GEN_AI_RESPONSE_FINISH_REASONS: (_FINISH_NAMES[result.finish_reason],),
                    names.GEN_AI_USAGE_INPUT_TOKENS: used.input_tokens,
                    names.GEN_AI_USAGE_OUTPUT_TOKENS: used.output_tokens,
                    names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: used.cached_input_tokens,
                    names.COST: result.cost_nanousd,
                }
            )
            if self._watched:
                span.set_attribute(names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, self._first - self._call_begun)
        span.end()


def _fault(error: BaseException) -> tuple[ErrorReason.ValueType, str]:
    if isinstance(error, ServiceError):
        return error.reason, error.message
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return ErrorReason.ERROR_REASON_CANCELLED, "the router did not wait for the end"
    return ErrorReason.ERROR_REASON_INTERNAL, "the adapter has a defect; its log says more under this trace id"
