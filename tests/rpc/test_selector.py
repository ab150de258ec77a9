"""The selector over a real channel, with a real AdapterService as its judge."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.selector.assemble import assemble
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    DescribeResponse,
    GenerateRequest,
    GenerateResponse,
    GenerationResult,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceServicer, add_AdapterServiceServicer_to_server
from lightrouter.v1.candidate_pb2 import ModelTarget, Partial
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import DegradedReason
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.selector_pb2 import SelectRequest, ShortlistCandidate, ShortlistRequest
from lightrouter.v1.selector_pb2_grpc import SelectorServiceStub
from tests.clock import Clock

if TYPE_CHECKING:
    from lightrouter.v1.selector_pb2_grpc import SelectorServiceAsyncStub

LLM = SelectorStrategy.SELECTOR_STRATEGY_LLM
_GOOD = re.compile(r"\[BEGIN ANSWER (\w) \w+\]\ngood")


class FakeJudge(AdapterServiceServicer):
    """Prefers the text "good", unless its behaviour says otherwise."""

    def __init__(self) -> None:
        self.behaviour = ""
        self.entered = asyncio.Event()
        self.gone = asyncio.Event()

    async def Describe(self, request: DescribeRequest, context: object) -> DescribeResponse:
        raise NotImplementedError

    def StreamGenerate(self, request: StreamGenerateRequest, context: object) -> AsyncIterator[StreamGenerateResponse]:
        raise NotImplementedError

    async def Generate(self, request: GenerateRequest, context: object) -> GenerateResponse:
        match self.behaviour:
            case "fail":
                raise ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_CIRCUIT_OPEN, "the circuit is open")
            case "hang":
                self.entered.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    self.gone.set()
            case "prose":
                return GenerateResponse(text="I prefer the first.", result=GenerationResult(cost_nanousd=3))
        match = _GOOD.search(request.generation.messages[0].content)
        assert match
        points = dict.fromkeys("AB", '{"consistency": 3, "correctness": 3}')
        points[match[1]] = '{"consistency": 9, "correctness": 9}'
        text = "{" + ", ".join(f'"{letter}": {value}' for letter, value in points.items()) + "}"
        usage = Usage(input_tokens=10, output_tokens=2)
        reason = FinishReason.FINISH_REASON_STOP
        return GenerateResponse(
            text=text, result=GenerationResult(finish_reason=reason, usage=usage, cost_nanousd=5, model="m")
        )


@pytest.fixture
def judge() -> FakeJudge:
    return FakeJudge()


@pytest.fixture
async def judge_address(judge: FakeJudge, tmp_path: Path) -> AsyncIterator[str]:
    server = Server(ServiceSettings(listen=f"unix:{tmp_path}/judge.sock"))
    server.add("lightrouter.v1.AdapterService", add_AdapterServiceServicer_to_server, judge)
    async with server:
        yield f"unix:{tmp_path}/judge.sock"


@pytest.fixture
async def selector(tmp_path: Path) -> AsyncIterator[SelectorServiceAsyncStub]:
    channels = Channels()
    settings = SelectorSettings(listen=f"unix:{tmp_path}/selector.sock", adapter_address="unix:*")
    async with assemble(settings, channels, Telemetry("selector", None)):
        yield SelectorServiceStub(channels.get(f"unix:{tmp_path}/selector.sock"))
        await channels.close()


def request(judge_address: str = "", strategy: SelectorStrategy.ValueType = LLM) -> SelectRequest:
    length = FinishReason.FINISH_REASON_LENGTH
    return SelectRequest(
        messages=[ChatMessage(role=Role.ROLE_USER, content="What is 2 + 2?")],
        partials=[
            Partial(candidate="a", text="bad", prior=0.9, finish_reason=length),
            Partial(candidate="b", text="good", prior=0.1, finish_reason=length),
        ],
        strategy=strategy,
        judge=ModelTarget(candidate="judge", address=judge_address) if judge_address else None,
    )


async def test_a_judge_behind_an_adapter_ranks(selector: SelectorServiceAsyncStub, judge_address: str) -> None:
    response = await selector.Select(request(judge_address))
    assert [one.candidate for one in response.ranking.candidates] == ["b", "a"]
    assert [one.score for one in response.ranking.candidates] == pytest.approx([0.9, 0.3])
    assert response.strategy == LLM
    assert [(entry.candidate, entry.model, entry.cost_nanousd) for entry in response.entries] == [("judge", "m", 5)] * 2
    assert not response.degraded


async def test_the_shortlist_is_the_best_by_prior(selector: SelectorServiceAsyncStub) -> None:
    asked = request()
    candidates = [
        ShortlistCandidate(candidate="weak", prior=0.1),
        ShortlistCandidate(candidate="good", prior=0.9),
        ShortlistCandidate(candidate="also-weak", prior=0.1),
    ]
    response = await selector.Shortlist(ShortlistRequest(messages=asked.messages, candidates=candidates))
    assert [one.candidate for one in response.candidates] == ["good", "weak", "also-weak"]
    assert [one.score for one in response.candidates] == [0.9, 0.1, 0.1]


async def test_the_default_is_consensus(selector: SelectorServiceAsyncStub) -> None:
    response = await selector.Select(request(strategy=SelectorStrategy.ValueType(0)))
    assert response.strategy == SelectorStrategy.SELECTOR_STRATEGY_CONSENSUS
    assert [one.candidate for one in response.ranking.candidates] == ["a", "b"]
    assert response.ranking.agreement == 0.0


@pytest.mark.parametrize(
    ("behaviour", "degraded", "failure", "calls"),
    [
        ("fail", DegradedReason.DEGRADED_REASON_SELECTOR_FAILED, ErrorReason.ERROR_REASON_CIRCUIT_OPEN, 2),
        ("prose", DegradedReason.DEGRADED_REASON_VERDICT_UNREADABLE, ErrorReason.ERROR_REASON_VERDICT_UNREADABLE, 4),
    ],
)
async def test_a_judge_that_fails_leaves_the_prior(
    selector: SelectorServiceAsyncStub,
    judge: FakeJudge,
    judge_address: str,
    behaviour: str,
    degraded: DegradedReason.ValueType,
    failure: ErrorReason.ValueType,
    calls: int,
) -> None:
    judge.behaviour = behaviour
    response = await selector.Select(request(judge_address))
    assert [one.candidate for one in response.ranking.candidates] == ["a", "b"]
    assert response.strategy == SelectorStrategy.SELECTOR_STRATEGY_PRIOR
    assert [one.reason for one in response.degraded] == [degraded]
    assert failure in [entry.failure.reason for entry in response.entries]
    assert 2 <= len(response.entries) <= calls


async def test_a_judge_that_hangs_leaves_an_answer_within_the_deadline(
    selector: SelectorServiceAsyncStub, judge: FakeJudge, judge_address: str, clock: Clock
) -> None:
    judge.behaviour = "hang"
    call = asyncio.ensure_future(selector.Select(request(judge_address), timeout=300))
    await judge.entered.wait()
    clock.advance(300)
    response = await call
    assert [one.reason for one in response.degraded] == [DegradedReason.DEGRADED_REASON_SELECTOR_SLOW]
    assert [one.candidate for one in response.ranking.candidates] == ["a", "b"]
    await judge.gone.wait()


async def test_a_caller_that_leaves_ends_the_judge(
    selector: SelectorServiceAsyncStub, judge: FakeJudge, judge_address: str
) -> None:
    judge.behaviour = "hang"
    call = selector.Select(request(judge_address))
    await judge.entered.wait()
    call.cancel()
    await judge.gone.wait()


async def test_a_judge_that_cannot_be_reached_leaves_the_prior(
    selector: SelectorServiceAsyncStub, tmp_path: Path
) -> None:
    response = await selector.Select(request(f"unix:{tmp_path}/nobody.sock"))
    assert [one.reason for one in response.degraded] == [DegradedReason.DEGRADED_REASON_SELECTOR_FAILED]
    assert response.entries[0].failure.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE


def _without_messages(asked: SelectRequest) -> None:
    asked.ClearField("messages")


def _without_partials(asked: SelectRequest) -> None:
    asked.ClearField("partials")


def _with_a_broken_pattern(asked: SelectRequest) -> None:
    asked.answer_pattern.re2 = "(a"


def _with_a_partial_twice(asked: SelectRequest) -> None:
    asked.partials[1].candidate = "a"


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (_without_messages, "messages"),
        (_without_partials, "partials"),
        (_with_a_broken_pattern, "answer_pattern.re2"),
        (_with_a_partial_twice, "partials[1].candidate"),
    ],
)
async def test_bad_input_names_its_field(
    selector: SelectorServiceAsyncStub, spoil: Callable[[SelectRequest], None], field: str
) -> None:
    asked = request()
    spoil(asked)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await selector.Select(asked)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in from_rpc_error(caught.value).violations] == [field]


async def test_a_judge_that_is_not_among_the_adapters_is_bad_input(selector: SelectorServiceAsyncStub) -> None:
    for address in ("dns:///elsewhere:50051", "ipv4:169.254.169.254:80"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await selector.Select(request(address))
        error = from_rpc_error(caught.value)
        assert error.code == Code.INVALID_ARGUMENT
        assert [violation.field for violation in error.violations] == ["judge.address"]
