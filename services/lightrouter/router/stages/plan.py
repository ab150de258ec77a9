"""The plan of a route under worth: who is asked outright first, or who boots, and whether worth decides that at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final, NamedTuple

from lightrouter.router.abilities import named, needs
from lightrouter.router.candidates import RouteCandidate
from lightrouter.router.context import RouteContext
from lightrouter.router.holding import with_held_tokens
from lightrouter.router.stages.admit import reserve_boots
from lightrouter.router.stages.select import Selector
from lightrouter.router.stages.shortlist import ranked_by
from lightrouter.router.terms import offered
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.ledger import MOST_NANOUSD
from lightrouter.v1.candidate_pb2 import ACTION_ASK, ACTION_BOOT, ActionValue, RankedCandidate
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_GAINS_UNKNOWN, DEGRADED_REASON_SHORTLIST_FAILED
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST, SELECTOR_STRATEGY_LEARNED, Policy
from lightrouter.v1.router_pb2 import Prompt
from lightrouter.v1.selector_pb2 import ShortlistRequest

MOST_ASKED: Final = 4
"""Maximum candidates asked outright if a request sets no k: gains were learned for the first four answers."""
# A choice: a selector that did not know the gains of some candidates is asked about them again after this time, because
# it may have another artifact by then.
_ASK_AGAIN_S: Final = 30.0


class Step(NamedTuple):
    """A candidate that can be asked outright.

    Attributes:
        candidate: The candidate.
        value: What asking it is expected to give and to cost.
    """

    candidate: RouteCandidate
    value: ActionValue


def pays(net_value: float) -> bool:
    """Returns whether one more candidate is asked, by the value of asking it less its cost, in nano-dollars."""
    return net_value > 0


class Plan(NamedTuple):
    """The plan of a route under worth.

    Attributes:
        steps: The candidates that can be asked outright, the most valuable one first; none if worth decides nothing.
        boots: The candidates that boot before that, each with the value of the whole plan; none if a candidate is asked
            outright first.
    """

    steps: list[Step]
    boots: Sequence[Step] = ()


class UnknownGains:
    """Remembers for a while which candidates have gains unknown to the selector, so that not each route asks it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Remembers nothing yet; `clock` returns the time in seconds."""
        self._clock = clock
        self._models: frozenset[tuple[str, str]] = frozenset()
        self._until = 0.0

    def note(self, candidates: Sequence[RouteCandidate]) -> None:
        """Remembers these candidates, and forgets those before."""
        self._models, self._until = _models(candidates), self._clock() + _ASK_AGAIN_S

    def has(self, candidates: Sequence[RouteCandidate]) -> bool:
        """Returns whether the selector knew no gains of exactly these candidates a short time ago."""
        return self._clock() < self._until and self._models == _models(candidates)


async def plan(
    route: RouteContext, prompt: Prompt, selector: Selector, unknown: UnknownGains, *, to_the_end: bool = False
) -> Plan:
    """Returns the plan of the route; it has no steps if worth decides nothing and all candidates are to boot.

    That is so if the selector knows no gains of these candidates, or does not answer; and for tools, JSON and pictures,
    because gains are learned from texts. But if the request itself says what an answer is worth, priors stand in for a
    selector that does not answer; a worth of 0 needs no gains, only prices; and for any other, a boot is recorded as a
    degradation.

    Args:
        route: The route, whose policy has a worth.
        prompt: The request.
        selector: Knows the gains.
        unknown: Remembers candidates whose gains the selector does not know.
        to_the_end: Whether the first step tells what the answers after it are expected to come to.
    """
    candidates, worth = route.admission.candidates, route.admission.policy.worth_nanousd
    explicit, needed = prompt.policy.HasField("worth_nanousd"), needs(prompt)
    if not (needed or unknown.has(candidates)):
        request = ShortlistRequest(
            messages=route.admission.messages,
            candidates=offered(route, candidates),
            worth_nanousd=worth,
            most_answers=_most_answers(route),
            first_step_only=not to_the_end,
        )
        try:
            ranked = await ranked_by(route, selector, request)
            if steps := steps_of(candidates, ranked):
                return Plan(steps, _boots_of(route, ranked))
            unknown.note(candidates)
        except ServiceError as error:
            if not explicit:
                return Plan([])
            message = f"the candidate to ask first was chosen by prior and price: {error.message}"
            route.ledger.degrade(DEGRADED_REASON_SHORTLIST_FAILED, message, error=error)
            return Plan(_by_prior(route))
    if explicit and not (worth or needed):
        return Plan(_by_prior(route))
    if explicit:
        why = (
            f"the gain of one more answer with {named(needed)} is not known"
            if needed
            else "the selector's artifact does not know what answers of these candidates gain"
        )
        message = f"{why}, so they booted"
        route.ledger.degrade(DEGRADED_REASON_GAINS_UNKNOWN, message)
    return Plan([])


def steps_of(candidates: Sequence[RouteCandidate], ranked: Sequence[RankedCandidate]) -> list[Step]:
    """Returns the offered steps of asking these candidates, in the selector's order; it ignores other kinds."""
    by_name = {candidate.name: candidate for candidate in candidates}
    return [
        Step(by_name[each.candidate], action)
        for each in ranked
        for action in each.actions
        if each.candidate in by_name and action.action == ACTION_ASK
    ]


def booting(route: RouteContext, planned: Plan) -> RouteContext:
    """Returns the route with the candidates that a plan boots and the money for that; the others stand by."""
    admission, boots = route.admission, [step.candidate for step in planned.boots]
    names = {candidate.name for candidate in boots}
    others = [step.candidate for step in planned.steps if step.candidate.name not in names]
    standby = (*others, *admission.standby)
    policy = Policy()
    policy.CopyFrom(admission.policy)
    policy.boot_tokens = max(candidate.boot_tokens for candidate in boots)
    admission = replace(admission, policy=policy, candidates=tuple(boots), standby=standby)
    return reserve_boots(replace(route, admission=admission))


def _boots_of(route: RouteContext, ranked: Sequence[RankedCandidate]) -> list[Step]:
    """Returns the candidates that boot, with as many boot tokens as the plan says; none if the budget is too small."""
    by_name = {candidate.name: candidate for candidate in route.admission.candidates}
    found: list[Step] = []
    for each in ranked:
        for action in each.actions:
            if action.action == ACTION_BOOT:
                candidate = by_name[each.candidate]
                tokens = min(candidate.boot_tokens, max(1, round(action.output_tokens)))
                found.append(Step(replace(candidate, boot_tokens=tokens), action))
    policy, read = route.admission.policy, route.admission.prompt_tokens
    held = with_held_tokens([step.candidate for step in found], policy, read, route.times)
    return found if len(found) > 1 and route.budget.covers(held) else []


def affordable_first(route: RouteContext, steps: Sequence[Step]) -> list[Step]:
    """Returns the steps that the budget covers, then the others from the cheapest to the dearest.

    The budget pays for a part of an answer that it does not cover.
    """
    affordable = [step for step in steps if is_affordable(route, step)]
    others = [step for step in steps if step not in affordable]
    others.sort(key=lambda step: route.budget.answer_cost(step.candidate))
    return [*affordable, *others]


def is_affordable(route: RouteContext, step: Step) -> bool:
    """Returns whether the budget covers the whole answer of a step's candidate."""
    return not route.budget.limited or route.budget.answer_cost(step.candidate) <= route.budget.left


def outright_policy(policy: Policy, request: Policy, most_k: int | None) -> Policy:
    """Returns the policy in force for a route that asks outright.

    Args:
        policy: The request's policy with the router's defaults.
        request: The request's own policy, whose k and aggregator are kept.
        most_k: The operator's limit of k; None without one.
    """
    found = Policy()
    found.CopyFrom(policy)
    found.ClearField("min_gain")
    found.selector = SELECTOR_STRATEGY_LEARNED
    found.aggregator = request.aggregator or AGGREGATOR_STRATEGY_BEST
    if not request.HasField("k"):
        found.k = min(MOST_ASKED, most_k or MOST_ASKED)
    return found


def with_policy(route: RouteContext, policy: Policy) -> RouteContext:
    """Returns the route with another policy in force."""
    return replace(route, admission=replace(route.admission, policy=policy))


def _most_answers(route: RouteContext) -> int:
    """Returns how many answers k and the ceiling allow, at least one."""
    k, budget = route.admission.policy.k, route.budget
    if not budget.limited:
        return k
    sums = accumulate(sorted(map(budget.answer_cost, route.admission.candidates)))
    return max(1, min(k, sum(cost <= budget.left for cost in sums)))


def _by_prior(route: RouteContext) -> list[Step]:
    """Returns the candidates by prior times worth, less the highest price of a whole answer."""
    worth = route.admission.policy.worth_nanousd
    steps: list[Step] = []
    for candidate in route.admission.candidates:
        prior, cost = candidate.quality.prior, route.budget.answer_cost(candidate)
        value = ActionValue(
            action=ACTION_ASK,
            gain=prior,
            cost_nanousd=min(cost, MOST_NANOUSD),
            output_tokens=candidate.output_tokens,
            net_value=prior * worth - cost,
        )
        steps.append(Step(candidate, value))
    return sorted(steps, key=lambda step: -step.value.net_value)


def _models(candidates: Sequence[RouteCandidate]) -> frozenset[tuple[str, str]]:
    return frozenset((candidate.name, candidate.spec.model) for candidate in candidates)
