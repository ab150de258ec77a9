"""What a call keeps in memory, on both sides of a channel."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.v1.adapter_pb2 import GenerateRequest, Generation
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.rpc.server_support import Rig, generation
from tests.rpc.test_limits import large, refusal

MESSAGE = 4_000_000
Ask = Callable[[ModelClient, ModelTarget, Generation], Coroutine[Any, Any, object]]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with Rig(ServiceSettings()) as made:
        yield made


async def _unary(models: ModelClient, target: ModelTarget, asked: Generation) -> object:
    return await models.generate(target, asked, Deadline.after(60))


async def _stream(models: ModelClient, target: ModelTarget, asked: Generation) -> object:
    return [event async for event in models.stream(target, asked, Deadline.after(60))]


def _large() -> Generation:
    made = generation("wait")
    # Bytes, since only what Python itself holds is traced.
    made.continuation = b"x" * MESSAGE
    return made


@pytest.mark.parametrize("ask", [_unary, _stream])
async def test_a_message_is_let_go_once_it_is_sent_and_not_when_the_model_has_answered(rig: Rig, ask: Ask) -> None:
    models, target = ModelClient(rig.channels), ModelTarget(candidate="a", address=rig.address)
    asked = [_large() for _ in range(3)]
    references = [sys.getrefcount(each) for each in asked]
    tracemalloc.start()
    try:
        asking = [asyncio.create_task(ask(models, target, each)) for each in asked]
        async with asyncio.timeout(30):
            # The server has all of a message a moment before the client knows.
            while rig.server.calls.bytes.served["large"] < 3 * MESSAGE or _held() > MESSAGE // 2:
                await rig.generate()
        # But for that of `ask`.
        assert [sys.getrefcount(each) - 1 for each in asked] == references
    finally:
        tracemalloc.stop()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


def _held() -> int:
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("ask", [_unary, _stream])
async def test_a_service_that_refuses_before_it_has_read_is_heard(ask: Ask) -> None:
    async with Rig(ServiceSettings(max_concurrent_calls=1)) as rig:
        blocking = AdapterServiceStub(rig.channel).Generate(GenerateRequest(generation=generation("wait")))
        await rig.servicer.entered.wait()
        for _ in range(20):
            with pytest.raises(ServiceError) as caught:
                await ask(ModelClient(rig.channels), ModelTarget(candidate="a", address=rig.address), _large())
            assert caught.value.reason == ErrorReason.ERROR_REASON_OVERLOADED
            assert caught.value.retry_after == 1.0
        blocking.cancel()


@pytest.mark.parametrize("ask", [_unary, _stream])
async def test_a_service_that_is_not_there_is_unavailable(ask: Ask, tmp_path: Path) -> None:
    channels = Channels()
    with pytest.raises(ServiceError) as caught:
        await ask(ModelClient(channels), ModelTarget(candidate="a", address=f"unix:{tmp_path}/nobody.sock"), _large())
    assert caught.value.code is Code.UNAVAILABLE
    await channels.close()


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_message_s_limit_is_that_of_what_it_unpacks_to(compression: grpc.Compression) -> None:
    async with Rig(ServiceSettings(max_message_bytes=400_000, max_bytes_in_flight=500_000)) as rig:
        options = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(rig.address, options, compression=compression) as channel:
            bomb: Any = channel.unary_unary("/lightrouter.v1.AdapterService/Generate")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await bomb(b"\x00" * 40_000_000)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert not rig.servicer.entered.is_set()

            stub = AdapterServiceStub(channel)
            running = stub.Generate(large("wait"))
            await rig.servicer.entered.wait()
            assert rig.server.calls.bytes.served["large"] > 300_000
            assert (await refusal(stub.Generate(large()))).code == Code.RESOURCE_EXHAUSTED
            running.cancel()
