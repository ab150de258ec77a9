"""Shortlist and adaptive k over real channels."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lightrouter.v1.ledger_pb2 import NOT_ASKED_REASON_SHORTLIST, STAGE_BOOT, STAGE_COMPLETE, STAGE_SHORTLIST
from lightrouter.v1.policy_pb2 import AGGREGATOR_STRATEGY_BEST
from lightrouter.v1.router_pb2 import SELECTION_REASON_GAIN
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import prompt


@pytest.fixture
async def suite() -> AsyncIterator[RouterSuite]:
    async with RouterSuite() as running:
        yield running


async def test_only_the_shortlist_boots(suite: RouterSuite) -> None:
    suite.selector.scores = {"a": 0.1, "b": 0.5, "c": 0.9}
    answer = (await suite.complete(prompt(shortlist=1))).answer
    booted = set(suite.models.asked(STAGE_BOOT))
    assert "c" in booted
    assert {each.candidate for each in answer.ledger.not_asked} == {"a", "b", "c"} - booted
    assert {each.reason for each in answer.ledger.not_asked} == {NOT_ASKED_REASON_SHORTLIST}
    assert answer.ledger.stages[0].stage == STAGE_SHORTLIST


async def test_one_more_draft_where_it_is_worth_it(suite: RouterSuite) -> None:
    suite.selector.gains = {"a": 0.9, "b": 0.5, "c": 0.0}
    suite.selector.tokens = {"a": 2.0, "b": 2.0, "c": 2.0}
    asked = prompt(k=3, min_gain=100.0, aggregator=AGGREGATOR_STRATEGY_BEST)
    answer = (await suite.complete(asked)).answer
    assert answer.selection.reason == SELECTION_REASON_GAIN
    assert suite.models.asked(STAGE_COMPLETE) == ["a", "b"]
    events = [event.WhichOneof("event") for event in await suite.stream(asked)]
    assert events.count("selection") == 3
    assert events[-1] == "answer"
