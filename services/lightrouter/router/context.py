"""What the stages of a route hand on to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightrouter.router.budget import Budget
from lightrouter.router.candidates import BootResult, RouteCandidate
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.rules import Shares
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import Ranking
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Sampling
from lightrouter.v1.policy_pb2 import AggregatorStrategy, Policy, SelectorStrategy


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be served, with everything filled in that it left out.

    Attributes:
        messages: The conversation.
        sampling: Limits and sampling; `max_output_tokens` is set.
        policy: The policy in force.
        candidates: The candidates that boot, in the order of the pool; at least one.
        seed: Seed of what is generated and ranked, 0 to 2^31 - 1.
        judge: The model that judges, for the selector `llm`.
        synthesizer: The model that the pool wants to merge; None leaves it to the ranking.
        draw: Seed of which candidates take part in a sample of the traffic: never the caller's, whose seed may stand
            still.
        standby: The candidates that are left out and may be asked before the caller gets nothing, best first.
        homogeneous: Whether the pool's candidates are right and wrong together.
        prompt_tokens: Tokens that the conversation probably has.
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


@dataclass(frozen=True, slots=True)
class RouteContext:
    """One route under way: what was admitted, and the collaborators that live as long as the route.

    Attributes:
        admission: What was admitted.
        deadline: When the caller's time is over.
        shares: The stages' shares of it.
        ledger: Where calls and degradations are written.
        budget: What may still be spent.
        events: Who hears what happens.
    """

    admission: Admission
    deadline: Deadline
    shares: Shares
    ledger: RouteLedger
    budget: Budget
    events: Events


@dataclass(frozen=True, slots=True)
class BootRanking:
    """How the partials rank.

    Attributes:
        proto: The names with their scores, as the caller gets them.
        strategy: The strategy that made the ranking.
        boots: What the candidates wrote, best first.
    """

    proto: Ranking
    strategy: SelectorStrategy.ValueType
    boots: tuple[BootResult, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """The answer of the drafts.

    Attributes:
        text: The text.
        finish_reason: Why it ends.
        candidates: Names of the candidates whose drafts went into it.
        strategy: How it was made of them.
        contradictions: Where the drafts contradict each other, one sentence each.
    """

    text: str
    finish_reason: FinishReason.ValueType
    candidates: Sequence[str]
    strategy: AggregatorStrategy.ValueType
    contradictions: Sequence[str] = ()
