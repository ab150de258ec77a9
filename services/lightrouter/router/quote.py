"""What the answer to a prompt is expected to cost, and which candidates the router would ask first."""

from __future__ import annotations

from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.stages.plan import Plan, Step, affordable_first
from lightrouter.runtime.ledger import MOST_NANOUSD
from lightrouter.runtime.tokens import most_of_estimated
from lightrouter.v1.candidate_pb2 import RankedCandidate
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_SYNTHESIZE, SELECTOR_STRATEGY_LLM
from lightrouter.v1.router_pb2 import QuoteResponse


def quote_of(route: RouteContext, planned: Plan) -> QuoteResponse:
    """Returns the quote of a route that is planned.

    Args:
        route: The route, with the policy in force.
        planned: Its plan; without steps if worth decides nothing.
    """
    admission, steps = route.admission, planned.steps
    quote = QuoteResponse(
        policy=admission.policy,
        worst_cost_nanousd=_worst(route, planned),
        degraded=route.ledger.degraded,
        not_asked=route.ledger.to_proto().not_asked,
    )
    if not steps:
        quote.first.extend(_booting(candidate) for candidate in admission.candidates)
        return quote
    firsts = planned.boots or affordable_first(route, steps)[:1]
    names = {step.candidate.name for step in firsts}
    first, others = firsts[0], [step for step in affordable_first(route, steps) if step.candidate.name not in names]
    quote.first.extend(map(_planned, firsts))
    quote.others.extend(map(_planned, others))
    quote.expected_quality = min(1.0, max(0.0, first.value.gain + first.value.further_gain))
    expected = first.value.cost_nanousd + first.value.further_cost_nanousd
    quote.expected_cost_nanousd = min(expected, admission.policy.max_cost_nanousd or MOST_NANOUSD)
    return quote


def _planned(step: Step) -> RankedCandidate:
    return RankedCandidate(candidate=step.candidate.name, score=step.value.gain, actions=[step.value])


def _booting(candidate: RouteCandidate) -> RankedCandidate:
    return RankedCandidate(candidate=candidate.name, score=candidate.quality.prior)


def _worst(route: RouteContext, planned: Plan) -> int:
    """Returns the highest cost of the calls that the policy allows, at most the ceiling, in nano-dollars."""
    admission, budget, policy = route.admission, route.budget.counting(), route.admission.policy
    outright = [step.candidate for step in planned.steps]
    candidates = outright or admission.candidates
    boots = () if outright and not planned.boots else admission.candidates
    booting = sum(map(budget.boot_cost, boots))
    finishing = [budget.answer_cost(each) for each in outright]
    rest = [budget.whole_cost(each) - budget.boot_cost(each) for each in boots]
    if boots and outright:
        # The one that began best finishes, and the others are asked outright, those that booted too.
        booting += max(rest)
    else:
        finishing += rest
    worst = booting + sum(sorted(finishing, reverse=True)[: policy.k - bool(boots and outright)])
    if boots and policy.selector == SELECTOR_STRATEGY_LLM:
        worst += budget.judge_cost_of(admission.judge, [most_of_estimated(each.boot_tokens) for each in boots])
    merged = sorted((each.output_tokens for each in candidates), reverse=True)[: policy.k]
    if policy.aggregator == AGGREGATOR_STRATEGY_SYNTHESIZE and len(merged) > 1:
        synthesizers = [admission.synthesizer] if admission.synthesizer else candidates
        worst += max(budget.merge_cost_of(each, merged) for each in synthesizers)
    return min(worst, policy.max_cost_nanousd or MOST_NANOUSD)
