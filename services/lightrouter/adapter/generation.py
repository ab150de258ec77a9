"""One running generation: its attempts, its output so far, and its result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from lightrouter.adapter import faults, usage
from lightrouter.adapter.attempt_costs import AttemptCosts
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers.finish_reasons import less_whole
from lightrouter.adapter.quirks import Quirks
from lightrouter.adapter.telemetry import CallObserver
from lightrouter.adapter.text.anew import clearly_continues, is_read, is_unread, is_written_anew
from lightrouter.adapter.text.coalesce import NOTHING, TextDelta
from lightrouter.adapter.text.continuation import encode
from lightrouter.adapter.text.opening import PrefillUse
from lightrouter.adapter.text.plan import Plan, next_resume_state
from lightrouter.pool.choices import ContinuationStyle
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.errors import ServiceError, Spent
from lightrouter.runtime.ledger import cost_nanousd, duration
from lightrouter.runtime.tokens import estimate_tokens, message_characters, output_texts, output_tokens
from lightrouter.runtime.toolcalls import ToolCalls, calls_text, is_whole
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import FinishReason, ToolCall, Usage
from lightrouter.v1.ledger_pb2 import Stage

_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_STOP: Final = FinishReason.FINISH_REASON_STOP
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
_FILTER: Final = FinishReason.FINISH_REASON_CONTENT_FILTER
_UNKNOWN: Final = FinishReason.FINISH_REASON_UNKNOWN
_TOOL_CALLS: Final = FinishReason.FINISH_REASON_TOOL_CALLS

Output = TextDelta | GenerationResult
"""A piece of output, or the checkpoint between two of them."""


class GenerationRun:
    """One generation, over all its attempts.

    Attributes:
        checkpoint: How the text stood at the checkpoint; None before.
        is_paused: Whether the provider waits for the reader.
        plan: The plan of the current attempt.
        info: The facts of this attempt's reply.
        stage: The stage that asks.
        last_resort: Whether the router has no other candidate left; circuit and backoff let the call pass then.
    """

    def __init__(
        self,
        entry: CandidateEntry,
        prices: Prices,
        planned: Callable[[Quirks], Plan],
        quirks: Quirks,
        stage: Stage.ValueType,
        observer: CallObserver,
        *,
        streamed: bool = False,
    ) -> None:
        """Begins the generation.

        Args:
            entry: The candidate.
            prices: The prices of its tokens.
            planned: Returns the plan for a provider with the given quirks.
            quirks: The known quirks of the provider.
            stage: The stage that asks.
            observer: Records retries and the end.
            streamed: Whether the caller gets the text as it comes.
        """
        self._planned = planned
        self.plan = planned(quirks)
        self._streamed = streamed
        self._entry = entry
        self.stage = stage
        self._observer = observer
        self._prices = prices
        self._prepare()
        self._deltas: list[TextDelta] = []
        self._calls = ToolCalls()
        self._costs = AttemptCosts()
        self._lost: Usage | None = None
        self._finish = _UNSPECIFIED
        self._begun = self._attempt_begun = time.monotonic()
        self._first: float | None = None
        self._heard: float | None = None
        self.is_paused = False
        self.checkpoint: GenerationResult | None = None
        self.last_resort = False

    @property
    def restarted(self) -> bool:
        """Whether the text starts anew although the caller has a first part; `end` may find it out after the output."""
        return self.plan.restarted or self._transcript.prefill_use is PrefillUse.RESTARTED

    @property
    def ignored_prefill(self) -> bool | None:
        """Whether the provider ignored the prefill; None if nothing shows it."""
        use = self._transcript.prefill_use
        if not self.plan.request.has_prefill or use is None:
            return None
        if use is PrefillUse.CONTINUED:
            clear = not self.plan.trusted or clearly_continues(self.plan.request.prefill, self.text)
            return False if clear else None
        return use is PrefillUse.RESTARTED

    @property
    def prefill_is_unread(self) -> bool:
        """Whether the provider's counts show that the model never read the prefill."""
        prefill, before, counted = self.plan.request.prefill, self.plan.resume_state, self._usage()
        if counted.estimated or clearly_continues(prefill, self.text):
            return False
        return is_unread(min(before.tokens, estimate_tokens(prefill)), before.prompt_tokens, counted.input_tokens)

    @property
    def is_doubtful(self) -> bool:
        """Whether the reply may continue the prefill and nothing shows it."""
        return self._transcript.is_doubtful

    @property
    def attempts(self) -> int:
        """The number of attempts so far."""
        return self._costs.made

    @property
    def finished(self) -> bool:
        """Whether the provider has given a finish reason; only token counts may still come."""
        return self.info.finish_reason != _UNSPECIFIED

    @property
    def text(self) -> str:
        """The visible text of this attempt so far."""
        return "".join([delta.text for delta in self._deltas])

    @property
    def reasoning(self) -> str:
        """The hidden reasoning of this attempt so far."""
        return "".join([delta.reasoning for delta in self._deltas])

    @property
    def calls(self) -> list[ToolCall]:
        """The tool calls of this attempt so far."""
        return self._calls.calls()

    @property
    def has_output(self) -> bool:
        """Whether this attempt has given out any text, reasoning or tool call, or its checkpoint."""
        return bool(self._deltas) or self.checkpoint is not None

    @property
    def silent(self) -> bool:
        """Whether this attempt has received no byte."""
        return self._heard is None

    def silent_for(self, seconds: float) -> bool:
        """Returns whether an attempt is running, nobody has paused it, and it has received no byte for `seconds`."""
        return (
            bool(self.attempts)
            and not self.is_paused
            and time.monotonic() - (self._heard or self._attempt_begun) >= seconds
        )

    @property
    def is_cut(self) -> bool:
        """Whether the adapter has cut the text, so that the rest of the reply does not count."""
        return self._cut.reached != _UNSPECIFIED

    def use_quirks(self, quirks: Quirks) -> None:
        """Plans the next attempt for a provider with `quirks`."""
        self.plan = self._planned(quirks)

    def begin_attempt(self) -> None:
        """Begins the next attempt and drops the output of the last one."""
        if self.attempts:
            self._lost = self._spent()
            self._prepare()
            self._deltas.clear()
            self._calls.clear()
            self._first = self._heard = None
        self._costs.begin()
        self._attempt_begun = time.monotonic()

    def _prepare(self) -> None:
        self._transcript = self.plan.transcript(self._entry)
        self._cut = self.plan.cut()
        self.info = ReplyInfo(passes=self._cut.count if self._cut.ahead else None)

    def feed(self, raw: TextDelta) -> tuple[Output, ...]:
        """Takes the next delta of the provider; returns the output that is settled now, the checkpoint in its place.

        A delta without text, such as a comment that keeps the connection alive, shows that the provider is there.
        """
        self._heard = time.monotonic()
        if self._first is None and raw != NOTHING:
            self._first = self._heard
        parts = self._cut.parts(raw, self.info)
        delta = self._settled(parts[0])
        if self.is_doubtful and (len(parts) > 1 or not self.plan.resume_state.prompt_tokens):
            # After the checkpoint there is no other attempt, and without an earlier count the last one tells nothing.
            raise faults.doubtful()
        if len(parts) == 1 or self._cut.reached == _STOP:
            return (delta,)
        self.checkpoint = self._at_checkpoint()
        if not self._cut.ahead:
            self.info.passes = None
        return delta, self.checkpoint, self._settled(parts[1])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Marks a time in which the provider waits for the reader, up to an error that ends the call."""
        self.is_paused = True
        yield
        self.is_paused = False
        self._heard = time.monotonic()

    def end(self) -> TextDelta:
        """Ends the text; returns its last part.

        Raises:
            UpstreamError: The model wrote neither text nor reasoning (EMPTY_OUTPUT), or nothing shows that it goes on
                from the prefill.
        """
        finish = self._ending()
        # No text is no error after a limit (a provider may hide the reasoning that used it up) or after a prefill
        # (the model may have had no more to say).
        last = self._transcript.end(cut=finish == _LENGTH, read=self._read())
        if self.is_doubtful:
            raise faults.doubtful()
        # The text that was held back stands behind the stop text.
        last = self._kept(NOTHING if self.is_cut and finish == _STOP else self._cut.before_stop(last))
        if self._transcript.blank and finish != _LENGTH and not self.plan.request.has_prefill:
            raise faults.empty_output(self._why_nothing(finish), finish)
        if finish == _STOP and (self._transcript.ends_hidden or self.info.ends_hidden):
            # The end of the answer looked like reasoning, or the model never began its answer.
            finish = _UNKNOWN
        if self._transcript.prefill_use is PrefillUse.CONTINUED and self._is_written_anew():
            self._transcript.restart()
        self._finish = finish
        return last

    def _read(self) -> bool | None:
        """Returns whether the model went on from the prefill, by the provider's counts; None if they do not tell."""
        if not self.plan.request.has_prefill:
            return None
        before, counted = self.plan.resume_state, self._reported()
        if counted is None or counted.estimated:
            return None
        if is_read(before.tokens, before.prompt_tokens, counted.input_tokens):
            return True
        return False if self.prefill_is_unread else None

    def _is_written_anew(self) -> bool:
        request = self.plan.request
        if not request.prefill.strip() or self._entry.continuation is ContinuationStyle.RAW:
            # Nothing ignores a raw prompt.
            return False
        return self.prefill_is_unread or is_written_anew(request.prefill, self.text)

    def _ending(self) -> FinishReason.ValueType:
        """Returns why the text ended: UNKNOWN if the provider gives no reason, unless the limit was reached."""
        info = self.info
        if self.is_cut:
            return self._cut.reached
        if info.finish_reason == _UNSPECIFIED and info.at_best in {_UNSPECIFIED, _UNKNOWN}:
            most = self.plan.request.sent_max_tokens
            counted = usage.written_tokens(info.usage)
            return _LENGTH if most and (info.texts if counted is None else counted) >= most else _UNKNOWN
        finish = less_whole(info.finish_reason, info.at_best)
        if finish not in {_STOP, _TOOL_CALLS}:
            return finish
        if calls := self.calls:
            # Some providers stop after a call.
            return _TOOL_CALLS if all(map(is_whole, calls)) else _UNKNOWN
        return _STOP if finish == _STOP else _UNKNOWN

    def _why_nothing(self, finish: FinishReason.ValueType) -> str:
        if finish == _FILTER:
            return "the provider withheld it"
        return "it called a tool, and none was offered" if self.info.called_tools else ""

    def result(self) -> GenerationResult:
        """Returns the result of the generation and reports it to the observer."""
        result = self._result(self._finish, self._usage())
        self._observer.delivered(self.plan.request, result, self.text, self.calls, self._first_after())
        return result

    def _at_checkpoint(self) -> GenerationResult:
        checkpoint = self._result(_LENGTH, self._so_far(self.plan.request.checkpoint_tokens))
        self._observer.at_checkpoint(checkpoint)
        return checkpoint

    def _result(self, finish: FinishReason.ValueType, now: Usage) -> GenerationResult:
        used = usage.added(now, self._lost)
        entry, info, first = self._entry, self.info, self._first_after()
        result = GenerationResult(
            finish_reason=finish,
            usage=used,
            cost_nanousd=cost_nanousd(self._prices, used),
            model=info.model,
            elapsed=duration(time.monotonic() - self._begun),
            attempts=self.attempts,
            counted_attempts=self._costs.counted,
            state=info.state,
            left_out=sorted(info.left_out),
            least_tokens=self.plan.request.quirks.least_tokens,
            time_to_first_token=None if first is None else duration(first),
        )
        if finish == _LENGTH:
            resume_state = next_resume_state(
                self._transcript,
                self.plan.resume_state,
                now,
                self._observer.reference,
                takes_reasoning_back=info.reasoning_member == "reasoning_content",
            )
            result.continuation = encode(entry.name, entry.model, resume_state)
        return result

    def _first_after(self) -> float | None:
        """Returns the time to the first token; None if nobody watched, or the text was cut before its first output."""
        return self._first - self._begun if self._streamed and self._first is not None else None

    def fail(self, error: BaseException) -> None:
        """Reports a failure or a cancellation to the observer; adds the attempts and their cost to `error`.

        A call that its caller cancels after the checkpoint has not failed: it was not chosen.
        """
        spent = Spent(used := self._spent(), cost_nanousd(self._prices, used))
        if isinstance(error, ServiceError):
            self._costs.fail(error, wrote=self._has_usage)
            error.attempts, error.counted_attempts = self.attempts, self._costs.counted
            error.spent = spent if used.input_tokens or not self._costs.unknown else None
        elif self.checkpoint is not None and isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._observer.dropped(self.plan.request, spent, self.attempts)
            return
        self._observer.failed(self.plan.request, error, spent, self.attempts)

    def retry(self, error: ServiceError, seconds: float) -> None:
        """Reports to the observer that an attempt failed and that another follows after `seconds`."""
        self._costs.fail(error, wrote=self._has_usage)
        self._observer.retried(self.attempts, error, seconds)

    def _settled(self, raw: TextDelta) -> TextDelta:
        return self._kept(self._cut.before_stop(self._transcript.feed(raw)))

    def _kept(self, delta: TextDelta) -> TextDelta:
        if delta != NOTHING:
            self._deltas.append(delta)
            self._calls.add(delta.calls)
        return delta

    @property
    def _has_usage(self) -> bool:
        return bool(self.info.usage or self.info.texts or self.has_output)

    def _spent(self) -> Usage:
        """Returns the tokens of all attempts, this one included, of which the provider has sent any."""
        if not self._has_usage:
            return self._lost or Usage()
        return usage.added((self.finished and self._reported()) or self._so_far(self._cut.tokens), self._lost)

    def _so_far(self, tokens: int) -> Usage:
        """Returns the tokens of this attempt before its end, of which `tokens` were counted as they came."""
        return usage.unfinished(self._reported(), self._estimate(tokens), tokens)

    def _usage(self) -> Usage:
        return self._reported() or self._estimate()

    def _reported(self) -> Usage | None:
        """Returns the tokens of this attempt by the provider's count so far; None if it has given none."""
        if not self.info.usage:
            return None
        request, transcript = self.plan.request, self._transcript
        written = usage.Written(
            prompt=sum(message_characters(message) + len(message.state) for message in request.messages)
            + sum(map(len, output_texts(request.output)))
            + len(request.prefill)
            + len(request.prefill_reasoning)
            + len(self._entry.system_prompt or ""),
            text=transcript.characters,
            reasoning=transcript.reasoning_characters,
            max_tokens=request.sent_max_tokens,
        )
        return usage.reported(self.info.usage, written)

    def _estimate(self, counted: int = 0) -> Usage:
        """Returns the adapter's estimate; not of an output of `counted` tokens, unless some of them may be hidden."""
        request, reasoning, unseen = self.plan.request, self.reasoning, self.info.unseen
        prefill = request.prefill + request.prefill_reasoning
        text = "" if counted and not (reasoning or unseen) else self.text + calls_text(self.calls)
        estimate = usage.estimated(request.messages, prefill, text, reasoning, unseen=unseen)
        estimate.input_tokens += self._entry.instruction_tokens + output_tokens(request.output)
        return estimate
