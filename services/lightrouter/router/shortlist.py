"""The shortlist: who is worth booting for this prompt, before anybody has written anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from lightrouter.router.book import SLOW
from lightrouter.router.runner import Runner
from lightrouter.router.select import Selector
from lightrouter.router.state import Run
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_INTERNAL
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_SHORTLIST_FAILED, NOT_ASKED_REASON_SHORTLIST
from lightrouter.v1.selector_pb2 import ShortlistCandidate, ShortlistRequest


def is_needed(run: Run) -> bool:
    """Tells whether the policy lets fewer candidates boot than were admitted."""
    return 0 < run.admission.policy.shortlist < len(run.admission.runners)


async def shortlist(run: Run, selector: Selector, exploring_share: float) -> Run:
    """Returns the route with only those candidates that boot; the book says who was not asked.

    A selector that fails or takes longer than its share of the time is done without: the best by prior boot.

    Args:
        run: The route, for which a shortlist is needed.
        selector: Who knows what to expect of the candidates.
        exploring_share: Share of the requests, 0 to 1, in which one candidate boots that is not on the shortlist.
    """
    admission = run.admission
    ranked = await _ranked(run, selector)
    most = admission.policy.shortlist
    asked = {runner.name for runner in ranked[:most]}
    drawn = Random(f"{admission.draw}:shortlist")  # noqa: S311 - a sample of the traffic, no secret
    if drawn.random() < exploring_share:
        asked.add(drawn.choice(ranked[most:]).name)
    for runner in ranked[most:]:
        if runner.name not in asked:
            run.budget.settle(run.budget.boot_cost(runner), 0)
            message = f"{most} others are worth more for this prompt than {runner.name}"
            run.book.not_asked(runner.name, NOT_ASKED_REASON_SHORTLIST, message)
    runners = tuple(runner for runner in admission.runners if runner.name in asked)
    standby = (*(runner for runner in ranked if runner.name not in asked), *admission.standby)
    return replace(run, admission=replace(admission, runners=runners, standby=standby))


async def _ranked(run: Run, selector: Selector) -> Sequence[Runner]:
    runners = run.admission.runners
    by_name = {runner.name: runner for runner in runners}
    request = ShortlistRequest(messages=run.admission.messages, candidates=[_candidate(runner) for runner in runners])
    try:
        response = await selector.shortlist(request, run.deadline.share(run.shares.select))
        names = [each.candidate for each in response.candidates]
        if len(names) != len(by_name) or by_name.keys() != set(names):
            message = "the selector ranked other candidates than it was asked about"
            raise ServiceError(Code.INTERNAL, ERROR_REASON_INTERNAL, message)
    except ServiceError as error:
        why = "was too slow" if error.reason in SLOW else "failed"
        message = f"the selector {why}, so the best by prior boot: {error.message}"
        run.book.degrade(DEGRADED_REASON_SHORTLIST_FAILED, message)
        return sorted(runners, key=lambda runner: -runner.quality.prior)
    return [by_name[name] for name in names]


def _candidate(runner: Runner) -> ShortlistCandidate:
    quality = runner.quality
    return ShortlistCandidate(
        candidate=runner.name,
        prior=quality.prior,
        evaluated_prompts=quality.prompts,
        model=runner.candidate.model,
    )
