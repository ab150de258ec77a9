"""Drafts that call tools: they are voted on, and nothing is written anew."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.aggregator.registry import strategies
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.toolcalls import ToolCalls
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import FINISH_REASON_TOOL_CALLS, ToolCall
from lightrouter.v1.ledger_pb2 import DEGRADED_REASON_ACTION_DISPUTED
from lightrouter.v1.policy_pb2 import AggregatorStrategy
from tests.unit.aggregator.fakes import BEST, LIMITS, SYNTHESIZE, VOTE, FakeModels, draft, request

OSLO, BERGEN = '{"city": "Oslo", "days": 3}', '{"city": "Bergen"}'


def calling(candidate: str, arguments: str = OSLO, name: str = "weather") -> Draft:
    return Draft(
        candidate=candidate,
        finish_reason=FINISH_REASON_TOOL_CALLS,
        tool_calls=[ToolCall(id=f"of {candidate}", name=name, arguments=arguments)],
    )


@pytest.mark.parametrize("asked", [BEST, VOTE, SYNTHESIZE])
@pytest.mark.parametrize(
    ("drafts", "author", "strategy", "disputed"),
    [
        pytest.param([calling("a")], "a", BEST, False, id="one"),
        pytest.param([calling("a"), calling("b", '{"days":3,"city":"Oslo"}')], "a", VOTE, False, id="the same"),
        pytest.param([calling("a", BERGEN), calling("b"), calling("c")], "b", VOTE, False, id="the best is outvoted"),
        pytest.param([calling("a"), calling("b", name="time")], "a", BEST, True, id="other tools"),
        pytest.param([calling("a"), calling("b", BERGEN)], "a", BEST, True, id="other arguments"),
        pytest.param([calling("a"), draft("b", "It rains.")], "a", BEST, True, id="a call against text"),
        pytest.param([draft("a", "It is."), draft("b", "No."), calling("c")], "a", VOTE, False, id="text outvotes"),
    ],
)
async def test_actions_are_voted_on_whatever_strategy_is_asked_for(
    asked: AggregatorStrategy.ValueType,
    drafts: list[Draft],
    author: str,
    strategy: AggregatorStrategy.ValueType,
    disputed: bool,
) -> None:
    models = FakeModels()
    service = Aggregator(strategies(models, LIMITS), SYNTHESIZE, 0.95)
    said, calls = "", ToolCalls()
    async with aclosing(service.aggregate(request(*drafts, strategy=asked), Deadline.after(60))) as responses:
        async for response in responses:
            said += response.chunk.text
            calls.add(response.chunk.tool_calls)
            result = response.result
    best = next(each for each in drafts if each.candidate == author)
    assert (said, list(calls.calls())) == (best.text, list(best.tool_calls))
    assert (list(result.candidates), result.finish_reason) == ([author], best.finish_reason)
    assert result.strategy == strategy
    assert [each.reason for each in result.degraded] == [DEGRADED_REASON_ACTION_DISPUTED] * disputed
    assert not models.asked
