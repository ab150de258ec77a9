"""What the next steps are expected to give and to cost: asking a candidate outright, or a boot of some at first."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from statistics import fmean
from typing import Final

from lightrouter.learned.boots import BootShare
from lightrouter.learned.features import Candidate, PartialAnswer
from lightrouter.learned.followups import Followups, Offer
from lightrouter.learned.model import Model, Outlook
from lightrouter.learned.steps import Step
from lightrouter.runtime.ledger import MOST_NANOUSD
from lightrouter.selector.boots import BootPlan, Starter, best_boots
from lightrouter.selector.costs import expected_cost
from lightrouter.v1.candidate_pb2 import ACTION_ASK, ActionValue, CallTerms, RankedCandidate
from lightrouter.v1.policy_pb2 import AnswerPattern
from lightrouter.v1.selector_pb2 import ShortlistCandidate

# The expected tokens of an answer if neither the model nor the request says anything of its length: a choice.
_USUAL_TOKENS: Final = 200.0
# The answers that may follow the first one if the request does not say it: the router asks for at most four.
_USUAL_FURTHER: Final = 3


def asked_outright(
    model: Model,
    prompt: str,
    answers: Sequence[PartialAnswer],
    unasked: Sequence[ShortlistCandidate],
    worth: int,
    pattern: AnswerPattern | None = None,
) -> list[RankedCandidate]:
    """Returns the candidates with the action of asking each outright, the most valuable one first.

    Returns none if the model has no gains, or knows less than half of all these candidates.

    Args:
        model: The trained model.
        prompt: The conversation.
        answers: The whole answers so far; may be empty.
        unasked: The candidates that have not been asked.
        worth: What a right answer is worth, in nano-dollars, 0 or more.
        pattern: Where the comparable answer is; None: as in training.
    """
    candidates = [described(each) for each in unasked]
    everyone = [*candidates, *(each.candidate for each in answers)]
    known = sum(model.priors.known(each.name) for each in everyone)
    outlooks = (
        model.outlooks(prompt, answers, candidates, pattern) if candidates and 2 * known >= len(everyone) else None
    )
    if outlooks is None:
        return []
    lengths = [each.tokens for each in outlooks if each.tokens is not None]
    usual = fmean(lengths) if lengths else _USUAL_TOKENS
    ranked = [
        RankedCandidate(candidate=each.candidate, score=score, actions=[_ask(each.terms, outlook, usual, worth)])
        for each, score, outlook in zip(unasked, model.expected(prompt, candidates), outlooks, strict=True)
    ]
    return sorted(ranked, key=lambda each: -each.actions[0].net_value)


def first_steps(
    model: Model,
    prompt: str,
    candidates: Sequence[ShortlistCandidate],
    worth: int,
    most_answers: int = 0,
    *,
    first_step_only: bool = False,
) -> list[RankedCandidate]:
    """Returns the candidates as `asked_outright` does, before anyone has answered.

    If it is worth more that some of them boot, these have the action BOOT too.

    Args:
        model: The trained model.
        prompt: The conversation.
        candidates: The candidates.
        worth: What a right answer is worth, in nano-dollars, 0 or more.
        most_answers: Most answers of the route; 0: it is unknown, and nothing is said of those after the first one.
        first_step_only: Whether nothing is said of them even so.
    """
    ranked = asked_outright(model, prompt, (), candidates, worth)
    if not ranked:
        return []
    told = bool(most_answers) and not first_step_only
    plan = boot_plan(_shares(model, prompt), ranked, candidates, worth)
    if not (told or plan):
        return ranked
    by_name = {each.candidate: described(each) for each in candidates}
    most = most_answers - 1 if most_answers else _USUAL_FURTHER
    further = _followups(model, prompt, [by_name[each.candidate] for each in ranked], ranked, worth, most)
    if further is None:
        return ranked
    if told:
        _tell(ranked[0].actions[0], further, ranked)
    if plan and plan.is_better(ranked[0].actions[0], further, worth):
        if told:
            _tell(plan.value, plan.followups(further), ranked)
        for each in ranked[: plan.share.candidates]:
            each.actions.insert(0, plan.value)
    return ranked


def boot_plan(
    shares: Sequence[BootShare],
    ranked: Sequence[RankedCandidate],
    candidates: Sequence[ShortlistCandidate],
    worth: int,
) -> BootPlan | None:
    """Returns the most valuable plan to boot; None if there is none from which a rise is expected.

    Args:
        shares: What was learned of boots on prompts of this kind.
        ranked: The candidates with the actions of asking them outright, the most valuable one first.
        candidates: The same, with their terms.
        worth: What a right answer is worth, in nano-dollars, 0 or more.
    """
    terms = {each.candidate: each.terms for each in candidates}
    starters = [
        Starter(terms[each.candidate], min(max(ask.gain, 0.0), 1.0), ask.output_tokens)
        for each in ranked
        for ask in each.actions[:1]
    ]
    return best_boots(shares, starters, worth)


def _shares(model: Model, prompt: str) -> list[BootShare]:
    """Returns what the model knows of boots on prompts of this kind."""
    lettered = bool(model.boots) and bool(model.featurizer.question(prompt).options)
    return [each for each in model.boots if each.options == lettered]


def _tell(action: ActionValue, further: Followups, ranked: Sequence[RankedCandidate]) -> None:
    """Adds to an action what the answers after the first one are expected to come to."""
    action.further_gain = further.gain
    priced = any(each.actions[0].cost_nanousd for each in ranked)
    action.further_cost_nanousd = min(round(further.cost), MOST_NANOUSD) if priced else 0


def _followups(
    model: Model, prompt: str, candidates: Sequence[Candidate], ranked: Sequence[RankedCandidate], worth: int, most: int
) -> Followups | None:
    """Returns what the answers after the first candidate's are expected to come to; None if that was not learned."""
    actions = [each.actions[0] for each in ranked]
    # Without prices, a value has the cost that tokens stand in for.
    costs = [max(0.0, action.gain * worth - action.net_value) for action in actions]
    return model.followups(prompt, list(map(Offer, candidates, costs)), worth, most)


def described(candidate: ShortlistCandidate) -> Candidate:
    """Returns a candidate as the model knows it."""
    return Candidate(candidate.model or candidate.candidate, candidate.prior, candidate.evaluated_prompts)


def _ask(terms: CallTerms, outlook: Outlook, usual: float, worth: int) -> ActionValue:
    """Returns the action of asking a candidate; `usual` tokens stand in for an unknown length."""
    # The tokens of known answers include those of hidden reasoning.
    tokens = terms.reasoning_tokens + usual if outlook.tokens is None else outlook.tokens
    tokens = min(tokens, terms.max_output_tokens or inf)
    step = Step(outlook.gain, expected_cost(terms, tokens))
    return ActionValue(
        action=ACTION_ASK,
        gain=step.gain,
        cost_nanousd=min(step.cost, MOST_NANOUSD) if terms.HasField("prices") else 0,
        output_tokens=tokens,
        net_value=step.value(worth),
    )
