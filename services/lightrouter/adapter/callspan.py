"""The span of one generation: what was asked of which model, what came of it, and what went wrong on the way."""

from __future__ import annotations

import asyncio

from opentelemetry.trace import Span, Status, StatusCode, Tracer

from lightrouter.adapter.text.plan import Plan
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.enums import label
from lightrouter.runtime.errors import ServiceError, reason_name
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.capture import TextCapture
from lightrouter.runtime.telemetry.setup import link_to, span_reference
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage


class CallSpan:
    """The span of one generation, over all its attempts; a child of the current one.

    Attributes:
        plan: What is asked.
    """

    def __init__(
        self,
        tracer: Tracer,
        capture: TextCapture,
        entry: CandidateEntry,
        stage: Stage.ValueType,
        follows: str,
    ) -> None:
        """Begins it.

        Args:
            tracer: Makes it.
            capture: Puts text on it.
            entry: The candidate.
            stage: The stage that asks.
            follows: Reference of the span whose output the generation goes on from; this one links to it.
        """
        self._capture = capture
        self._entry = entry
        self.plan: Plan | None = None
        self._stage = stage
        self._span: Span = tracer.start_span(names.CHAT.format(model=entry.model), links=link_to(follows))

    @property
    def reference(self) -> str:
        """What a span of a generation that goes on from this one links to."""
        return span_reference(self._span)

    def retry(self, attempt: int, error: ServiceError, seconds: float) -> None:
        """Says that an attempt failed and that another follows after so many seconds."""
        if self._span.is_recording():
            attributes: dict[str, str | int | float] = {
                names.ATTEMPT: attempt,
                names.ERROR_TYPE: reason_name(error.reason),
                names.MESSAGE: error.message,
                names.WAIT: seconds,
            }
            self._span.add_event(names.RETRY, attributes)

    def delivered(self, result: GenerationResult, text: str, first_chunk_s: float | None) -> None:
        """Ends it with what came of the generation; `first_chunk_s` is the time to the first text, where watched."""
        span = self._span
        if span.is_recording():
            used = result.usage
            span.set_attributes(
                {
                    **self._request(result.attempts),
                    names.GEN_AI_RESPONSE_MODEL: result.model,
                    names.GEN_AI_RESPONSE_FINISH_REASONS: (label(FinishReason, result.finish_reason),),
                    names.GEN_AI_USAGE_INPUT_TOKENS: used.input_tokens,
                    names.GEN_AI_USAGE_OUTPUT_TOKENS: used.output_tokens,
                    names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: used.cached_input_tokens,
                    names.COST: result.cost_nanousd,
                }
            )
            if first_chunk_s is not None:
                span.set_attribute(names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, first_chunk_s)
            self._capture.answered(span, text, result.finish_reason)
        span.end()

    def failed(self, error: BaseException, attempts: int) -> None:
        """Ends it, if it has not ended, with why the generation failed or was cancelled."""
        span = self._span
        if not span.is_recording():
            return
        reason, message = failure(error)
        span.set_attributes({**self._request(attempts), names.ERROR_TYPE: reason_name(reason)})
        span.set_status(Status(StatusCode.ERROR, message))
        span.end()

    def _request(self, attempts: int) -> dict[str, str | int]:
        entry = self._entry
        attributes: dict[str, str | int] = {
            names.GEN_AI_OPERATION_NAME: "chat",
            names.GEN_AI_PROVIDER_NAME: entry.provider,
            names.GEN_AI_REQUEST_MODEL: entry.model,
            names.CANDIDATE: entry.name,
            names.STAGE: label(Stage, self._stage),
            names.ATTEMPTS: attempts,
        }
        if self.plan:
            ask = self.plan.ask
            if ask.max_tokens is not None:
                attributes[names.GEN_AI_REQUEST_MAX_TOKENS] = ask.max_tokens
            self._capture.asked(self._span, ask.messages, ask.lead)
        return attributes


def failure(error: BaseException) -> tuple[ErrorReason.ValueType, str]:
    """Returns the reason of a generation that ended by `error`, and a sentence on it."""
    if isinstance(error, ServiceError):
        return error.reason, error.message
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return ErrorReason.ERROR_REASON_CANCELLED, "the caller did not wait for the end"
    return ErrorReason.ERROR_REASON_INTERNAL, "the adapter has a defect; its log says more under this trace id"
