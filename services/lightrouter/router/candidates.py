"""A candidate on one route, what is known of its quality, and what it wrote in the boot stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from lightrouter.router.finish import is_interrupted
from lightrouter.router.held import HeldStream
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, Candidate, ModelTarget, Partial
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, ToolCall

# Weight of the score over all kinds of prompts beside the score of one kind, in prompts. A uniform prior weighs as much
# in a Beta posterior, so that one or two prompts of a kind decide nothing.
_OVERALL_WEIGHT: Final = 2


class Quality(NamedTuple):
    """Expected quality, 0 to 1, and the number of evaluated prompts behind it; 0 for a prior that the pool states."""

    prior: float
    prompts: int


def quality(candidate: Candidate, category: str = "") -> Quality:
    """Returns the quality of a candidate, for prompts of `category` if the evaluator has seen such prompts."""
    if not candidate.HasField("evaluation"):
        return Quality(candidate.prior, 0)
    evaluation = candidate.evaluation
    for kind in evaluation.categories if category else ():
        if kind.category == category:
            total = kind.score * kind.prompts + evaluation.score * _OVERALL_WEIGHT
            return Quality(total / (kind.prompts + _OVERALL_WEIGHT), kind.prompts)
    return Quality(evaluation.score, evaluation.prompts)


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """A candidate that takes part in a route.

    Attributes:
        name: Its name.
        spec: Its entry in the pool.
        target: What a call to its adapter needs.
        boot_tokens: Tokens that it writes before the ranking, at most `output_tokens`.
        output_tokens: Most tokens of its whole answer, boot tokens included.
        category: The kind of prompt that the policy names; empty if it names none.
        held_tokens: Tokens that its boot call may write after the boot tokens while it is held open; 0 if the call ends
            at the boot tokens.
        resumes: Whether its text can be resumed by another call; tool calls and JSON forms cannot.
    """

    name: str
    spec: Candidate
    target: ModelTarget
    boot_tokens: int
    output_tokens: int
    category: str = ""
    held_tokens: int = 0
    resumes: bool = True

    @property
    def quality(self) -> Quality:
        """Its quality for this kind of prompt."""
        return quality(self.spec, self.category)

    @property
    def can_continue(self) -> bool:
        """Whether it can continue a given text; if not, it writes its draft anew."""
        return self.resumes and self.spec.continuation != CONTINUATION_NONE


@dataclass(frozen=True, slots=True)
class BootResult:
    """What a candidate wrote in the boot stage.

    Attributes:
        candidate: The candidate.
        partial: Its visible text and why it stopped, as the selector gets it.
        continuation: Opaque state with which its adapter can continue from here.
        used_tokens: Tokens that it wrote, reasoning included.
        text_tokens: Tokens of its visible text; 0 if unknown.
        seconds: Duration of the boot; 0 if unknown.
        input_tokens: Tokens that it read, as its provider counted them; 0 if the provider did not.
        held: The stream of its call, if it was held open; see `is_open`.
        delivered_at: When it was delivered, on the monotonic clock.
    """

    candidate: RouteCandidate
    partial: Partial
    continuation: bytes
    used_tokens: int
    text_tokens: int = 0
    seconds: float = 0.0
    input_tokens: int = 0
    held: HeldStream | None = None
    delivered_at: float = 0.0

    @classmethod
    def of(
        cls,
        candidate: RouteCandidate,
        text: str,
        result: GenerationResult,
        held: HeldStream | None = None,
        calls: Sequence[ToolCall] = (),
    ) -> BootResult:
        """Returns the boot of a candidate that wrote `text` and `calls`, and stands or has ended with `result`."""
        quality = candidate.quality
        partial = Partial(
            candidate=candidate.name,
            text=text,
            finish_reason=result.finish_reason,
            prior=quality.prior,
            evaluated_prompts=quality.prompts,
            model=candidate.spec.model,
            tool_calls=calls,
        )
        usage = result.usage
        return cls(
            candidate,
            partial,
            result.continuation,
            used_tokens=usage.output_tokens or candidate.boot_tokens,
            text_tokens=max(0, usage.output_tokens - usage.reasoning_tokens),
            seconds=result.elapsed.ToTimedelta().total_seconds(),
            input_tokens=0 if usage.estimated else usage.input_tokens,
            held=held,
            delivered_at=time.monotonic(),
        )

    @classmethod
    def empty(cls, candidate: RouteCandidate) -> BootResult:
        """Returns the empty boot of a candidate that was not asked yet."""
        quality = candidate.quality
        partial = Partial(candidate=candidate.name, finish_reason=FINISH_REASON_LENGTH, prior=quality.prior)
        return cls(candidate, partial, b"", 0)

    @property
    def ended(self) -> bool:
        """Whether the text is its whole answer, so that no further call is needed."""
        return self.partial.finish_reason != FINISH_REASON_LENGTH or self.used_tokens >= self.candidate.output_tokens

    @property
    def finished(self) -> bool:
        """Whether the text is a whole answer that its provider did not interrupt."""
        return self.ended and not is_interrupted(self.partial.finish_reason)

    @property
    def is_blank(self) -> bool:
        """Whether it has neither visible text nor a tool call."""
        return not (self.partial.text.strip() or self.partial.tool_calls)

    @property
    def is_open(self) -> bool:
        """Whether the call that wrote the boot can continue to the end of the draft."""
        return self.held is not None and self.held.is_open

    @property
    def can_continue(self) -> bool:
        """Whether its completion continues the text; else the candidate writes a draft anew."""
        return self.is_open or (self.candidate.can_continue and bool(self.partial.text))

    @property
    def seconds_left(self) -> float:
        """Most seconds that the completion takes at the pace of the boot; infinite if the pace is unknown."""
        return self.seconds * (1 + self.tokens_left / self.used_tokens) if self.seconds and self.used_tokens else inf

    @property
    def tokens_left(self) -> int:
        """Most tokens that the completion may write; those of a whole answer if the draft is written anew."""
        if self.ended:
            return 0
        used = self.used_tokens if self.can_continue else 0
        return self.candidate.output_tokens - used

    def tokens_of(self, text: str) -> float:
        """Returns the tokens of a text by this candidate, at the boot's tokens per character.

        If the boot does not show that ratio, they are estimated from the bytes of the text.
        """
        if self.text_tokens and self.partial.text:
            return self.text_tokens / len(self.partial.text) * len(text)
        return float(estimate_tokens(text))
