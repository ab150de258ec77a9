"""The values that the stages of a route pass to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightrouter.answers.json_schema import OutputForm
from lightrouter.router.budget import Budget
from lightrouter.router.call_times import CallTimes
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.rules import Shares
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.candidate_pb2 import RankedCandidate, Ranking
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, OutputSpec, Sampling, ToolCall
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_SYNTHESIZE, AggregatorStrategy, Policy, SelectorStrategy


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be served, with a value for everything that it left out.

    Attributes:
        messages: The conversation.
        sampling: Limits and sampling; `max_output_tokens` is set.
        policy: The policy in force.
        candidates: The candidates that boot, in the order of the pool; at least one.
        seed: Seed of the generation and the ranking, 0 to 2^31 - 1.
        judge: The model that judges, for the selector `llm`.
        synthesizer: The model that the pool names for merging; None takes the best-ranked one.
        draw: Seed that decides which candidates take part in a sample of the traffic. Never the caller's seed, which
            may be the same in all requests.
        standby: The candidates that are left out and may be asked as last resorts, best first.
        homogeneous: Whether the pool's candidates are right and wrong on the same prompts.
        prompt_tokens: Estimated tokens of the conversation, the tools and the form.
        output: The tools that the models may call, and the form of the text.
        form: Tells the faults of answers; None if every answer will do.
        author: The candidate that made the call whose result the prompt brings, if it is the only one that boots.
    """

    messages: Sequence[ChatMessage]
    sampling: Sampling
    policy: Policy
    candidates: tuple[RouteCandidate, ...]
    seed: int
    judge: RouteCandidate
    synthesizer: RouteCandidate | None
    draw: int
    standby: tuple[RouteCandidate, ...] = ()
    homogeneous: bool = False
    prompt_tokens: int = 0
    output: OutputSpec = field(default_factory=OutputSpec)
    form: OutputForm | None = None
    author: str = ""


class RecordedCall(Protocol):
    """A call that ends in the ledger; see `calls.CandidateCall`."""

    @property
    def is_recorded(self) -> bool:
        """Whether it is in the ledger, or will be when the stream that it holds open ends."""
        ...

    def abandon(self, error: ServiceError) -> object:
        """Records that nobody waits for it any longer."""
        ...


@dataclass(frozen=True, slots=True)
class RouteContext:
    """One running route: the admitted request, and the collaborators that live as long as the route.

    Attributes:
        admission: The admitted request.
        deadline: The caller's deadline.
        shares: The stages' shares of the time.
        ledger: Records calls and degradations.
        budget: The money that may still be spent.
        events: Receives the events of the route.
        times: The observed times of calls.
        held: The boots whose calls were held open, in the order in which they reached their checkpoint.
        calls: The calls to candidates, in the order in which they began.
        states: What each candidate needs to go on from its draft in a later turn.
    """

    admission: Admission
    deadline: Deadline
    shares: Shares
    ledger: RouteLedger
    budget: Budget
    events: Events
    times: CallTimes = field(default_factory=CallTimes)
    held: list[BootResult] = field(default_factory=list)
    calls: list[RecordedCall] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BootRanking:
    """The ranking of the boots.

    Attributes:
        proto: The names with their scores, as the caller gets them.
        strategy: The strategy that made the ranking.
        boots: What the candidates wrote, best first.
        expected_quality: Expected quality of the first one's answer, 0 to 1; None if the selector does not know it.
        unasked: The candidates that have not been asked, each with its actions; empty if no gains are known.
    """

    proto: Ranking
    strategy: SelectorStrategy.ValueType
    boots: tuple[BootResult, ...]
    expected_quality: float | None = None
    unasked: Sequence[RankedCandidate] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """The answer that was made of the drafts.

    Attributes:
        text: The text.
        finish_reason: Why the text ended.
        candidates: Names of the candidates whose drafts are in it.
        strategy: The strategy that merged them.
        contradictions: One sentence for each contradiction between the drafts.
        tool_calls: The calls that the caller has to run.
    """

    text: str
    finish_reason: FinishReason.ValueType
    candidates: Sequence[str]
    strategy: AggregatorStrategy.ValueType
    contradictions: Sequence[str] = ()
    tool_calls: Sequence[ToolCall] = ()

    @property
    def author(self) -> str:
        """The candidate that wrote all of it; empty if several did, or a model merged the drafts."""
        merged = self.strategy == AGGREGATOR_STRATEGY_SYNTHESIZE
        return self.candidates[0] if len(self.candidates) == 1 and not merged else ""
