"""The life cycle of a server and what its interceptors do, over real channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server, WatchFailedError
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import incoming_context, outgoing_metadata
from lightrouter.v1 import adapter_pb2_grpc
from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    GenerateRequest,
    StreamGenerateRequest,
)
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.clock import Clock
from tests.rpc.server_support import Rig, generation, health_stub

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def _reflection(channel: grpc.aio.Channel, version: str) -> Any:
    ask: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    return ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with Rig(ServiceSettings(listen="127.0.0.1:0", max_concurrent_calls=1, max_message_bytes=4096)) as made:
        yield made


async def test_an_answer(rig: Rig) -> None:
    assert await rig.generate() == "done"


async def test_a_connection_is_there_before_the_first_call(rig: Rig) -> None:
    await rig.channels.connected(rig.address)
    assert rig.channels.get(rig.address).get_state() == grpc.ChannelConnectivity.READY


async def test_a_domain_error_keeps_its_details(rig: Rig) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await adapter_pb2_grpc.AdapterServiceStub(rig.channel).Describe(DescribeRequest())
    error = from_rpc_error(caught.value)
    assert (error.code, error.reason, error.retry_after) == (
        Code.UNAVAILABLE,
        ErrorReason.ERROR_REASON_CIRCUIT_OPEN,
        2.5,
    )


async def test_an_error_with_more_details_than_metadata_holds_still_arrives(rig: Rig) -> None:
    # Between the soft and the hard limit of metadata gRPC refuses some and not others.
    for _ in range(20):
        with pytest.raises(ServiceError) as caught:
            await rig.generate("all fail")
        error = caught.value
        assert (error.code, error.reason) == (Code.UNAVAILABLE, ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED)
        assert error.retry_after == 2.0
        assert error.failures["candidate-0"].message.startswith("不可用")


async def test_a_request_that_breaks_a_rule_names_the_field(rig: Rig) -> None:
    request = GenerateRequest(generation=generation())
    request.generation.messages[0].content = ""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await adapter_pb2_grpc.AdapterServiceStub(rig.channel).Generate(request)
    error = from_rpc_error(caught.value)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST
    assert [violation.field for violation in error.violations] == ["generation.messages[0]"]


async def test_a_defect_is_internal_and_says_nothing_of_itself(rig: Rig) -> None:
    with pytest.raises(ServiceError) as caught:
        await rig.generate("defect")
    assert caught.value.code == Code.INTERNAL
    assert "Zero" not in caught.value.message


async def test_calls_beyond_the_limit_are_refused_and_told_when_to_retry(rig: Rig) -> None:
    running = asyncio.create_task(rig.generate("wait"))
    await rig.servicer.entered.wait()
    with pytest.raises(ServiceError) as caught:
        await rig.generate()
    assert caught.value.code == Code.RESOURCE_EXHAUSTED
    assert caught.value.reason == ErrorReason.ERROR_REASON_OVERLOADED
    assert caught.value.retry_after == 1.0
    rig.servicer.release.set()
    assert await running == "done"
    assert await rig.generate() == "done"


async def test_a_message_that_is_too_large_is_refused(rig: Rig) -> None:
    with pytest.raises(ServiceError) as caught:
        await rig.generate("x" * 5000)
    assert caught.value.code == Code.RESOURCE_EXHAUSTED
    assert caught.value.reason == ErrorReason.ERROR_REASON_REQUEST_TOO_LARGE


async def test_metadata_that_is_too_large_is_refused(rig: Rig) -> None:
    stub = adapter_pb2_grpc.AdapterServiceStub(rig.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Generate(GenerateRequest(generation=generation()), metadata=(("x-large", "x" * 20_000),))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_cancelling_the_task_cancels_the_call(rig: Rig) -> None:
    call = asyncio.create_task(rig.generate("wait"))
    await rig.servicer.entered.wait()
    call.cancel()
    await rig.servicer.cancelled.wait()


async def test_the_deadline_is_the_caller_s(rig: Rig) -> None:
    assert 300 < float(await rig.generate("deadline", seconds=600)) <= 600.1


async def test_a_call_without_a_deadline_gets_the_default(rig: Rig) -> None:
    request = GenerateRequest(generation=generation("deadline"))
    answer = await adapter_pb2_grpc.AdapterServiceStub(rig.channel).Generate(request)
    assert 60 < float(answer.text) <= 120


async def test_the_default_deadline_ends_the_call(clock: Clock) -> None:
    async with Rig(ServiceSettings(default_deadline_seconds=300)) as rig:
        stub = adapter_pb2_grpc.AdapterServiceStub(rig.channel)
        call = stub.Generate(GenerateRequest(generation=generation("wait")))
        await rig.servicer.entered.wait()
        clock.advance(300)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert rig.servicer.cancelled.is_set()


async def test_the_caller_s_deadline_ends_the_call(rig: Rig) -> None:
    seconds = 0.05
    # A slow machine needs a longer deadline to reach the service at all.
    while not rig.servicer.entered.is_set():
        with pytest.raises(ServiceError) as caught:
            await rig.generate("wait", seconds=seconds)
        assert caught.value.code == Code.DEADLINE_EXCEEDED
        seconds *= 4
    await rig.servicer.cancelled.wait()


async def test_a_call_without_time_is_not_made(rig: Rig) -> None:
    with pytest.raises(ServiceError) as caught:
        await rig.generate("wait", seconds=0)
    assert caught.value.code == Code.DEADLINE_EXCEEDED
    assert not rig.servicer.entered.is_set()


async def test_a_stream_ends_with_its_error(rig: Rig) -> None:
    target = ModelTarget(candidate="a", address=rig.address)
    stream = ModelClient(rig.channels).stream(target, generation(), Deadline.after(600))
    assert (await anext(stream)).chunk.text == "one"
    with pytest.raises(ServiceError) as caught:
        await anext(stream)
    assert caught.value.message == "reset"


async def test_closing_a_stream_cancels_the_call(rig: Rig) -> None:
    target = ModelTarget(candidate="a", address=rig.address)
    stream = ModelClient(rig.channels).stream(target, generation("wait"), Deadline.after(600))
    assert (await anext(stream)).chunk.text == "one"
    await stream.aclose()
    await rig.servicer.cancelled.wait()


async def test_the_caller_s_trace_goes_on(rig: Rig) -> None:
    metadata = (("traceparent", f"00-{TRACE_ID}-b7ad6b7169203331-01"),)
    stub = adapter_pb2_grpc.AdapterServiceStub(rig.channel)
    answer = await stub.Generate(GenerateRequest(generation=generation("trace")), metadata=metadata)
    assert answer.text == TRACE_ID
    assert incoming_context(()) is None
    assert outgoing_metadata() == ()


async def test_health_follows_what_the_service_says(rig: Rig) -> None:
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    assert await rig.health("") == serving
    assert await rig.health(names.ADAPTER_SERVICE) == serving
    await rig.server.set_serving(names.ADAPTER_SERVICE, serving=False)
    assert await rig.health(names.ADAPTER_SERVICE) == not_serving
    assert await rig.health("") == serving


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_is_a_setting(version: str) -> None:
    async with Rig(ServiceSettings()) as rig:
        call = _reflection(rig.channel, version)
        async for answer in call:
            assert names.ADAPTER_SERVICE in [service.name for service in answer.list_services_response.service]
    async with Rig(ServiceSettings(reflection=False)) as rig:
        call = _reflection(rig.channel, version)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_draining_says_not_serving_first_and_lets_running_calls_finish(rig: Rig) -> None:
    running = asyncio.create_task(rig.generate("wait"))
    await rig.servicer.entered.wait()
    watch = health_stub(rig.channel).Watch(health_pb2.HealthCheckRequest(service=""))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    drained = asyncio.create_task(rig.server.drain())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    rig.servicer.release.set()
    assert await running == "done"
    await drained


async def test_those_who_only_watch_the_health_do_not_hold_up_the_drain() -> None:
    async with Rig(ServiceSettings(grace_seconds=3600)) as rig:
        watch = health_stub(rig.channel).Watch(health_pb2.HealthCheckRequest(service=names.ADAPTER_SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await rig.server.set_serving(names.ADAPTER_SERVICE, serving=False)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await rig.server.drain()
        assert await watch.read() is grpc.aio.EOF


async def test_those_who_watch_a_service_that_is_not_there_do_not_either() -> None:
    async with Rig(ServiceSettings(grace_seconds=3600)) as rig:
        watch = health_stub(rig.channel).Watch(health_pb2.HealthCheckRequest(service="unheard.of"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        await rig.server.drain()
        assert await watch.read() is grpc.aio.EOF


async def test_a_caller_that_leaves_while_a_message_is_sent_ends_the_stream(rig: Rig) -> None:
    request = StreamGenerateRequest(generation=generation("flood"))
    call = adapter_pb2_grpc.AdapterServiceStub(rig.channel).StreamGenerate(request)
    await rig.servicer.entered.wait()
    call.cancel()
    await rig.servicer.cancelled.wait()


async def test_the_grace_ends_running_calls() -> None:
    async with Rig(ServiceSettings(grace_seconds=0.05)) as rig:
        running = asyncio.create_task(rig.generate("wait"))
        await rig.servicer.entered.wait()
        await rig.server.drain()
        with pytest.raises(ServiceError):
            await running


async def test_a_watch_that_fails_ends_the_service(rig: Rig) -> None:
    ended = asyncio.Event()

    async def follows() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(WatchFailedError, match=r"ZeroDivisionError in test_server\.py, line \d+"):
        await rig.server.serve_until_signal(follows, fails)
    assert ended.is_set()


async def test_a_watch_that_fails_lets_running_calls_finish_while_the_health_says_no(rig: Rig) -> None:
    fail = asyncio.Event()

    async def ends() -> None:
        pass

    async def fails() -> None:
        await fail.wait()
        raise OSError("the file\nis gone")

    running = asyncio.create_task(rig.generate("wait"))
    await rig.servicer.entered.wait()
    watch = health_stub(rig.channel).Watch(health_pb2.HealthCheckRequest(service=""))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    serving = asyncio.create_task(rig.server.serve_until_signal(ends, fails))
    fail.set()
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert not serving.done()
    rig.servicer.release.set()
    assert await running == "done"
    with pytest.raises(WatchFailedError, match=r"^the service has ended: the file is gone$"):
        await serving


async def test_a_taken_address_is_an_error_that_names_it(rig: Rig) -> None:
    with pytest.raises(OSError, match=rig.address):
        await Server(ServiceSettings(listen=rig.address)).start()
