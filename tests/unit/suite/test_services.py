"""Models, selector and aggregator of one process: what is checked again between them, and what is not."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import cast

import pytest

from lightrouter.adapter.engine import Engine
from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.selector.selector import Selector
from lightrouter.suite.calls import DirectCalls
from lightrouter.suite.services import DirectAggregator, DirectModels, DirectSelector
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, GenerationResult, StreamGenerateResponse
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.selector_pb2 import SelectRequest, ShortlistRequest

TARGET = ModelTarget(candidate="a", address="in-process:a")


class Remembers:
    """An engine that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Generation] = []

    async def generate(self, generation: Generation, deadline: Deadline) -> GenerateResponse:
        self.asked.append(generation)
        return GenerateResponse()

    async def stream(
        self, generation: Generation, deadline: Deadline, checkpoint_tokens: int, *, unwatched: bool, joined: bool
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        self.asked.append(generation)
        yield StreamGenerateResponse(result=GenerationResult())


async def test_a_model_gets_the_conversation_itself() -> None:
    engine, generation = Remembers(), Generation()
    models = DirectModels(DirectCalls(), lambda _: cast("Engine", engine))
    await models.generate(TARGET, generation, Deadline.after(30))
    assert [piece async for piece in models.stream(TARGET, generation, Deadline.after(30))]
    assert len(engine.asked) == 2
    assert all(asked is generation for asked in engine.asked)


async def test_requests_with_what_models_wrote_are_checked() -> None:
    calls, deadline = DirectCalls(), Deadline.after(30)
    selector = DirectSelector(calls, cast("Selector", _Untouched()))
    aggregator = DirectAggregator(calls, cast("Aggregator", _Untouched()))
    with pytest.raises(ServiceError) as selected:
        await selector.select(SelectRequest(), deadline)
    with pytest.raises(ServiceError) as shortlisted:
        await selector.shortlist(ShortlistRequest(), deadline)
    with pytest.raises(ServiceError) as merged:
        await anext(aggregator.aggregate(AggregateRequest(), deadline))
    assert {caught.value.code for caught in (selected, shortlisted, merged)} == {Code.INVALID_ARGUMENT}


class _Untouched:
    """A selector and an aggregator that get no valid request."""

    async def select(self, request: SelectRequest, deadline: Deadline) -> None:
        raise AssertionError("a request that breaks a rule was served")

    async def shortlist(self, request: ShortlistRequest) -> None:
        raise AssertionError("a request that breaks a rule was served")

    def aggregate(self, request: AggregateRequest, deadline: Deadline) -> None:
        raise AssertionError("a request that breaks a rule was served")
