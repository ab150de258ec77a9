"""What an adapter shows of its model calls: one span each, and metrics over all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from lightrouter.adapter import instruments as i
from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.circuit import State
from lightrouter.runtime.enums import label, series
from lightrouter.runtime.errors import ServiceError, Spent, reason_name, reason_series
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.callhandle import announce
from lightrouter.runtime.telemetry.capture import TextCapture
from lightrouter.runtime.telemetry.instruments import Values
from lightrouter.runtime.telemetry.metrics import Tally, histogram
from lightrouter.runtime.telemetry.setup import link_to, span_reference
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.chat_pb2 import FinishReason, ToolCall, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage

_CHAT: Final = "chat"


class CallMetrics:
    """The instruments of model calls, each under the values of its attributes (`series_of`), and of the circuit."""

    def __init__(self, meter: Meter) -> None:
        """Reports to `meter`."""
        self._seconds = histogram(meter, i.CALL_DURATION)
        self._tokens = histogram(meter, i.CALL_TOKENS)
        self._first_chunk_seconds = histogram(meter, i.TIME_TO_FIRST_CHUNK)
        self._openings = Tally(i.CIRCUIT_OPENINGS).report(meter)

    def circuit(self, candidate: str, state: State) -> None:
        """Counts that a candidate's circuit opened, if that is its new state."""
        if state is State.OPEN:
            self._openings.add(1, candidate)

    def ended(self, call: Values, seconds: float, error: str = "") -> None:
        """Records that a call ended after `seconds`, by `error` if it failed."""
        self._seconds.record(seconds, *call, error)

    def spent(self, call: Values, used: Usage) -> None:
        """Records the tokens of a call."""
        estimated = "true" if used.estimated else ""
        self._tokens.record(used.input_tokens, *call, "input", estimated)
        self._tokens.record(used.output_tokens, *call, "output", estimated)

    def began(self, call: Values, seconds: float) -> None:
        """Records that the first text of a call came after `seconds`."""
        self._first_chunk_seconds.record(seconds, *call)


class CallObserver:
    """Observes one generation over all its attempts: its span, a child of the current one, and its metrics."""

    def __init__(
        self,
        tracer: Tracer,
        metrics: CallMetrics,
        capture: TextCapture,
        entry: CandidateEntry,
        stage: Stage.ValueType,
        follows: str,
    ) -> None:
        """Begins the span.

        Args:
            tracer: Makes the span.
            metrics: Measures the call.
            capture: Puts prompt and answer on the span, if the settings allow it.
            entry: The candidate.
            stage: The stage that asks.
            follows: Reference of the span whose output the generation goes on from; this one links to it.
        """
        self._metrics = metrics
        self._capture = capture
        self._entry = entry
        self._stage = stage
        self._series = series_of(entry, stage)
        self._begun = time.monotonic()
        self._ended = False
        self._span: Span = tracer.start_span(names.CHAT.format(model=entry.model), links=link_to(follows))
        announce(self)

    @property
    def reference(self) -> str:
        """The reference of the span, for the span of a generation that goes on from this one."""
        return span_reference(self._span)

    def retried(self, attempt: int, error: ServiceError, wait: float) -> None:
        """Records that an attempt failed and that another follows after `wait` seconds."""
        if self._span.is_recording():
            attributes: dict[str, str | int | float] = {
                names.ATTEMPT: attempt,
                names.ERROR_TYPE: reason_name(error.reason),
                names.MESSAGE: error.message,
                names.WAIT: wait,
            }
            self._span.add_event(names.RETRY, attributes)

    def at_checkpoint(self, checkpoint: GenerationResult) -> None:
        """Records that the text has reached its checkpoint."""
        self._mark(names.CHECKPOINT, checkpoint.usage.output_tokens)

    def chosen(self, output_tokens: int) -> None:
        """Records that a caller in this process has chosen the call to go on. See `CallSpan`."""
        self._mark(names.CHOSEN, output_tokens)

    def delivered(
        self,
        request: ProviderRequest,
        result: GenerationResult,
        text: str,
        calls: Sequence[ToolCall],
        first_chunk_s: float | None,
    ) -> None:
        """Records a generation that delivered; `first_chunk_s` is None if nobody watched it."""
        self._ended = True
        metrics = self._metrics
        metrics.ended(self._series, time.monotonic() - self._begun)
        metrics.spent(self._series, result.usage)
        if first_chunk_s is not None:
            metrics.began(self._series, first_chunk_s)
        span = self._span
        if span.is_recording():
            attributes = self._described(request, result.attempts) | _counts(result.usage, result.cost_nanousd)
            attributes[names.GEN_AI_RESPONSE_MODEL] = result.model
            attributes[names.GEN_AI_RESPONSE_FINISH_REASONS] = (label(FinishReason, result.finish_reason),)
            if first_chunk_s is not None:
                attributes[names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] = first_chunk_s
            # One call for all: each takes the span's lock anew.
            span.set_attributes(attributes)
            self._capture.asked(span, request.messages, request.prefill)
            self._capture.answered(span, text, result.finish_reason, calls)
        span.end()

    def dropped(self, request: ProviderRequest, spent: Spent, attempts: int) -> None:
        """Records a generation that its caller needs no longer; does nothing if it has ended already."""
        self._mark(names.DROPPED, spent.usage.output_tokens)
        self._broke_off(request, None, spent, attempts)

    def failed(self, request: ProviderRequest, error: BaseException, spent: Spent, attempts: int) -> None:
        """Records a generation that failed or was cancelled; does nothing if it has ended already.

        Metrics count model calls: a generation without an attempt is in its span alone.
        """
        self._broke_off(request, error, spent, attempts)

    def _broke_off(self, request: ProviderRequest, error: BaseException | None, spent: Spent, attempts: int) -> None:
        if self._ended:
            return
        self._ended = True
        span, reason = self._span, ErrorReason.ERROR_REASON_UNSPECIFIED
        attributes = self._described(request, attempts)
        if error is not None:
            reason, message = _failure(error)
            attributes[names.ERROR_TYPE] = reason_name(reason)
            span.set_status(Status(StatusCode.ERROR, message))
        if attempts:
            word = "" if error is None else reason_series(reason)
            self._metrics.ended(self._series, time.monotonic() - self._begun, word)
        if spent.usage.input_tokens:
            self._metrics.spent(self._series, spent.usage)
            attributes |= _counts(spent.usage, spent.cost_nanousd)
        if span.is_recording():
            span.set_attributes(attributes)
            self._capture.asked(span, request.messages, request.prefill)
        span.end()

    def _mark(self, event: str, output_tokens: int) -> None:
        """Adds an event with the tokens and the time so far to the span; a span that has ended takes none."""
        if self._span.is_recording():
            seconds = time.monotonic() - self._begun
            attributes = {names.GEN_AI_USAGE_OUTPUT_TOKENS: output_tokens, names.ELAPSED: seconds}
            self._span.add_event(event, attributes)

    def _described(self, request: ProviderRequest, attempts: int) -> dict[str, AttributeValue]:
        """Returns what the span says of the request to the provider, as of the last attempt."""
        entry = self._entry
        attributes: dict[str, AttributeValue] = {
            names.GEN_AI_OPERATION_NAME: _CHAT,
            names.GEN_AI_PROVIDER_NAME: entry.provider,
            names.GEN_AI_REQUEST_MODEL: entry.model,
            names.CANDIDATE: entry.name,
            names.STAGE: label(Stage, self._stage),
            names.ATTEMPTS: attempts,
        }
        if request.max_tokens is not None:
            attributes[names.GEN_AI_REQUEST_MAX_TOKENS] = request.max_tokens
        return attributes


def _counts(used: Usage, cost: int) -> dict[str, AttributeValue]:
    return {
        names.GEN_AI_USAGE_INPUT_TOKENS: used.input_tokens,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: used.output_tokens,
        names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: used.cached_input_tokens,
        names.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS: used.cache_write_tokens,
        names.ESTIMATED: used.estimated,
        names.COST: cost,
    }


def series_of(entry: CandidateEntry, stage: Stage.ValueType) -> Values:
    """Returns the values of the attributes that all metrics of a call have."""
    return _CHAT, entry.provider, entry.model, entry.name, series(Stage, stage)


def _failure(error: BaseException) -> tuple[ErrorReason.ValueType, str]:
    """Returns the reason of a generation that ended by `error`, and a sentence on it."""
    if isinstance(error, ServiceError):
        return error.reason, error.message
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return ErrorReason.ERROR_REASON_CANCELLED, "the caller did not wait for the end"
    return ErrorReason.ERROR_REASON_INTERNAL, "the adapter has a defect; its log says more under this trace id"
