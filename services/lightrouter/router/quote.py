"""What the answer to a prompt is expected to cost, and which candidates the router would ask first."""

from __future__ import annotations

from collections.abc import Sequence

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.stages.plan import Step, affordable_first
from lightrouter.runtime.ledger import MOST_NANOUSD
from lightrouter.runtime.tokens import most_of_estimated
from lightrouter.v1.candidate_pb2 import RankedCandidate
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_LLM
from lightrouter.v1.router_pb2 import QuoteResponse


def quote_of(route: RouteContext, steps: Sequence[Step]) -> QuoteResponse:
    """Returns the quote of a route that is planned.

    Args:
        route: The route, with the policy in force.
        steps: The candidates that can be asked outright, the most valuable one first; none if there is a boot.
    """
    admission = route.admission
    quote = QuoteResponse(
        policy=admission.policy,
        worst_cost_nanousd=_worst(route, [step.candidate for step in steps]),
        degraded=route.ledger.degraded,
        not_asked=route.ledger.to_proto().not_asked,
    )
    if not steps:
        quote.first.extend(_booting(candidate) for candidate in admission.candidates)
        return quote
    first, *others = affordable_first(route, steps)
    quote.first.append(_asked(first))
    quote.others.extend(map(_asked, others))
    quote.expected_quality = min(1.0, max(0.0, first.value.gain + first.value.further_gain))
    expected = first.value.cost_nanousd + first.value.further_cost_nanousd
    quote.expected_cost_nanousd = min(expected, admission.policy.max_cost_nanousd or MOST_NANOUSD)
    return quote


def _asked(step: Step) -> RankedCandidate:
    return RankedCandidate(candidate=step.candidate.name, score=step.value.gain, actions=[step.value])


def _booting(candidate: RouteCandidate) -> RankedCandidate:
    return RankedCandidate(candidate=candidate.name, score=candidate.quality.prior)


def _worst(route: RouteContext, outright: Sequence[RouteCandidate]) -> int:
    """Returns the highest cost of the calls that the policy allows, at most the ceiling, in nano-dollars."""
    admission, budget, policy = route.admission, route.budget.counting(), route.admission.policy
    candidates = outright or admission.candidates
    boots = () if outright else candidates
    booting = sum(map(budget.boot_cost, boots))
    finishing = [
        budget.answer_cost(each) if outright else budget.whole_cost(each) - budget.boot_cost(each)
        for each in candidates
    ]
    worst = booting + sum(sorted(finishing)[-policy.k :])
    if boots and policy.selector == SELECTOR_STRATEGY_LLM:
        worst += budget.judge_cost_of(admission.judge, [most_of_estimated(each.boot_tokens) for each in boots])
    merged = sorted((each.output_tokens for each in candidates), reverse=True)[: policy.k]
    if policy.aggregator == AGGREGATOR_STRATEGY_SYNTHESIZE and len(merged) > 1:
        synthesizers = [admission.synthesizer] if admission.synthesizer else candidates
        worst += max(budget.merge_cost_of(each, merged) for each in synthesizers)
    return min(worst, policy.max_cost_nanousd or MOST_NANOUSD)
