"""Routes under worth without gains, and what quotes say."""

from __future__ import annotations

from typing import Any

import pytest

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_GAINS_UNKNOWN,
    DEGRADED_REASON_SELECTOR_FAILED,
    DEGRADED_REASON_SHORTLIST_FAILED,
    STAGE_BOOT,
    STAGE_COMPLETE,
)
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    HOLD_NEVER,
    SELECTOR_STRATEGY_LEARNED,
)
from tests.unit.router.asking import NAMES, WORTH, fake, knowing, route
from tests.unit.router.builders import defaults, failure, pool_candidate, prompt, router, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model


async def test_unknown_gains_lead_to_a_boot_stage_and_the_answer_says_so() -> None:
    models, selector = fake(), FakeSelector()
    answer = await route(models, selector)
    assert models.asked(STAGE_BOOT) == ["a", "b", "c"]
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_GAINS_UNKNOWN]
    assert not answer.selection.HasField("expected_cost_nanousd")
    assert selector.requests[0].strategy != SELECTOR_STRATEGY_LEARNED


async def test_a_default_worth_without_gains_is_no_degradation_and_is_asked_for_once() -> None:
    models, selector = fake(), FakeSelector()
    made = router(models, selector, with_defaults=defaults(worth_nanousd=WORTH))
    for _ in range(2):
        answer = await made.route(prompt(), Deadline.after(60), EventLog(text=False))
        assert not answer.degraded
    assert len(selector.shortlists) == 1


@pytest.mark.parametrize("policy", [{"boot_tokens": 2}, {"k": 2}, {"hold": HOLD_NEVER}, {"min_gain": 0.1}])
async def test_a_request_that_asks_for_boots_gets_them_whatever_the_default(policy: dict[str, Any]) -> None:
    models = fake()
    await router(models, knowing(), with_defaults=defaults(worth_nanousd=WORTH)).route(
        prompt(**policy), Deadline.after(60), EventLog(text=False)
    )
    assert models.asked(STAGE_BOOT) == ["a", "b", "c"]
    own = fake()
    await route(own, knowing(), **policy)
    assert not own.asked(STAGE_BOOT)


async def test_worth_0_is_the_cheapest_whatever_the_selector_knows() -> None:
    pool = snapshot(pool_candidate("a", price=10**7), pool_candidate("b", price=10**9), pool_candidate("c"))
    for selector in (FakeSelector(), knowing(a=(0.6, 0.9, 3), b=(0.5, 0.9, 2), c=(0.4, 0.9, 1))):
        models = FakeModels(pool, **{name: Model() for name in NAMES})
        answer = await route(models, selector, worth_nanousd=0)
        assert models.asked(STAGE_COMPLETE) == ["c"]
        assert not models.asked(STAGE_BOOT)
        assert not answer.degraded


async def test_a_selector_that_fails_leaves_the_choice_to_prior_and_price() -> None:
    models, selector = fake(), knowing()
    selector.error = failure()
    answer = await route(models, selector, worth_nanousd=10**9)
    assert models.asked(STAGE_COMPLETE) == ["b"]
    reasons = [each.reason for each in answer.degraded]
    assert reasons == [DEGRADED_REASON_SHORTLIST_FAILED, DEGRADED_REASON_SELECTOR_FAILED]


async def test_a_selector_that_fails_under_a_default_worth_leaves_the_boot_stage() -> None:
    models, selector = fake(), knowing()
    selector.error = failure()
    made = router(models, selector, with_defaults=defaults(worth_nanousd=WORTH))
    answer = await made.route(prompt(), Deadline.after(60), EventLog(text=False))
    assert models.asked(STAGE_BOOT) == ["a", "b", "c"]
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_SELECTOR_FAILED]


# Quotes.


async def test_a_quote_says_who_would_be_asked_first_and_spends_nothing() -> None:
    models, selector = fake(), knowing()
    quote = await router(models, selector).quote(prompt(worth_nanousd=WORTH), Deadline.after(60))
    assert not models.calls
    assert [each.candidate for each in quote.first] == ["a"]
    assert [each.candidate for each in quote.others] == ["b", "c"]
    assert (quote.expected_quality, quote.expected_cost_nanousd) == (0.6, 10)
    assert quote.policy.worth_nanousd == WORTH
    answer = await router(models, selector).route(prompt(worth_nanousd=WORTH), Deadline.after(60), EventLog(text=False))
    assert answer.ledger.cost_nanousd <= quote.worst_cost_nanousd


@pytest.mark.parametrize(
    ("policy", "paid", "answers"),
    # The ceiling pays for so many whole answers.
    [({}, None, 4), ({"k": 1}, None, 1), ({"k": 2}, 2.9, 2), ({}, 2.0, 2), ({}, 1.9, 1)],
)
async def test_a_quote_has_what_is_expected_of_further_answers_and_an_answer_does_not_ask_for_it(
    policy: dict[str, Any], paid: float | None, answers: int
) -> None:
    pool = snapshot(*(pool_candidate(name, price=10**9) for name in NAMES))
    models, selector = FakeModels(pool, **{name: Model() for name in NAMES}), knowing()
    selector.further = (0.07, 15)
    if paid:
        one = await router(models, knowing()).quote(prompt(worth_nanousd=WORTH, k=1), Deadline.after(60))
        policy = policy | {"max_cost_nanousd": round(paid * one.worst_cost_nanousd)}
    asked = prompt(worth_nanousd=WORTH, **policy)
    quote = await router(models, selector).quote(asked, Deadline.after(60))
    assert [(each.most_answers, each.first_step_only) for each in selector.shortlists] == [(answers, False)]
    further = answers > 1
    assert quote.expected_quality == pytest.approx(0.67 if further else 0.6)
    assert quote.expected_cost_nanousd == (25 if further else 10)
    await router(models, selector).route(asked, Deadline.after(60), EventLog(text=False))
    assert (selector.shortlists[-1].most_answers, selector.shortlists[-1].first_step_only) == (answers, True)


async def test_a_quote_begins_with_whom_the_ceiling_pays_for() -> None:
    pool = snapshot(pool_candidate("a", price=10**10), *(pool_candidate(name, price=10**9) for name in "bc"))
    models, selector = FakeModels(pool, **{name: Model() for name in NAMES}), knowing()
    asked = prompt(worth_nanousd=WORTH, max_cost_nanousd=60_000)
    quote = await router(models, selector).quote(asked, Deadline.after(60))
    assert [each.candidate for each in (*quote.first, *quote.others)] == ["b", "c", "a"]
    await router(models, selector).route(asked, Deadline.after(60), EventLog(text=False))
    assert models.asked(STAGE_COMPLETE)[0] == "b"


@pytest.mark.parametrize("ceiling", [None, 60, 200])
async def test_a_quote_of_a_boot_stage_has_its_worst_cost(ceiling: int | None) -> None:
    models, asked = fake(), prompt(max_cost_nanousd=ceiling, aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE)
    quote = await router(models).quote(asked, Deadline.after(60))
    assert not models.calls
    assert not quote.HasField("expected_cost_nanousd")
    assert not quote.policy.HasField("worth_nanousd")
    answer = await router(models).route(asked, Deadline.after(60), EventLog(text=False))
    booted = {entry.candidate for entry in answer.ledger.entries if entry.stage == STAGE_BOOT}
    assert {each.candidate for each in quote.first} == booted
    assert answer.ledger.cost_nanousd <= quote.worst_cost_nanousd <= (ceiling or 10**6)


async def test_a_quote_is_refused_as_the_request_would_be() -> None:
    for policy in ({"max_cost_nanousd": 1}, {"candidates": ["nobody"]}):
        with pytest.raises(ServiceError) as quoted:
            await router(fake(), knowing()).quote(prompt(worth_nanousd=1, **policy), Deadline.after(60))
        with pytest.raises(ServiceError) as asked:
            await route(fake(), knowing(), **policy)
        assert (quoted.value.code, quoted.value.message) == (asked.value.code, asked.value.message)
