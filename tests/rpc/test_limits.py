"""What a server takes on at most: calls, and bytes of requests. Everything that was taken is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc import limits
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.v1.adapter_pb2 import GenerateRequest, StreamGenerateRequest
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub
from lightrouter.v1.chat_pb2 import Role
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.rpc.server_support import Rig, generation

LARGE = 300_000
"""Characters of a prompt of which only one fits the budget."""


def bare(rig: Rig, method: str, kind: str = "stream_stream") -> Any:
    """Returns a method that takes and returns bytes."""
    return getattr(rig.channel, kind)(f"/{method}")


def large(prefix: str = "") -> GenerateRequest:
    request = GenerateRequest(generation=generation(prefix))
    request.generation.messages[0].content = "x" * LARGE
    return request


def streamed(prefix: str = "") -> StreamGenerateRequest:
    return StreamGenerateRequest(generation=large(prefix).generation)


async def refusal(call: Awaitable[object]) -> ServiceError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def succeeds(call: Awaitable[object]) -> bool:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if not is_overloaded(from_rpc_error(error)):
            raise
        return False
    return True


def is_overloaded(error: ServiceError) -> bool:
    known = (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_OVERLOADED)
    return known and error.retry_after == 1.0


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    settings = ServiceSettings(max_concurrent_calls=3, max_bytes_in_flight=500_000, max_message_bytes=400_000)
    async with Rig(settings) as made:
        yield made


async def _unary(rig: Rig) -> None:
    rig.servicer.release.set()
    await AdapterServiceStub(rig.channel).Generate(large("wait"))


async def _defect(rig: Rig) -> None:
    assert (await refusal(AdapterServiceStub(rig.channel).Generate(large("defect")))).code == Code.INTERNAL


async def _bad_input(rig: Rig) -> None:
    request = large()
    request.generation.messages[0].role = Role.ROLE_UNSPECIFIED
    assert (await refusal(AdapterServiceStub(rig.channel).Generate(request))).code == Code.INVALID_ARGUMENT


async def _stream_that_fails(rig: Rig) -> None:
    call = AdapterServiceStub(rig.channel).StreamGenerate(streamed())
    await call.read()
    assert (await refusal(call.read())).code == Code.UNAVAILABLE


async def _cancelled(rig: Rig) -> None:
    call = AdapterServiceStub(rig.channel).Generate(large("wait"))
    await rig.servicer.entered.wait()
    call.cancel()
    await rig.servicer.cancelled.wait()


async def _cancelled_stream(rig: Rig) -> None:
    call = AdapterServiceStub(rig.channel).StreamGenerate(streamed("wait"))
    await rig.servicer.entered.wait()
    call.cancel()
    await rig.servicer.cancelled.wait()


async def _stream_that_nobody_reads(rig: Rig) -> None:
    call = AdapterServiceStub(rig.channel).StreamGenerate(streamed("flood"))
    await rig.servicer.entered.wait()
    call.cancel()
    await rig.servicer.cancelled.wait()


async def _deadline(rig: Rig) -> None:
    call = AdapterServiceStub(rig.channel).Generate(large("wait"), timeout=0.05)
    assert (await refusal(call)).code == Code.DEADLINE_EXCEEDED
    if rig.servicer.entered.is_set():
        await rig.servicer.cancelled.wait()


async def _no_message(rig: Rig) -> None:
    call = bare(rig, "lightrouter.v1.AdapterService/Generate", "stream_unary")(iter(()))
    assert (await refusal(call)).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "way",
    [
        _unary,
        _defect,
        _bad_input,
        _stream_that_fails,
        _cancelled,
        _cancelled_stream,
        _stream_that_nobody_reads,
        _deadline,
        _no_message,
    ],
)
async def test_every_call_gives_back_its_place_and_its_bytes(rig: Rig, way: Callable[[Rig], Awaitable[None]]) -> None:
    for _ in range(4):
        for event in (rig.servicer.entered, rig.servicer.cancelled, rig.servicer.release):
            event.clear()
        await way(rig)
    # The end of a call that was left is told before its place is given back.
    while not await succeeds(AdapterServiceStub(rig.channel).Generate(large())):
        pass
    assert rig.server.calls.places.taken == 0
    assert rig.server.calls.bytes.served == {"large": 0, "small": 0}


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
async def test_calls_beyond_the_places_are_refused(rig: Rig, stream: bool) -> None:
    stub = AdapterServiceStub(rig.channel)
    calls = []
    for _ in range(3):
        rig.servicer.entered.clear()
        request = generation("wait")
        calls.append(
            stub.StreamGenerate(StreamGenerateRequest(generation=request))
            if stream
            else stub.Generate(GenerateRequest(generation=request))
        )
        await rig.servicer.entered.wait()
    assert is_overloaded(await refusal(stub.Generate(GenerateRequest(generation=generation()))))
    assert is_overloaded(await refusal(stub.StreamGenerate(StreamGenerateRequest(generation=generation())).read()))
    for call in calls:
        call.cancel()


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
async def test_bytes_beyond_the_budget_are_refused_and_small_requests_are_not(rig: Rig, stream: bool) -> None:
    stub = AdapterServiceStub(rig.channel)
    running = stub.StreamGenerate(streamed("wait")) if stream else stub.Generate(large("wait"))
    await rig.servicer.entered.wait()
    error = await refusal(stub.Generate(large()))
    assert is_overloaded(error)
    assert "300,0" in error.message
    assert is_overloaded(await refusal(stub.StreamGenerate(streamed()).read()))
    assert (await stub.Generate(GenerateRequest(generation=generation()))).text == "done"
    running.cancel()


async def test_one_request_alone_is_served_whatever_the_budget() -> None:
    async with Rig(ServiceSettings(max_bytes_in_flight=1024)) as rig:
        assert (await AdapterServiceStub(rig.channel).Generate(large())).text == "done"


async def test_a_burst_is_refused_with_a_word() -> None:
    # Those who are served wait longer than a slow machine takes to refuse all others.
    async with Rig(ServiceSettings(max_concurrent_calls=10, default_deadline_seconds=3600)) as rig:
        stub = AdapterServiceStub(rig.channel)
        request = GenerateRequest(generation=generation("wait"))
        calls = [stub.Generate(request) for _ in range(1600)]
        refused = []
        for refusing in asyncio.as_completed([asyncio.ensure_future(refusal(call)) for call in calls]):
            refused.append(await refusing)
            if len(refused) == 1590:
                break
        assert all(map(is_overloaded, refused))
        for call in calls:
            call.cancel()


async def test_a_message_that_does_not_come_gives_its_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ServiceSettings(max_bytes_in_flight=1024, max_message_bytes=8 * 1024)
    async with Rig(settings) as rig:
        slow = bare(rig, "lightrouter.v1.AdapterService/Generate", "stream_unary")()
        with monkeypatch.context() as patch:
            patch.setattr(limits, "_READING_SECONDS", 0.05)
            error = await refusal(slow)
        assert error.code == Code.DEADLINE_EXCEEDED
        assert "did not come" in error.message
        assert await rig.generate() == "done"


async def test_reading_waits_for_the_memory_that_the_largest_message_takes() -> None:
    budget = limits.Bytes(2048, 4096)
    running, most = 0, 0
    two, go = asyncio.Event(), asyncio.Event()

    async def read() -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            two.set()
        await go.wait()
        running -= 1
        return b""

    reading = [asyncio.create_task(budget.read(read)) for _ in range(6)]
    await two.wait()
    reading.pop().cancel()
    go.set()
    await asyncio.gather(*reading)
    assert most == 2


async def test_calls_that_wait_too_long_for_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = limits.Bytes(1024, 8 * 1024)
    reading = asyncio.Event()

    async def never() -> None:
        reading.set()
        await asyncio.Event().wait()

    forever = asyncio.create_task(budget.read(never))
    await reading.wait()
    monkeypatch.setattr(limits, "_READING_SECONDS", 0.01)
    with pytest.raises(ServiceError) as caught:
        await budget.read(never)
    assert is_overloaded(caught.value)
    forever.cancel()


async def test_health_and_reflection_count_too_but_do_not_take_the_calls_places(rig: Rig) -> None:
    for method in ("grpc.health.v1.Health/Watch", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"):
        request = health_pb2.HealthCheckRequest().SerializeToString()
        watches = []
        for _ in range(64):
            watch = bare(rig, method)()
            await watch.write(b"" if "reflection" in method else request)
            watches.append(watch)
        await asyncio.gather(*(watch.read() for watch in watches))
        one_more = bare(rig, method)()
        assert is_overloaded(await refusal(one_more.read()))
        assert await rig.generate() == "done"
        assert await rig.health("") == health_pb2.HealthCheckResponse.SERVING
        for watch in watches:
            watch.cancel()


@pytest.mark.parametrize("method", ["Generate", "StreamGenerate"])
@pytest.mark.parametrize("sent", [b"\xff" * 9, b"\x0a\x05a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 200])
async def test_bytes_that_are_no_message_are_bad_input(rig: Rig, method: str, sent: bytes) -> None:
    call = bare(rig, f"lightrouter.v1.AdapterService/{method}", "unary_stream")(sent)
    error = await refusal(call.read())
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, ErrorReason.ERROR_REASON_INVALID_REQUEST)
    assert [violation.message for violation in error.violations] == [error.message]
    assert method in error.message
    assert not rig.servicer.entered.is_set()


async def test_health_takes_bytes_that_are_no_message_for_bad_input(rig: Rig) -> None:
    error = await refusal(bare(rig, "grpc.health.v1.Health/Check", "unary_unary")(b"\xff"))
    assert error.code == Code.INVALID_ARGUMENT
