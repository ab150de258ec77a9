"""The aggregator over a real channel, with a real AdapterService as its synthesizer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from lightrouter.aggregator.assemble import assemble
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    DescribeResponse,
    GenerateRequest,
    GenerateResponse,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceServicer, add_AdapterServiceServicer_to_server
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse, AggregateResult
from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceStub
from lightrouter.v1.candidate_pb2 import Draft, ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import AggregatorStrategy
from tests.clock import Clock

if TYPE_CHECKING:
    from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceAsyncStub

BEST = AggregatorStrategy.AGGREGATOR_STRATEGY_BEST
SYNTHESIZE = AggregatorStrategy.AGGREGATOR_STRATEGY_SYNTHESIZE
WHOLE = "It opened in 1889."


class FakeSynthesizer(AdapterServiceServicer):
    """Writes WHOLE from the prefix on, unless its behaviours, one a call, say otherwise."""

    def __init__(self) -> None:
        self.behaviours: list[str] = []
        self.asked: list[Generation] = []
        self.entered = asyncio.Event()
        self.gone = asyncio.Event()

    async def Describe(self, request: DescribeRequest, context: object) -> DescribeResponse:
        raise NotImplementedError

    async def Generate(self, request: GenerateRequest, context: object) -> GenerateResponse:
        raise NotImplementedError

    async def StreamGenerate(
        self, request: StreamGenerateRequest, context: object
    ) -> AsyncIterator[StreamGenerateResponse]:
        generation = request.generation
        self.asked.append(generation)
        behaviour = self.behaviours.pop(0) if self.behaviours else ""
        if behaviour == "fail":
            raise ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_ERROR, "HTTP 500")
        rest = WHOLE[len(generation.prefix) :]
        yield StreamGenerateResponse(chunk=GenerationChunk(reasoning="Hm."))
        yield StreamGenerateResponse(chunk=GenerationChunk(text=rest[:4], restarted=behaviour == "anew"))
        if behaviour == "break":
            raise ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE, "reset")
        if behaviour == "hang":
            self.entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.gone.set()
        yield StreamGenerateResponse(chunk=GenerationChunk(text=rest[4:]))
        stop = FinishReason.FINISH_REASON_STOP
        yield StreamGenerateResponse(result=GenerationResult(finish_reason=stop, cost_nanousd=5, model="m"))


@pytest.fixture
def synthesizer() -> FakeSynthesizer:
    return FakeSynthesizer()


@pytest.fixture
async def address(synthesizer: FakeSynthesizer, tmp_path: Path) -> AsyncIterator[str]:
    server = Server(ServiceSettings(listen=f"unix:{tmp_path}/synthesizer.sock"))
    server.add("lightrouter.v1.AdapterService", add_AdapterServiceServicer_to_server, synthesizer)
    async with server:
        yield f"unix:{tmp_path}/synthesizer.sock"


@pytest.fixture
async def aggregator(tmp_path: Path) -> AsyncIterator[AggregatorServiceAsyncStub]:
    channels = Channels()
    settings = AggregatorSettings(listen=f"unix:{tmp_path}/aggregator.sock", adapter_address="unix:*")
    async with assemble(settings, channels, Telemetry("aggregator", None)):
        yield AggregatorServiceStub(channels.get(f"unix:{tmp_path}/aggregator.sock"))
        await channels.close()


def request(*addresses: str, strategy: AggregatorStrategy.ValueType = SYNTHESIZE) -> AggregateRequest:
    return AggregateRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, content="When did it open?")],
        drafts=[
            Draft(candidate="x", text="It opened in 1899.", score=0.6),
            Draft(candidate="y", text="It opened in 1889, for a fair.", score=0.7),
        ],
        strategy=strategy,
        synthesizers=[ModelTarget(candidate=f"s{i}", address=address) for i, address in enumerate(addresses)],
    )


async def answer(aggregator: AggregatorServiceAsyncStub, asked: AggregateRequest) -> tuple[str, AggregateResult, int]:
    return await read(aggregator.Aggregate(asked))


async def read(call: AsyncIterable[AggregateResponse]) -> tuple[str, AggregateResult, int]:
    text = ""
    restarts = 0
    result = AggregateResult()
    async for response in call:
        if response.WhichOneof("event") == "result":
            result = response.result
        else:
            text = response.chunk.text if response.chunk.restart else text + response.chunk.text
            restarts += response.chunk.restart
    return text, result, restarts


async def test_a_model_behind_an_adapter_writes_the_answer(
    aggregator: AggregatorServiceAsyncStub, address: str
) -> None:
    text, result, restarts = await answer(aggregator, request(address))
    assert (text, restarts) == (WHOLE, 0)
    assert result.strategy == SYNTHESIZE
    assert [(entry.candidate, entry.model, entry.cost_nanousd) for entry in result.entries] == [("s0", "m", 5)]
    assert len(result.contradictions) == 1
    assert not result.degraded


@pytest.mark.parametrize("behaviours", [["fail"], ["break"], ["break", "break"], ["break", "anew", ""]])
async def test_a_failure_is_gone_on_from(
    aggregator: AggregatorServiceAsyncStub, synthesizer: FakeSynthesizer, address: str, behaviours: list[str]
) -> None:
    synthesizer.behaviours = list(behaviours)
    text, result, restarts = await answer(aggregator, request(address, address))
    assert (text, restarts) == (WHOLE, 0)
    assert not result.degraded
    assert len(result.entries) == len(synthesizer.asked)
    assert not result.entries[-1].HasField("failure")


@pytest.mark.parametrize("behaviours", [["fail", "fail"], ["break", "anew", "anew"], ["break", "fail", "fail"]])
async def test_where_all_fail_the_best_draft_is_sent(
    aggregator: AggregatorServiceAsyncStub, synthesizer: FakeSynthesizer, address: str, behaviours: list[str]
) -> None:
    synthesizer.behaviours = list(behaviours)
    text, result, restarts = await answer(aggregator, request(address, address))
    assert text == "It opened in 1899."
    assert restarts == ("break" in behaviours)
    assert result.strategy == BEST
    assert [one.reason for one in result.degraded] == [DegradedReason.DEGRADED_REASON_AGGREGATOR_FAILED]
    assert len(result.entries) == len(behaviours)


async def test_a_model_that_hangs_leaves_an_answer_within_the_deadline(
    aggregator: AggregatorServiceAsyncStub, synthesizer: FakeSynthesizer, address: str, clock: Clock
) -> None:
    synthesizer.behaviours = ["hang"]
    call = aggregator.Aggregate(request(address), timeout=300)
    while not (await anext(aiter(call))).chunk.text:
        pass
    clock.advance(300)
    text, result, restarts = await read(call)
    assert (text, restarts) == ("It opened in 1899.", 1)
    assert [one.reason for one in result.degraded] == [DegradedReason.DEGRADED_REASON_AGGREGATOR_SLOW]
    await synthesizer.gone.wait()


async def test_a_caller_that_leaves_ends_the_model(
    aggregator: AggregatorServiceAsyncStub, synthesizer: FakeSynthesizer, address: str
) -> None:
    synthesizer.behaviours = ["hang"]
    call = aggregator.Aggregate(request(address))
    await synthesizer.entered.wait()
    call.cancel()
    await synthesizer.gone.wait()
    assert len(synthesizer.asked) == 1


async def test_a_model_that_cannot_be_reached_leaves_the_best_draft(
    aggregator: AggregatorServiceAsyncStub, tmp_path: Path
) -> None:
    text, result, _ = await answer(aggregator, request(f"unix:{tmp_path}/nobody.sock"))
    assert text == "It opened in 1899."
    assert result.entries[0].failure.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE


async def test_a_vote_costs_nothing(aggregator: AggregatorServiceAsyncStub) -> None:
    asked = request(strategy=AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE)
    asked.answer_pattern.re2 = r"in (\d{4})"
    text, result, _ = await answer(aggregator, asked)
    assert text == "It opened in 1889, for a fair."
    assert result.strategy == AggregatorStrategy.AGGREGATOR_STRATEGY_VOTE
    assert not result.entries


async def test_bad_input_names_its_field(aggregator: AggregatorServiceAsyncStub) -> None:
    broken = request()
    broken.answer_pattern.re2 = "(a"
    empty = request()
    empty.ClearField("drafts")
    for asked, field in ((broken, "answer_pattern.re2"), (empty, "drafts")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answer(aggregator, asked)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert [violation.field for violation in from_rpc_error(caught.value).violations] == [field]


async def test_synthesizers_that_are_not_among_the_adapters_are_bad_input_and_nobody_is_asked(
    aggregator: AggregatorServiceAsyncStub, synthesizer: FakeSynthesizer, address: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer(aggregator, request(address, "dns:///elsewhere:50051"))
    error = from_rpc_error(caught.value)
    assert error.code == Code.INVALID_ARGUMENT
    assert [violation.field for violation in error.violations] == ["synthesizers[1].address"]
    assert not synthesizer.asked
