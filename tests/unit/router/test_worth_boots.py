"""Routes under worth that begin with boots: the one that began best finishes, and one more is asked where it pays."""

from __future__ import annotations

from typing import Any

import pytest

from lightrouter.router.call_times import CallTimes
from lightrouter.router.context import RouteContext
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.rules import Shares
from lightrouter.router.terms import offered
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import ACTION_BOOT
from lightrouter.v1.ledger_pb2 import (
    NOT_ASKED_REASON_WORTH,
    STAGE_BOOT,
    STAGE_COMPLETE,
    STAGE_SELECT,
    STAGE_SHORTLIST,
    LedgerEntry,
)
from lightrouter.v1.policy_pb2 import HOLD_ALWAYS, HOLD_NEVER, Policy
from lightrouter.v1.router_pb2 import SELECTION_REASON_WORTH, Answer, QuoteResponse
from tests.unit.router.asking import NAMES, WORTH, fake, knowing, route
from tests.unit.router.builders import admitted, defaults, failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model

WHOLE = {name: Model(words=(f"{name} ", "says ", "it ", "is ", "so ", "today ")) for name in NAMES}


def beginning(*names: str, scores: dict[str, float] | None = None) -> FakeSelector:
    """A selector for which no answer after the first one is worth its cost."""
    selector = knowing(scores, a=(0.6, 0.0, 10), b=(0.5, 0.0, 10), c=(0.4, 0.0, 60))
    selector.booting = names
    return selector


async def held(models: FakeModels, selector: FakeSelector, log: EventLog | None = None, **policy: Any) -> Answer:
    return await route(models, selector, log, with_defaults=defaults(hold=HOLD_ALWAYS), **policy)


def lines(answer: Answer, stage: int) -> list[LedgerEntry]:
    return [entry for entry in answer.ledger.entries if entry.stage == stage]


async def test_the_one_that_began_best_finishes_on_its_held_call() -> None:
    models, selector, log = fake(**WHOLE), beginning("a", "b", scores={"b": 0.9}), EventLog()
    answer = await held(models, selector, log)
    assert answer.text == "b says it is so today "
    assert list(answer.candidates) == ["b"]
    assert sorted(models.asked(STAGE_BOOT)) == ["a", "b"]
    assert models.asked(STAGE_COMPLETE) == []
    went_on = {entry.candidate: entry.went_on for entry in lines(answer, STAGE_BOOT)}
    assert went_on == {"a": False, "b": True}
    assert all(entry.usage.output_tokens for entry in answer.ledger.entries)
    assert not answer.degraded
    assert {each.candidate: each.reason for each in answer.ledger.not_asked} == {"c": NOT_ASKED_REASON_WORTH}
    stages = [each.stage for each in answer.ledger.stages]
    assert stages == [STAGE_SHORTLIST, STAGE_BOOT, STAGE_SELECT, STAGE_SELECT, STAGE_COMPLETE]
    assert log.text == answer.text
    assert log.kinds[0] == "started"


async def test_the_selection_says_what_was_expected_of_the_boots_and_what_was_not_done() -> None:
    selection = (await held(fake(**WHOLE), beginning("a", "b"))).selection
    assert selection.reason == SELECTION_REASON_WORTH
    assert selection.expected_cost_nanousd == 15
    assert selection.instead.candidate == "a"
    assert selection.instead.explanation == (
        "a asked outright would have cost $0.000000005 less and was expected to be 0.200 worse"
    )


@pytest.mark.parametrize("text", [False, True])
async def test_boots_that_are_cut_are_finished_by_a_second_call(text: bool) -> None:
    models, selector = fake(**WHOLE), beginning("a", "b")
    made = router(models, selector, with_defaults=defaults(hold=HOLD_NEVER))
    answer = await made.route(prompt(worth_nanousd=WORTH), Deadline.after(60), EventLog(text=text))
    assert answer.text == "a says it is so today "
    assert sorted(models.asked(STAGE_BOOT)) == ["a", "b"]
    assert models.asked(STAGE_COMPLETE) == ["a"]
    assert {call.sampling.max_output_tokens for call in models.calls if call.stage == STAGE_BOOT} == {2}


async def test_one_more_is_asked_after_it_where_that_pays() -> None:
    models, selector = fake(**WHOLE), knowing()
    selector.booting = ("a", "c")
    answer = await held(models, selector)
    assert sorted(models.asked(STAGE_BOOT)) == ["a", "c"]
    # `b` adds .1, as after an answer that was asked outright; a candidate that lost could be asked too.
    assert models.asked(STAGE_COMPLETE) == ["b"]
    assert [each.candidate for each in selector.requests[-2].unasked] == ["b", "c"]
    assert answer.selection.expected_cost_nanousd == 15 + 10
    assert answer.text == "a says it is so today "


async def test_a_candidate_that_lost_can_be_asked_for_its_whole_answer() -> None:
    models, selector = fake(**WHOLE), beginning("a", "b")
    selector.asking = selector.asking | {"b": (0.5, 0.3, 10)}
    answer = await held(models, selector)
    assert models.asked(STAGE_COMPLETE) == ["b"]
    assert [entry.candidate for entry in lines(answer, STAGE_COMPLETE)] == ["b"]
    assert sorted(entry.candidate for entry in lines(answer, STAGE_BOOT)) == ["a", "b"]
    assert answer.ledger.cost_nanousd == sum(entry.cost_nanousd for entry in answer.ledger.entries)


@pytest.mark.parametrize("text", [False, True])
async def test_another_one_finishes_if_the_best_fails(text: bool) -> None:
    dying = Model(words=WHOLE["a"].words, fails={STAGE_BOOT: failure(), STAGE_COMPLETE: failure()})
    answer = await held(fake(**(WHOLE | {"a": dying})), beginning("a", "b"), EventLog(text=text))
    assert answer.text == "b says it is so today "
    assert list(answer.candidates) == ["b"]


async def test_a_standby_answers_if_all_boots_fail() -> None:
    dying = Model(fails={STAGE_BOOT: failure(), STAGE_COMPLETE: failure()})
    answer = await held(fake(a=dying, b=dying, c=WHOLE["c"]), beginning("a", "b"))
    assert answer.text == "c says it is so today "


async def test_a_single_boot_is_no_plan() -> None:
    models = fake(**WHOLE)
    await held(models, beginning("a"))
    assert models.asked(STAGE_BOOT) == []
    assert models.asked(STAGE_COMPLETE) == ["a"]


@pytest.mark.parametrize(("ceiling", "booted"), [(25, []), (100, ["a", "b"])])
async def test_a_ceiling_that_does_not_pay_for_the_boots_asks_outright(ceiling: int, booted: list[str]) -> None:
    models = fake(**WHOLE)
    most = (await quote(beginning("a", "b"))).worst_cost_nanousd
    answer = await held(models, beginning("a", "b"), max_cost_nanousd=most * ceiling // 100)
    assert sorted(models.asked(STAGE_BOOT)) == booted
    assert answer.ledger.cost_nanousd <= most * ceiling // 100


async def quote(selector: FakeSelector) -> QuoteResponse:
    models = fake(**WHOLE)
    made = router(models, selector, with_defaults=defaults(hold=HOLD_ALWAYS))
    found = await made.quote(prompt(worth_nanousd=WORTH), Deadline.after(60))
    assert not models.calls
    return found


async def test_a_quote_has_the_boots_and_what_the_plan_is_expected_to_give_and_to_cost() -> None:
    found = await quote(beginning("a", "b"))
    assert [each.candidate for each in found.first] == ["a", "b"]
    assert {each.actions[0].action for each in found.first} == {ACTION_BOOT}
    assert [each.candidate for each in found.others] == ["c"]
    assert found.expected_quality == pytest.approx(0.8)
    assert found.expected_cost_nanousd == 15
    assert found.policy.boot_tokens == 2
    outright = await quote(beginning())
    assert found.worst_cost_nanousd > outright.worst_cost_nanousd


async def test_a_quote_that_begins_with_boots_has_the_answers_after_them_too() -> None:
    selector = beginning("a", "b")
    selector.further = (0.05, 4)
    found = await quote(selector)
    assert found.expected_quality == pytest.approx(0.85)
    assert found.expected_cost_nanousd == 15 + 4


def terms_of(policy: Policy, times: CallTimes) -> list[tuple[float, float, bool]]:
    pool = snapshot(*(pool_candidate(name) for name in NAMES))
    asked, ledger = prompt(), RouteLedger()
    asked.policy.MergeFrom(policy)
    admission, budget = admitted(asked, pool, defaults(), 0, ledger)
    context = RouteContext(admission, Deadline.after(60), Shares(), ledger, budget, Events(), times)
    return [
        (each.terms.boot_tokens, each.terms.overshoot_tokens, each.terms.boot_is_cut)
        for each in offered(context, admission.candidates)
    ]


def test_the_terms_say_whether_a_boot_is_held() -> None:
    for boot, overshoot, cut in terms_of(Policy(hold=HOLD_NEVER), CallTimes()):
        assert (overshoot, cut) == (0, True)
        assert boot > 0
    for boot, overshoot, cut in terms_of(Policy(hold=HOLD_ALWAYS), CallTimes()):
        assert not cut
        assert boot > overshoot >= 0
