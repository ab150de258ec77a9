"""What comes below HTTP/2's and gRPC's rules: no service falls silent, and nothing is spent on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web

from lightrouter.aggregator import assemble as aggregator_assembly
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.logs import send_logs
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.selector import assemble as selector_assembly
from lightrouter.selector.settings import SelectorSettings
from lightrouter.v1.adapter_pb2 import DescribeRequest
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceStub
from lightrouter.v1.candidate_pb2 import Draft
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.selector_pb2 import ShortlistCandidate, ShortlistRequest
from lightrouter.v1.selector_pb2_grpc import SelectorServiceStub
from tests.rpc.adapter_support import adapter
from tests.rpc.router_suite import RouterSuite
from tests.rpc.wire import call, headers_of, malformed, send

SECONDS = 60
QUESTION = [ChatMessage(role=Role.ROLE_USER, content="Why?")]

Valid = Callable[[], Awaitable[object]]


@asynccontextmanager
async def router() -> AsyncIterator[tuple[str, Valid]]:
    async with RouterSuite() as suite:
        yield suite.address, suite.list_candidates
        assert not suite.models.calls


@asynccontextmanager
async def selector() -> AsyncIterator[tuple[str, Valid]]:
    channels = Channels()
    server = selector_assembly.assemble(SelectorSettings(), channels, Telemetry("selector", None))
    async with server:
        request = ShortlistRequest(messages=QUESTION, candidates=[ShortlistCandidate(candidate="a")])
        stub = SelectorServiceStub(channels.get(server.address))
        yield server.address, lambda: stub.Shortlist(request, timeout=SECONDS)
    await channels.close()


@asynccontextmanager
async def aggregator() -> AsyncIterator[tuple[str, Valid]]:
    channels = Channels()
    server = aggregator_assembly.assemble(AggregatorSettings(), channels, Telemetry("aggregator", None))
    async with server:
        request = AggregateRequest(messages=QUESTION, drafts=[Draft(candidate="a", text="So.")])
        stub = AggregatorServiceStub(channels.get(server.address))
        yield server.address, lambda: stub.Aggregate(request, timeout=SECONDS).read()
    await channels.close()


@asynccontextmanager
async def one_adapter() -> AsyncIterator[tuple[str, Valid]]:
    asked = 0

    async def ask(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", ask)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with adapter(f"{site.name}/v1") as served:
        stub = AdapterServiceStub(served.channel)
        yield served.target.address, lambda: stub.Describe(DescribeRequest(), timeout=SECONDS)
    await runner.cleanup()
    assert not asked


async def test_a_header_that_is_not_utf_8_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    send_logs("test", "info", "json")
    bad = (b"authorization", b"Bearer secret\xff"), (b"x-a", b"\xff"), (b"traceparent", b"\xff")
    async with selector() as (address, valid):
        await send(address, call(headers_of(f"/{names.SELECTOR_SERVICE}/Shortlist".encode(), None, *bad)))
        await valid()
    written = capsys.readouterr().err
    assert "serving" in written
    assert "secret" not in written
    assert "Traceback" not in written


@pytest.mark.parametrize(
    ("service", "method"),
    [
        (router, f"{names.ROUTER_SERVICE}/Complete"),
        (router, f"{names.ROUTER_SERVICE}/StreamComplete"),
        (selector, f"{names.SELECTOR_SERVICE}/Select"),
        (aggregator, f"{names.AGGREGATOR_SERVICE}/Aggregate"),
        (one_adapter, f"{names.ADAPTER_SERVICE}/StreamGenerate"),
        (selector, "grpc.health.v1.Health/Check"),
        (selector, "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_service_answers_after_whatever_was_sent_to_it(
    service: Callable[[], AbstractAsyncContextManager[tuple[str, Valid]]], method: str
) -> None:
    async with service() as (address, valid):
        await valid()
        for name, sent in malformed(b"/" + method.encode()):
            try:
                async with asyncio.timeout(SECONDS):
                    await send(address, sent)
                    # Twice: the first may have been accepted before what was sent has done its harm.
                    await valid()
                    await valid()
            except Exception as error:
                raise AssertionError(f"{method} after {name}: {error!r}") from error
