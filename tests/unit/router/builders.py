"""Pools, requests and routers for tests, with values that a test can override."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.metrics import Meter
from opentelemetry.trace import NoOpTracer, Tracer

from lightrouter.router.assemble import Services, build_router
from lightrouter.router.budget import Budget
from lightrouter.router.context import Admission, RouteContext
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.pool.availability import Availability
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.pool.transitions import StateTransitions
from lightrouter.router.route import Router
from lightrouter.router.rules import Defaults, DriftRules, Shares
from lightrouter.router.stages.admit import WhyNot, admit, reserve_boots
from lightrouter.router.stages.aggregate import Aggregator
from lightrouter.router.stages.select import Selector
from lightrouter.router.telemetry.observers import Observer
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_ADMITTED,
    CONTINUATION_TRAILING,
    Candidate,
    CandidateState,
    Continuation,
    Prices,
)
from lightrouter.v1.chat_pb2 import (
    ROLE_USER,
    ChatMessage,
)
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_ERROR
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    SELECTOR_STRATEGY_CONSENSUS,
    Policy,
)
from lightrouter.v1.router_pb2 import Prompt
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector


def failure(message: str = "HTTP 500", retry_after: float | None = None) -> ServiceError:
    return ServiceError(Code.UNAVAILABLE, ERROR_REASON_UPSTREAM_ERROR, message, retry_after=retry_after)


def pool_candidate(
    name: str,
    *,
    prior: float = 0.5,
    price: int = 1_000_000,
    written: int | None = None,
    window: int = 0,
    max_boot_tokens: int = 0,
    state: CandidateState.ValueType = CANDIDATE_STATE_ADMITTED,
    continuation: Continuation.ValueType = CONTINUATION_TRAILING,
) -> Candidate:
    """Returns a candidate with `price` nano-dollars per million tokens, and `written` for output tokens."""
    return Candidate(
        name=name,
        address=f"unix:/{name}",
        prices=Prices(
            input_nanousd_per_million=price,
            cached_input_nanousd_per_million=price,
            output_nanousd_per_million=price if written is None else written,
        ),
        context_window=window,
        max_boot_tokens=max_boot_tokens,
        continuation=continuation,
        prior=prior,
        state=state,
    )


def snapshot(*candidates: Candidate, judge: str | None = None, synthesizer: str | None = None) -> PoolSnapshot:
    return PoolSnapshot.from_candidates(candidates, judge, synthesizer)


def prompt(text: str = "What is it?", **policy: object) -> Prompt:
    return Prompt(
        messages=[ChatMessage(role=ROLE_USER, content=text)],
        policy=Policy(**policy),  # type: ignore[arg-type]  # passed on as they are
    )


def defaults(**changed: object) -> Defaults:
    policy = Policy(
        boot_tokens=2,
        k=2,
        selector=SELECTOR_STRATEGY_CONSENSUS,
        aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE,
        margin=0.3,
        agreement=0.95,
        quorum=0.75,
    )
    policy.MergeFrom(Policy(**changed))  # type: ignore[arg-type]  # passed on as they are
    return Defaults(policy, max_output_tokens=8, probation_share=0.0)


def admitted(
    request: Prompt,
    pool: PoolSnapshot,
    with_defaults: Defaults,
    draw: int,
    ledger: RouteLedger,
    why_not: WhyNot = lambda _: None,
) -> tuple[Admission, Budget]:
    """Returns the admitted request with the candidates that boot, and the budget with the money reserved for them."""
    admission, budget = admit(request, pool, with_defaults, draw, ledger, why_not)
    route = RouteContext(admission, Deadline.after(60), Shares(), ledger, budget, Events())
    return reserve_boots(route).admission, budget


def traffic(
    pool: PoolSnapshot, rules: DriftRules | None = None, tracer: Tracer | None = None, meter: Meter | None = None
) -> TrafficMonitor:
    made = TrafficMonitor(rules or DriftRules(), StateTransitions(tracer or NoOpTracer(), meter))
    made.follow(pool)
    return made


def router(
    models: FakeModels,
    selector: Selector | None = None,
    aggregator: Aggregator | None = None,
    *,
    with_defaults: Defaults | None = None,
    shares: Shares | None = None,
    tracer: Tracer | None = None,
    watch: TrafficMonitor | None = None,
    observers: Sequence[Observer] = (),
    availability: Availability | None = None,
    draws: Iterator[int] | None = None,
) -> Router:
    return build_router(
        Services(models, selector or FakeSelector(), aggregator or FakeAggregator()),
        watch or traffic(models.snapshot),
        with_defaults or defaults(),
        shares or Shares(grace_s=0.0),
        lambda: next(draws) if draws else 7,
        tracer=tracer,
        observers=observers,
        availability=availability,
    )
