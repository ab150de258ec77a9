"""The money of held calls: what is reserved, what is settled, and what a line of the ledger says."""

from __future__ import annotations

import pytest

from lightrouter.router.context import RouteContext
from lightrouter.router.ledger import RouteLedger
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.router.records import drop_held
from lightrouter.router.rules import Shares
from lightrouter.router.stages.boot import boot
from lightrouter.router.stages.complete import complete
from lightrouter.router.stages.select import select
from lightrouter.router.stages.streaming import stream_completion
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.ledger import SLOW
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_STRAGGLER
from lightrouter.v1.ledger_pb2 import STAGE_BOOT, STAGE_COMPLETE
from lightrouter.v1.policy_pb2 import HOLD_ALWAYS
from tests.unit.router.builders import admitted, defaults, failure, pool_candidate, prompt, snapshot
from tests.unit.router.eventlog import EventLog
from tests.unit.router.fakes import FakeModels, FakeSelector, Model

POOL = snapshot(pool_candidate("a"), pool_candidate("b"))
SCORES = {"a": 0.9, "b": 0.8}
# The prompt has 27 tokens: a boot that ends at its 2 tokens costs 29; a held one reserves a whole call of 8, 35.
CEILING = 1_000
READ = 27


def held_route(
    ceiling: int = CEILING, *, watched: bool = False, pool: PoolSnapshot = POOL, **models: Model
) -> tuple[RouteContext, FakeModels]:
    fakes = FakeModels(pool, **({name: Model() for name in SCORES} | models))
    ledger = RouteLedger()
    request = prompt(hold=HOLD_ALWAYS, max_cost_nanousd=ceiling)
    admission, budget = admitted(request, fakes.snapshot, defaults(), 7, ledger)
    events = EventLog(text=watched)
    return RouteContext(admission, Deadline.after(60), Shares(grace_s=0.0), ledger, budget, events), fakes


def spent(route: RouteContext) -> int:
    return sum(entry.cost_nanousd for entry in route.ledger.entries)


async def test_a_boot_reserves_what_its_held_call_may_write() -> None:
    route, models = held_route()
    assert route.budget.left == CEILING - 2 * 35
    boots = await boot(route, models)
    assert route.budget.left == CEILING - 2 * 35
    assert not route.ledger.entries
    # Nothing is read again: a held draft costs its 6 tokens more, a second call would read 29 and more.
    assert [route.budget.completion_cost(each) for each in boots] == [6, 6]
    drop_held(route)
    assert [route.budget.completion_cost(each) > READ for each in boots] == [True, True]
    assert route.budget.left == CEILING - spent(route)


@pytest.mark.parametrize("chosen", [1, 2])
@pytest.mark.parametrize("dies", [False, True])
async def test_the_budget_at_the_end_lacks_exactly_the_spent_money(chosen: int, dies: bool) -> None:
    route, models = held_route(a=Model(dies=failure()) if dies else Model())
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    await complete(route, models, ranking, ranking.boots[:chosen])
    assert route.budget.left == CEILING - spent(route)


async def test_a_dropped_candidate_costs_its_boot_and_the_text_after_it() -> None:
    route, models = held_route()
    models.rest["b"].clear()
    boots = await boot(route, models)
    b = boots[1]
    assert b.held
    b.held.tokens_after = 5
    drop_held(route, [boots[0]])
    (line,) = route.ledger.entries
    assert (line.candidate, line.finish_reason) == ("b", FINISH_REASON_LENGTH)
    assert (line.usage.input_tokens, line.usage.output_tokens, line.usage.estimated) == (READ, 2 + 5, True)
    assert line.cost_nanousd == READ + 7
    assert route.budget.left == CEILING - 35 - line.cost_nanousd
    assert line.HasField("elapsed")


async def test_tokens_that_an_adapter_did_not_count_are_estimated() -> None:
    candidates = [pool_candidate(name) for name in SCORES]
    for candidate in candidates:
        candidate.fixed_input_tokens = 40
    route, models = held_route(pool=snapshot(*candidates))
    boots = await boot(route, models)
    for each in boots:
        assert each.held
        assert each.held.booted
        each.held.booted.usage.input_tokens = 0
        each.held.result = None
    drop_held(route)
    # The conversation, and the candidate's own instructions.
    assert {entry.usage.input_tokens for entry in route.ledger.entries} == {route.admission.prompt_tokens + 40}


async def test_a_winner_that_dies_has_read_the_prompt_once() -> None:
    route, models = held_route(a=Model(dies=failure()))
    models.rest["a"].clear()
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    models.rest["a"].set()
    await complete(route, models, ranking, ranking.boots[:1])
    died = next(entry for entry in route.ledger.entries if entry.candidate == "a")
    assert (died.stage, died.went_on) == (STAGE_BOOT, True)
    assert died.usage.input_tokens == route.admission.prompt_tokens
    assert died.usage.output_tokens == estimate_tokens("one two ")
    assert route.budget.left == CEILING - spent(route)


async def test_a_winner_that_is_slow_has_its_boot_in_the_ledger_and_its_money_settled() -> None:
    route, models = held_route(a=Model(seconds=0.0001))
    models.rest["a"].clear()
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    await complete(route, models, ranking, ranking.boots)
    slow = next(entry for entry in route.ledger.entries if entry.candidate == "a")
    assert slow.failure.reason == ERROR_REASON_STRAGGLER in SLOW
    assert route.budget.left == CEILING - spent(route)


@pytest.mark.parametrize("watched", [False, True])
async def test_the_rest_of_the_budget_pays_for_a_part_of_a_draft_in_a_second_call(watched: bool) -> None:
    # Both boots are held; then the rest of the budget does not cover the six tokens that are left.
    route, models = held_route(watched=watched)
    models.rest["a"].clear()
    ranking = await select(route, await boot(route, models), FakeSelector(SCORES))
    drop_held(route, ranking.boots[:1])
    route.budget.reserve(route.budget.left - 5)
    if watched:
        streamed = await stream_completion(route, models, ranking.boots[0], ranking.boots)
        text = streamed.text
    else:
        (draft,) = await complete(route, models, ranking, ranking.boots[:1])
        text = draft.text
    # Its call is dropped, which gives back what it had reserved and not spent.
    assert text.startswith("one two ")
    lines = [(entry.stage, entry.went_on) for entry in route.ledger.entries if entry.candidate == "a"]
    assert lines[0] == (STAGE_BOOT, False)
    assert set(lines[1:]) <= {(STAGE_COMPLETE, False)}
    assert route.budget.left >= 0


@pytest.mark.parametrize("watched", [False, True])
async def test_text_that_nobody_watches_comes_in_fewer_messages(watched: bool) -> None:
    route, models = held_route(watched=watched)
    await boot(route, models)
    drop_held(route)
    assert models.unwatched == [not watched] * 2
