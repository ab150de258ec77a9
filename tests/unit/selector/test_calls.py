"""Tool calls are ranked by what they ask for: equal ones agree whatever their spelling, and broken ones come last."""

from __future__ import annotations

import json
from functools import cache

import pytest

from lightrouter.answers.pieces import at_once
from lightrouter.learned.artifact import GENERAL, load
from lightrouter.learned.features import NAMES
from lightrouter.learned.model import Model
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.selector.calls import broken
from lightrouter.selector.learned import written
from lightrouter.selector.registry import strategies
from lightrouter.selector.selector import Selector
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.chat_pb2 import FinishReason, JsonSchema, OutputSpec, Tool, ToolCall
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse
from tests.unit.selector.fakes import LIMITS, FakeModels, request, shown, verdict

CALLED = FinishReason.FINISH_REASON_TOOL_CALLS
CUT = FinishReason.FINISH_REASON_LENGTH
STRATEGIES = [
    SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS,
    SelectorStrategy.SELECTOR_STRATEGY_LEARNED,
    SelectorStrategy.SELECTOR_STRATEGY_LLM,
    SelectorStrategy.SELECTOR_STRATEGY_PRIOR,
    SelectorStrategy.SELECTOR_STRATEGY_RANDOM,
]
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    }
)
TOOLS = OutputSpec(tools=[Tool(name="find", parameters=SCHEMA), Tool(name="stop")])


def called(name: str, *calls: tuple[str, str], prior: float = 0.5, cut: bool = False, text: str = "") -> Partial:
    return Partial(
        candidate=name,
        text=text,
        prior=prior,
        finish_reason=CUT if cut else CALLED,
        tool_calls=[
            ToolCall(id=f"{name}-{at}", name=tool, arguments=arguments) for at, (tool, arguments) in enumerate(calls)
        ],
    )


@cache
def general() -> Model:
    return load(GENERAL).model


async def alike(generation: Generation) -> str:
    return verdict({label: (5, 5) for label, _ in shown(generation)})


async def select(asked: SelectRequest) -> SelectResponse:
    built = strategies(FakeModels(alike), LIMITS, 0.05, general)
    return await Selector(built, asked.strategy).select(asked, Deadline.after(600))


OSLO = ("find", '{"city": "Oslo", "days": 2}')
SAME = [
    ("another spelling", [OSLO], [("find", '{ "days":2.0,"city":"\\u004fslo"}')]),
    ("another order", [OSLO, ("stop", "{}")], [("stop", ""), OSLO]),
    ("cut in the arguments", [OSLO], [("find", '{"city": "Oslo", "da')]),
    ("cut in the name's member", [OSLO], [("find", '{"ci')]),
]
OTHER = [
    ("another value", [OSLO], [("find", '{"city": "Bergen", "days": 2}')]),
    ("another type", [OSLO], [("find", '{"city": "Oslo", "days": "2"}')]),
    ("a member less", [OSLO], [("find", '{"city": "Oslo"}')]),
    ("another tool", [OSLO], [("stop", '{"city": "Oslo", "days": 2}')]),
    ("a call more", [OSLO], [OSLO, ("stop", "{}")]),
    ("no call", [OSLO], []),
]
Calls = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [*((one, other, True) for _, one, other in SAME), *((one, other, False) for _, one, other in OTHER)],
    ids=[name for name, *_ in (*SAME, *OTHER)],
)
async def test_equal_calls_agree_and_differing_ones_do_not(left: Calls, right: Calls, same: bool) -> None:
    pair = [called("a", *left), called("b", *right, cut=True, text="" if right else "It rains in Oslo.")]
    asked = request(*pair, strategy=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS)
    assert ((await select(asked)).ranking.agreement == 1.0) is same
    # The learned model's features of agreement mean the same as for texts.
    rows = general().featurizer.rows("Weather?", written(pair), None)
    support = [row[NAMES.index("support")] for row in rows]
    opposition = [row[NAMES.index("opposition")] for row in rows]
    assert (min(support) > 0) is same
    if right:
        assert (max(opposition) == 0) is same
    assert all(row[NAMES.index("has_answer")] for row, calls in zip(rows, (left, right), strict=True) if calls)


async def test_the_action_that_most_want_ranks_first_whatever_its_spelling() -> None:
    partials = [
        called("alone", ("find", '{"city": "Bergen"}'), prior=0.9),
        called("one", OSLO, prior=0.1),
        called("two", ("find", '{"days":2,"city":"Oslo"}'), prior=0.1),
    ]
    response = await select(request(*partials, strategy=SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS))
    assert [ranked.candidate for ranked in response.ranking.candidates] == ["one", "two", "alone"]


BROKEN = [
    ("find", '{"city": 3}'),
    ("find", '{"town": "Oslo"}'),
    ("find", '["Oslo"]'),
    ("find", "{]"),
    ("unknown", "{}"),
]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("call", BROKEN, ids=str)
@pytest.mark.parametrize("cut", [False, True])
async def test_calls_that_break_their_schema_come_last(
    strategy: SelectorStrategy.ValueType, call: tuple[str, str], cut: bool
) -> None:
    partials = [
        called("x", call, prior=0.9, cut=cut),
        called("y", call, prior=0.9, cut=cut),
        called("good", OSLO, prior=0.1),
    ]
    asked = request(*partials, strategy=strategy)
    asked.output.CopyFrom(TOOLS)
    ranked = (await select(asked)).ranking.candidates
    assert ranked[0].candidate == "good"
    assert [each.score for each in ranked[1:]] == [0.0, 0.0]
    assert all("breaks the form" in each.rationale for each in ranked[1:])


def test_a_text_breaks_a_form_of_json() -> None:
    form = OutputSpec(json_schema=JsonSchema(schema=SCHEMA))
    partials = [
        Partial(candidate="prose", text="It is", finish_reason=CUT),
        Partial(candidate="json", text='{"city": "Os', finish_reason=CUT),
        Partial(candidate="nothing", finish_reason=CUT),
        Partial(candidate="whole", text='{"days": 1}', finish_reason=FinishReason.FINISH_REASON_STOP),
    ]
    assert at_once(broken(partials, form)) == {"prose", "whole"}
    assert at_once(broken(partials, OutputSpec())) == frozenset()


async def test_a_schema_that_cannot_be_used_names_its_field() -> None:
    asked = request(called("x", OSLO))
    asked.output.tools.add(name="find", parameters="{")
    with pytest.raises(ServiceError) as caught:
        await select(asked)
    assert caught.value.violations[0].field == "output.tools[0].parameters"
