"""What a client in another language says it got, and what it must have got."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from tests.load import upstream

# The candidate that merges the drafts of all; what it writes is the answer.
SYNTHESIZER = "ada"
ANSWER = upstream.whole_text(SYNTHESIZER).strip()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerReport(_Strict):
    """What Complete or StreamComplete returned; money in nano-dollars."""

    text: str
    cost_nanousd: int
    entries_cost_nanousd: int
    elapsed_s: float
    candidates: list[str]
    chunks: int

    def check(self) -> None:
        """Checks that this is a whole answer with what it cost."""
        assert self.text.strip() == ANSWER
        assert self.cost_nanousd == self.entries_cost_nanousd > 0
        assert self.elapsed_s > 0
        assert self.candidates


class Refusal(_Strict):
    """What the status of a call with boot_tokens 0 said; `code` as gRPC's libraries for Go and TypeScript spell it."""

    code: str
    reason: str
    domain: str
    fields: list[str]

    def check(self) -> None:
        """Checks that the details name the reason and the field."""
        assert self.code == "InvalidArgument"
        assert self.reason == "INVALID_REQUEST"
        assert self.domain == "lightrouter.dev"
        assert self.fields == ["prompt.policy.boot_tokens"]


class Report(_Strict):
    """What a client prints, as JSON."""

    complete: AnswerReport
    stream: AnswerReport
    refused: Refusal

    def check(self) -> None:
        """Checks all three calls."""
        self.complete.check()
        self.stream.check()
        assert self.stream.chunks > 0
        self.refused.check()
