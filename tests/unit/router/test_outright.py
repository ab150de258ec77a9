"""Routes under worth: one candidate is asked outright, then one more while that is worth its cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.router.call_times import CallTimes
from lightrouter.router.context import RouteContext
from lightrouter.router.events import Events
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.rules import Defaults, Maxima, Shares
from lightrouter.router.terms import offered
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.v1.chat_pb2 import FINISH_REASON_CONTENT_FILTER, FINISH_REASON_LENGTH, Usage
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_ALL_CANDIDATES_FAILED, ERROR_REASON_COST_CEILING_TOO_LOW
from lightrouter.v1.ledger_pb2 import (
    DEGRADED_REASON_COMPLETION_FAILED,
    DEGRADED_REASON_COST_CEILING,
    NOT_ASKED_REASON_WORTH,
    STAGE_BOOT,
    STAGE_COMPLETE,
    STAGE_SELECT,
    STAGE_SHORTLIST,
)
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_BEST,
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    SELECTOR_STRATEGY_LEARNED,
)
from lightrouter.v1.router_pb2 import (
    SELECTION_REASON_COST_CEILING,
    SELECTION_REASON_ONLY_ONE,
    SELECTION_REASON_POLICY,
    SELECTION_REASON_WORTH,
)
from tests.unit.router.asking import NAMES, WORTH, fake, knowing, route
from tests.unit.router.builders import admitted, defaults, failure, pool_candidate, prompt, router, snapshot, traffic
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeAggregator, FakeModels, Model


async def test_one_is_asked_for_its_whole_answer_and_one_more_while_it_is_worth_it() -> None:
    models, selector, log = fake(), knowing(), EventLog(text=False)
    answer = await route(models, selector, log)
    assert [(call.stage, call.candidate, call.prefix) for call in models.calls] == [
        (STAGE_COMPLETE, "a", ""),
        (STAGE_COMPLETE, "b", ""),
    ]
    assert answer.text == "a says so "
    assert list(answer.candidates) == ["a"]
    selection = answer.selection
    assert (list(selection.chosen), selection.reason) == (["a", "b"], SELECTION_REASON_WORTH)
    assert (selection.expected_quality, selection.expected_cost_nanousd) == (0.7, 20)
    assert answer.aggregator == AGGREGATOR_STRATEGY_BEST
    assert not answer.degraded
    assert {each.candidate: each.reason for each in answer.ledger.not_asked} == {"c": NOT_ASKED_REASON_WORTH}
    stages = [each.stage for each in answer.ledger.stages]
    assert stages == [STAGE_SHORTLIST, STAGE_SELECT, STAGE_SELECT, STAGE_COMPLETE]
    assert log.kinds == ["started", "draft", "selection", "draft", "selection", "chunk"]
    assert selector.requests[0].strategy == SELECTOR_STRATEGY_LEARNED
    assert [each.candidate for each in selector.requests[1].unasked] == ["c"]


async def test_the_best_ranked_answer_is_given() -> None:
    answer = await route(fake(), knowing({"a": 0.4, "b": 0.9}))
    assert answer.text == "b says so "
    assert list(answer.selection.chosen) == ["b", "a"]


async def test_steps_not_taken_are_explained_in_sentences() -> None:
    selection = (await route(fake(), knowing())).selection
    assert selection.instead.candidate == "b"
    assert selection.instead.explanation == ("b would have cost as much and was expected to be 0.100 worse")
    assert selection.further.candidate == "c"
    assert selection.further.explanation == (
        "c too would have cost $0.000000060 and was expected to add 0.050, which is worth $0.000000050"
    )
    dear = await route(fake(), knowing(b=(0.65, 0.1, 200_000)), worth_nanousd=1_000_000)
    assert dear.selection.instead.explanation == (
        "b would have cost $0.000200 more and was expected to be 0.050 better"
    )


@pytest.mark.parametrize(
    ("worth", "asked"),
    [(0, ["a"]), (90, ["a"]), (101, ["a", "b"]), (1201, ["a", "b", "c"]), (2**63 - 1, ["a", "b", "c"])],
)
async def test_a_larger_worth_asks_more(worth: int, asked: list[str]) -> None:
    models, selector = fake(), knowing()
    await route(models, selector, worth_nanousd=worth)
    assert models.asked(STAGE_COMPLETE) == asked
    # Of what is worth nothing nobody needs to know more.
    assert bool(selector.requests) == (worth > 0)
    assert not models.asked(STAGE_BOOT)


async def test_a_route_asks_at_most_k_candidates() -> None:
    models = fake()
    answer = await route(models, knowing(), worth_nanousd=10**6, k=2)
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]
    assert answer.selection.reason == SELECTION_REASON_POLICY


async def test_the_operators_maximum_of_k_holds() -> None:
    models = fake()
    limited = Defaults(defaults().policy, max_output_tokens=8, maxima=Maxima(k=1))
    answer = await route(models, knowing(), with_defaults=limited, worth_nanousd=10**6)
    assert models.asked(STAGE_COMPLETE) == ["a"]
    assert answer.selection.reason == SELECTION_REASON_POLICY


async def test_a_single_candidate_is_asked_outright() -> None:
    models = fake()
    answer = await route(models, knowing(), candidates=["b"])
    assert models.asked(STAGE_COMPLETE) == ["b"]
    assert answer.selection.reason == SELECTION_REASON_ONLY_ONE
    assert not answer.selection.HasField("instead")


@pytest.mark.parametrize("text", [True, False])
async def test_a_call_that_fails_is_a_step_not_taken(text: bool) -> None:
    models = fake(a=Model(fails={STAGE_COMPLETE: failure()}), b=Model(fails={STAGE_COMPLETE: failure()}))
    answer = await route(models, knowing(c=(0.4, 0.5, 60)), EventLog(text=text))
    assert models.asked(STAGE_COMPLETE) == ["a", "b", "c"]
    assert list(answer.candidates) == ["c"]
    assert answer.selection.expected_cost_nanousd == 60
    assert [each.reason for each in answer.degraded] == [DEGRADED_REASON_COMPLETION_FAILED] * 2
    assert not answer.selection.HasField("instead")


async def test_a_further_call_that_fails_is_out_and_the_next_one_is_weighed() -> None:
    models, selector = fake(b=Model(fails={STAGE_COMPLETE: failure()})), knowing(c=(0.4, 0.5, 60))
    selector.asking["b"] = (0.5, 0.6, 10)
    answer = await route(models, selector)
    assert models.asked(STAGE_COMPLETE) == ["a", "b", "c"]
    assert [each.candidate for each in selector.requests[1].unasked] == ["c"]
    assert answer.selection.expected_cost_nanousd == 70
    assert answer.text == "a says so "


async def test_the_error_names_each_candidate_if_all_fail() -> None:
    broken = Model(fails={STAGE_COMPLETE: failure()})
    with pytest.raises(ServiceError) as caught:
        await route(fake(a=broken, b=broken, c=broken), knowing())
    assert (caught.value.code, caught.value.reason) == (Code.UNAVAILABLE, ERROR_REASON_ALL_CANDIDATES_FAILED)
    assert caught.value.failures.keys() == {"a", "b", "c"}


async def test_a_filtered_answer_loses_to_a_whole_one() -> None:
    models = fake(a=Model(ends={STAGE_COMPLETE: FINISH_REASON_CONTENT_FILTER}))
    answer = await route(models, knowing({"a": 0.9, "b": 0.1}))
    assert answer.text == "b says so "


async def test_an_answer_that_is_cut_at_its_limit_loses_to_a_whole_one() -> None:
    models = fake(a=Model(words=("on ",) * 20))
    answer = await route(models, knowing({"a": 0.9, "b": 0.1}))
    assert answer.text == "b says so "
    alone = await route(models, knowing(), worth_nanousd=0)
    assert alone.finish_reason == FINISH_REASON_LENGTH


async def test_one_that_hangs_beside_an_answer_costs_little_time() -> None:
    models = fake(b=Model(hangs={STAGE_COMPLETE}))
    made = router(models, knowing(), shares=Shares(complete=1e-6, grace_s=0.0))
    answer = await made.route(prompt(worth_nanousd=WORTH), Deadline.after(60), EventLog(text=False))
    assert answer.text == "a says so "


# Streams.


async def test_the_first_answer_is_streamed_and_not_sent_again() -> None:
    log = EventLog()
    answer = await route(fake(), knowing(), log)
    assert log.chunks == [("a ", False), ("says ", False), ("so ", False)]
    assert answer.text == log.text == "a says so "


async def test_a_streamed_answer_that_is_not_given_in_the_end_is_voided() -> None:
    log = EventLog()
    answer = await route(fake(), knowing({"a": 0.4, "b": 0.9}), log)
    assert log.chunks[-1] == ("b says so ", True)
    assert answer.text == log.text


async def test_a_merged_answer_voids_the_streamed_one() -> None:
    log = EventLog()
    answer = await route(fake(), knowing(), log, aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE)
    assert log.chunks[3:] == [("[a says so ]", True), ("[b says so ]", False)]
    assert answer.text == log.text
    assert log.kinds.count("chunk") == 5


async def test_a_merge_that_fails_gives_the_best_draft() -> None:
    log, broken = EventLog(), FakeAggregator()
    broken.error = failure()
    answer = await route(fake(), knowing({"a": 0.4, "b": 0.9}), log, broken, aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE)
    assert answer.text == log.text == "b says so "


async def test_a_stream_that_breaks_is_taken_over_and_ends_the_route() -> None:
    models, log = (
        fake(a=Model(words=("a ", "says ", "so "), fails={STAGE_COMPLETE: failure()}, fails_after=1)),
        EventLog(),
    )
    answer = await route(models, knowing(c=(0.4, 0.9, 60)), log)
    assert models.asked(STAGE_COMPLETE) == ["a", "b"]
    assert answer.text == log.text
    assert list(answer.candidates) == ["a", "b"]
    assert not any(restart for _, restart in log.chunks)


# Money.


async def test_the_ceiling_is_never_passed_and_the_best_plan_is_made_with_what_is_left() -> None:
    pool = snapshot(
        pool_candidate("a", price=10**9), pool_candidate("b", price=10**6), pool_candidate("c", price=2 * 10**6)
    )
    models = FakeModels(pool, **{name: Model() for name in NAMES})
    answer = await route(models, knowing(a=(0.6, 0.9, 10)), worth_nanousd=10**9, max_cost_nanousd=3 * 60)
    assert models.asked(STAGE_COMPLETE) == ["b", "c"]
    assert answer.ledger.cost_nanousd <= 180
    assert answer.selection.reason == SELECTION_REASON_COST_CEILING
    # Who cannot be paid to boot is not missed.
    assert not answer.degraded


async def test_the_budget_buys_a_part_of_an_answer_that_it_does_not_cover() -> None:
    pool = snapshot(*(pool_candidate(name, price=1, written=10**7) for name in NAMES))
    models = FakeModels(pool, **{name: Model() for name in NAMES})
    answer = await route(models, knowing(), max_cost_nanousd=31)
    assert answer.text == "one two three "
    assert answer.ledger.cost_nanousd <= 31
    assert DEGRADED_REASON_COST_CEILING in [each.reason for each in answer.degraded]


async def test_a_ceiling_that_pays_for_nothing_is_refused() -> None:
    with pytest.raises(ServiceError) as caught:
        await route(fake(), knowing(), max_cost_nanousd=1)
    assert caught.value.reason == ERROR_REASON_COST_CEILING_TOO_LOW


async def test_the_terms_have_what_was_observed() -> None:
    models, selector = fake(a=Model(words=("a ",), hidden=3)), knowing()
    made = router(models, selector)
    for _ in range(2):
        await made.route(prompt(worth_nanousd=0), Deadline.after(60), EventLog(text=False))
    first, second = (each.candidates[0].terms for each in selector.shortlists)
    assert (first.reasoning_tokens, second.reasoning_tokens) == (0, 3)
    assert first.prices.input_nanousd_per_million == 10**6
    assert first.input_tokens > 4
    assert first.max_output_tokens == 8


async def test_a_pool_that_nobody_priced_has_no_prices_and_one_free_candidate_is_free() -> None:
    selector = knowing()
    bare = snapshot(*(pool_candidate(name, price=0) for name in NAMES))
    await route(FakeModels(bare, **{name: Model() for name in NAMES}), selector)
    assert not any(each.terms.HasField("prices") for each in selector.shortlists[0].candidates)
    mixed = snapshot(pool_candidate("a", price=0), pool_candidate("b"), pool_candidate("c"))
    await route(FakeModels(mixed, **{name: Model() for name in NAMES}), selector)
    assert all(each.terms.HasField("prices") for each in selector.shortlists[1].candidates)


# Without gains.


# For all numbers.

_MOST = 2**63 - 1
ANY_MONEY = st.integers(0, _MOST)
ANY_STEP = st.tuples(st.floats(0, 1), st.floats(-1, 1), ANY_MONEY)
THREE_STEPS = st.tuples(ANY_STEP, ANY_STEP, ANY_STEP)


async def asked(steps: Sequence[tuple[float, float, int]], worth: int) -> list[str]:
    models = fake()
    answer = await route(models, knowing(None, **dict(zip(NAMES, steps, strict=True))), worth_nanousd=worth)
    assert 0 <= answer.selection.expected_cost_nanousd <= _MOST
    return models.asked(STAGE_COMPLETE)


@given(THREE_STEPS, ANY_MONEY, ANY_MONEY)
async def test_numbers_do_not_overflow_and_a_larger_worth_asks_no_fewer(
    steps: Sequence[tuple[float, float, int]], one: int, other: int
) -> None:
    small, large = [await asked(steps, worth) for worth in sorted((one, other))]
    assert small[0] != large[0] or len(small) <= len(large)


@given(THREE_STEPS, ANY_MONEY, st.lists(st.integers(10**6, 10**15), min_size=3, max_size=3), st.integers(0, 10**12))
async def test_the_ceiling_holds_at_any_prices(
    steps: Sequence[tuple[float, float, int]], worth: int, prices: Sequence[int], more: int
) -> None:
    pool = snapshot(*(pool_candidate(name, price=price) for name, price in zip(NAMES, prices, strict=True)))
    models = FakeModels(pool, **{name: Model() for name in NAMES})
    # The cheapest boot reads and writes fewer than 60 tokens.
    ceiling = 60 * min(prices) // 10**6 + more
    selector = knowing(None, **dict(zip(NAMES, steps, strict=True)))
    answer = await route(models, selector, worth_nanousd=worth, max_cost_nanousd=ceiling)
    assert answer.ledger.cost_nanousd <= ceiling


async def test_the_failures_of_candidates_asked_outright_are_observed() -> None:
    models = fake(b=Model(fails={STAGE_COMPLETE: failure()}))
    watch = traffic(models.snapshot)
    made = router(models, knowing(), watch=watch)
    await made.route(prompt(worth_nanousd=WORTH), Deadline.after(60), EventLog(text=False))
    rates = {name: seen.failure_rate for name in NAMES if (seen := watch.of(name))}
    assert rates == {"a": 0, "b": 1}


async def test_one_that_falls_far_behind_its_pace_beside_an_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CallTimes, "seconds_for", lambda *_: 0.0)
    models = fake(b=Model(hangs={STAGE_COMPLETE}))
    async with asyncio.timeout(30):
        made = router(models, knowing(), shares=Shares(grace_s=0.0))
        answer = await made.route(prompt(worth_nanousd=WORTH), Deadline.after(3600), EventLog(text=False))
    assert answer.text == "a says so "
    assert models.cancelled == ["b"]


async def test_reasoning_of_a_cut_answer_is_not_learnt_as_that_of_whole_ones() -> None:
    selector = knowing()
    made = router(fake(a=Model(words=("on ",) * 20, hidden=3)), selector)
    for _ in range(2):
        await made.route(prompt(worth_nanousd=0), Deadline.after(60), EventLog(text=False))
    assert selector.shortlists[1].candidates[0].terms.reasoning_tokens == 0


def test_the_terms_have_the_candidates_own_instructions_and_its_cache() -> None:
    pool = snapshot(*(pool_candidate(name) for name in NAMES))
    pool.candidates["b"].fixed_input_tokens = 1000
    admission, budget = admitted(prompt(), pool, defaults(), 7, RouteLedger())
    times = CallTimes()
    times.note_first_call("b", Usage(input_tokens=100, cached_input_tokens=50, cache_write_tokens=25))
    context = RouteContext(admission, Deadline.after(60), Shares(), RouteLedger(), budget, Events(), times)
    a, b, _ = (each.terms for each in offered(context, admission.candidates))
    assert b.input_tokens == a.input_tokens + 1000
    assert (a.cached_input_tokens, b.cached_input_tokens) == (0, round(b.input_tokens / 2))
    assert (a.cache_write_tokens, b.cache_write_tokens) == (0, round(b.input_tokens / 4))


async def test_the_worst_cost_is_that_of_the_dearest() -> None:
    pool = snapshot(pool_candidate("a"), pool_candidate("b", price=10**9), pool_candidate("c"))
    made = router(FakeModels(pool, **{name: Model() for name in NAMES}), knowing())
    worst = [
        (await made.quote(prompt(worth_nanousd=WORTH, k=1, candidates=names), Deadline.after(60))).worst_cost_nanousd
        for names in (NAMES, ["b"], ["a"])
    ]
    assert worst[0] == worst[1] > worst[2]
