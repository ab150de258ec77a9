"""One running generation: what has come of it, and its result and span when it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lightrouter.adapter import faults, usage
from lightrouter.adapter.callspan import CallSpan, failure
from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.metrics import CallMetrics
from lightrouter.adapter.providers.endings import less_whole
from lightrouter.adapter.quirks import Quirks
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.adapter.text.continuation import encode
from lightrouter.adapter.text.opening import Joint, gives_twice
from lightrouter.adapter.text.plan import Plan, resumed
from lightrouter.pool.schema import CandidateEntry
from lightrouter.runtime.errors import ServiceError, Spent
from lightrouter.runtime.ledger import cost_nanousd, duration
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import Prices
from lightrouter.v1.chat_pb2 import FinishReason, Usage
from lightrouter.v1.ledger_pb2 import Stage

_UNSPECIFIED: Final = FinishReason.FINISH_REASON_UNSPECIFIED
_STOP: Final = FinishReason.FINISH_REASON_STOP
_LENGTH: Final = FinishReason.FINISH_REASON_LENGTH
_FILTER: Final = FinishReason.FINISH_REASON_CONTENT_FILTER
_UNKNOWN: Final = FinishReason.FINISH_REASON_UNKNOWN


class GenerationRun:
    """One generation, over all its attempts.

    Attributes:
        plan: What is asked.
        said: What the provider says in this attempt.
        stage: The stage that asks.
        last_resort: Whether nobody else is left to ask.
    """

    def __init__(
        self,
        entry: CandidateEntry,
        prices: Prices,
        planned: Callable[[Quirks], Plan],
        quirks: Quirks,
        stage: Stage.ValueType,
        span: CallSpan,
        metrics: CallMetrics,
        *,
        watched: bool = False,
    ) -> None:
        """Begins the generation.

        Args:
            entry: The candidate.
            prices: What its tokens cost.
            planned: Returns what is asked of a provider with such quirks.
            quirks: Those that the provider is known to have.
            stage: The stage that asks.
            span: Its span.
            metrics: Measures it.
            watched: Whether its text is read as it comes.
        """
        self._planned = planned
        self.plan = span.plan = planned(quirks)
        self._watched = watched
        self.said = ReplyInfo()
        self._entry = entry
        self.stage = stage
        self._span = span
        self._metrics = metrics
        self._measured = False
        self._prices = prices
        self._transcript = self.plan.transcript(entry)
        self._cut = self.plan.cut()
        self._pieces: list[TextDelta] = []
        self._attempts = 0
        self._lost = Usage()
        self._finish = _UNSPECIFIED
        self._call_begun = self._attempt_begun = time.monotonic()
        self._first: float | None = None
        self._heard: float | None = None
        self._joint: Joint | None = None
        self.last_resort = False

    @property
    def restarted(self) -> bool:
        """Whether the text is written anew although there was one to go on from; known before any is given out."""
        return self.plan.restarted or self.joint is Joint.ANEW

    @property
    def joint(self) -> Joint | None:
        """What the reply does with the text that it was to go on from; None while that is not known."""
        return self._joint or self._transcript.joint

    @property
    def attempts(self) -> int:
        """How many attempts were made."""
        return self._attempts

    @property
    def finished(self) -> bool:
        """Whether the provider has said why the text ended; what may still come then is counts."""
        return self.said.finish_reason != _UNSPECIFIED

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
        """Whether not a byte has come in this attempt."""
        return self._heard is None

    def silent_for(self, seconds: float) -> bool:
        """Returns whether an attempt is waiting, and has been for so long without a byte having come."""
        return bool(self._attempts) and time.monotonic() - (self._heard or self._attempt_begun) >= seconds

    @property
    def is_cut(self) -> bool:
        """Whether the text ends here, whatever the provider still sends."""
        return self._cut.reached != _UNSPECIFIED

    def put(self, quirks: Quirks) -> None:
        """Puts the request of the next attempt in another way."""
        self.plan = self._planned(quirks)
        self._span.plan = self.plan

    def attempt(self) -> None:
        """Begins the next attempt; what the last one left is forgotten."""
        if self._attempts:
            self._lost = self._spent()
            self.said = ReplyInfo()
            self._transcript = self.plan.transcript(self._entry)
            self._cut = self.plan.cut()
            self._pieces.clear()
            self._first = self._heard = self._joint = None
        self._attempts += 1
        self._attempt_begun = time.monotonic()

    def take(self, raw: TextDelta) -> TextDelta:
        """Returns what of the provider's next piece can be given out; either part may be empty.

        A piece without text, such as a comment that keeps the connection, says that the provider is there.
        """
        self._heard = time.monotonic()
        if self._first is None and (raw.text or raw.reasoning):
            self._first = self._heard
        piece = self._transcript.feed(self._cut.within_limit(raw, self.said))
        return self._kept(self._cut.before_stop(piece))

    def end(self) -> TextDelta:
        """Ends the text and returns the last of it.

        Raises:
            UpstreamError: There is no text and no reasoning (EMPTY_OUTPUT).
        """
        finish = self._ending()
        # Cut without any text, a model has reasoned and its provider does not show it; and what a model goes on from
        # may have been all that it had to say.
        last = self._transcript.end(cut=finish == _LENGTH)
        # What was held back stands behind the stop text.
        last = self._kept(TextDelta("", "") if self.is_cut and finish == _STOP else self._cut.before_stop(last))
        if self._transcript.blank and finish != _LENGTH and not self.plan.ask.goes_on:
            raise faults.empty_output(self._why_nothing(finish), finish)
        if finish == _STOP and (self._transcript.ends_hidden or self.said.ends_hidden):
            # Its end was taken for reasoning, or the model never came to speak.
            finish = _UNKNOWN
        if self.joint is Joint.GOES_ON and gives_twice(self.plan.ask.lead, self.text):
            # What was given out cannot be taken back; what nobody has seen can be called new.
            if not self._watched:
                self._joint = Joint.ANEW
            elif finish == _STOP:
                finish = _UNKNOWN
        self._finish = finish
        return last

    def _ending(self) -> FinishReason.ValueType:
        """Returns why the text ended: unknown where the provider does not say, but for a limit that was reached."""
        said = self.said
        if self.is_cut:
            return self._cut.reached
        if said.finish_reason == _UNSPECIFIED and said.at_best in {_UNSPECIFIED, _UNKNOWN}:
            most = self.plan.ask.most_asked
            counted = usage.written_tokens(said.usage)
            return _LENGTH if most and (said.texts if counted is None else counted) >= most else _UNKNOWN
        return less_whole(said.finish_reason, said.at_best)

    def _why_nothing(self, finish: FinishReason.ValueType) -> str:
        if finish == _FILTER:
            return "the provider withheld it"
        return "it called a tool, and none was offered" if self.said.called_tools else ""

    def result(self) -> GenerationResult:
        """Returns how the generation ended, and ends its span."""
        now = self._usage()
        used = usage.added(now, self._lost)
        entry, said = self._entry, self.said
        result = GenerationResult(
            finish_reason=self._finish,
            usage=used,
            cost_nanousd=cost_nanousd(self._prices, used),
            model=said.model,
            elapsed=duration(time.monotonic() - self._call_begun),
            attempts=self._attempts,
            least_tokens=self.plan.ask.quirks.least_tokens,
        )
        if self._finish == _LENGTH:
            resume = resumed(
                self._transcript, self.plan.resume, now.output_tokens, takes_reasoning_back=said.takes_reasoning_back
            )
            resume = replace(resume, span=self._span.reference)
            result.continuation = encode(entry.name, entry.model, resume)
        # A call that is cut before it shows anything has no first text.
        first = self._first - self._call_begun if self._watched and self._first is not None else None
        if first is not None:
            result.time_to_first_token.CopyFrom(duration(first))
        self._measured = True
        self._metrics.delivered(entry, self.stage, time.monotonic() - self._call_begun, used, first)
        self._span.delivered(result, self.text, first)
        return result

    def fail(self, error: BaseException) -> None:
        """Ends the span of a generation that has failed, or was cancelled.

        `error` is told the attempts and what they cost.
        """
        if isinstance(error, ServiceError):
            error.attempts = self._attempts
            if (used := self._spent()).input_tokens:
                error.spent = Spent(used, cost_nanousd(self._prices, used))
        if self._attempts and not self._measured:
            self._measured = True
            reason, _ = failure(error)
            self._metrics.failed(self._entry, self.stage, time.monotonic() - self._call_begun, reason)
        self._span.failed(error, self._attempts)

    def retry(self, error: ServiceError, seconds: float) -> None:
        """Says in the span that an attempt failed and that another follows after so many seconds."""
        self._span.retry(self._attempts, error, seconds)

    def _kept(self, piece: TextDelta) -> TextDelta:
        if piece.text or piece.reasoning:
            self._pieces.append(piece)
        return piece

    def _spent(self) -> Usage:
        """Returns the tokens of the attempts that failed, this one included; one that brought nothing cost nothing."""
        wrote = self.said.usage or self.said.texts or self._pieces
        return usage.added(self._lost, self._usage()) if wrote else self._lost

    def _usage(self) -> Usage:
        ask, transcript = self.plan.ask, self._transcript
        written = usage.Written(
            prompt=sum(len(message.content) for message in ask.messages) + len(ask.lead) + len(ask.lead_reasoning),
            text=transcript.characters,
            reasoning=transcript.reasoning_characters,
            max_tokens=ask.most_asked,
        )
        counted = usage.reported(self.said.usage, written)
        if counted:
            return counted
        lead = ask.lead + ask.lead_reasoning
        return usage.estimated(ask.messages, lead, self.text, self.reasoning, unseen=self.said.unseen)
