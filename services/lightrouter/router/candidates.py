"""A candidate on one route, and what it wrote in the boot stage."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from lightrouter.router.quality import Quality, quality
from lightrouter.router.whole import is_broken
from lightrouter.v1.adapter_pb2 import GenerationResult
from lightrouter.v1.candidate_pb2 import CONTINUATION_NONE, Candidate, ModelTarget, Partial
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """A candidate that takes part in a route.

    Attributes:
        name: Its name.
        spec: What the pool knows of it.
        target: What a call to its adapter needs.
        boot_tokens: Tokens that it writes before the ranking, at most `output_tokens`.
        output_tokens: Most tokens of its whole answer, boot tokens included.
        category: The kind of prompt, as the policy names it; empty where it does not.
    """

    name: str
    spec: Candidate
    target: ModelTarget
    boot_tokens: int
    output_tokens: int
    category: str = ""

    @property
    def quality(self) -> Quality:
        """What is known of it for this kind of prompt."""
        return quality(self.spec, self.category)

    @property
    def goes_on(self) -> bool:
        """Whether it can go on from text; one that cannot writes its draft anew."""
        return self.spec.continuation != CONTINUATION_NONE


@dataclass(frozen=True, slots=True)
class BootResult:
    """What a candidate wrote in the boot stage.

    Attributes:
        candidate: The candidate.
        partial: Its visible text and why it stopped, as the selector gets it.
        continuation: What its adapter wants back to go on from here.
        used_tokens: Tokens that it wrote, reasoning included.
        text_tokens: Tokens of its visible text; 0 where that is not known.
        seconds: What that took; 0 where it is not known.
        input_tokens: Tokens that it read, as its provider counted them; 0 where the provider did not.
    """

    candidate: RouteCandidate
    partial: Partial
    continuation: bytes
    used_tokens: int
    text_tokens: int = 0
    seconds: float = 0.0
    input_tokens: int = 0

    @classmethod
    def of(cls, candidate: RouteCandidate, text: str, result: GenerationResult) -> BootResult:
        """Returns the boot of a candidate that wrote `text` and ended with `result`."""
        partial = Partial(
            candidate=candidate.name,
            text=text,
            finish_reason=result.finish_reason,
            prior=candidate.quality.prior,
            evaluated_prompts=candidate.quality.prompts,
            model=candidate.spec.model,
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
        )

    @classmethod
    def nothing_yet(cls, candidate: RouteCandidate) -> BootResult:
        """Returns what a candidate has written that was not asked so far."""
        quality = candidate.quality
        partial = Partial(candidate=candidate.name, finish_reason=FINISH_REASON_LENGTH, prior=quality.prior)
        return cls(candidate, partial, b"", 0)

    @property
    def ended(self) -> bool:
        """Whether the text is its whole answer: a draft that nobody has to pay for again."""
        return self.partial.finish_reason != FINISH_REASON_LENGTH or self.used_tokens >= self.candidate.output_tokens

    @property
    def finished(self) -> bool:
        """Whether it has ended, and nothing of it was withheld: a draft that suffices."""
        return self.ended and not is_broken(self.partial.finish_reason)

    @property
    def goes_on(self) -> bool:
        """Whether its text is gone on from; where there is none, or the provider cannot, the draft is written anew."""
        return self.candidate.goes_on and bool(self.partial.text)

    @property
    def seconds_left(self) -> float:
        """Most seconds that going on may take, at the pace of the boot; infinite where that is not known."""
        return self.seconds * (1 + self.tokens_left / self.used_tokens) if self.seconds and self.used_tokens else inf

    @property
    def tokens_left(self) -> int:
        """Most tokens that going on may write; the whole answer's where it is written anew."""
        if self.ended:
            return 0
        used = self.used_tokens if self.goes_on else 0
        return self.candidate.output_tokens - used
