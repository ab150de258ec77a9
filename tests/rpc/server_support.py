"""A server with a scripted servicer, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import trace

from lightrouter.runtime.deadline import Deadline, current_deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.v1 import adapter_pb2_grpc
from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    DescribeResponse,
    GenerateRequest,
    GenerateResponse,
    Generation,
    GenerationChunk,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.error_reason_pb2 import ErrorReason, Failure


class Scripted(adapter_pb2_grpc.AdapterServiceServicer):
    """Does what the prefix of the generation says."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def Describe(self, request: DescribeRequest, context: object) -> DescribeResponse:
        raise ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_CIRCUIT_OPEN, "wait", retry_after=2.5)

    async def Generate(self, request: GenerateRequest, context: object) -> GenerateResponse:
        match request.generation.prefix:
            case "defect":
                raise ZeroDivisionError
            case "all fail":
                long = Failure(reason=ErrorReason.ERROR_REASON_UPSTREAM_ERROR, message="不可用" * 200)
                many = {f"candidate-{number}": long for number in range(256)}
                reason = ErrorReason.ERROR_REASON_ALL_CANDIDATES_FAILED
                raise ServiceError(Code.UNAVAILABLE, reason, long.message, retry_after=2.0, failures=many)
            case "wait":
                self.entered.set()
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
            case "deadline":
                return GenerateResponse(text=str(current_deadline().remaining()))
            case "trace":
                span = trace.get_current_span().get_span_context()
                return GenerateResponse(text=trace.format_trace_id(span.trace_id))
        return GenerateResponse(text="done")

    async def StreamGenerate(
        self, request: StreamGenerateRequest, context: object
    ) -> AsyncIterator[StreamGenerateResponse]:
        try:
            yield StreamGenerateResponse(chunk=GenerationChunk(text="one"))
            if request.generation.prefix == "wait":
                self.entered.set()
                await self.release.wait()
            while request.generation.prefix == "flood":
                self.entered.set()
                yield StreamGenerateResponse(chunk=GenerationChunk(text="x" * 4000))
            raise ServiceError(Code.UNAVAILABLE, ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE, "reset")
        finally:
            self.cancelled.set()


@asynccontextmanager
async def serving(adapter: adapter_pb2_grpc.AdapterServiceServicer, folder: Path) -> AsyncIterator[str]:
    """Serves an adapter on a socket in `folder`; yields its address."""
    server = Server(ServiceSettings(listen=f"unix:{folder}/adapter.sock"))
    server.add(names.ADAPTER_SERVICE, adapter_pb2_grpc.add_AdapterServiceServicer_to_server, adapter)
    async with server:
        yield f"unix:{folder}/adapter.sock"


class Rig:
    """A server, its servicer and a client."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.servicer = Scripted()
        self.server = Server(settings)
        self.server.add(names.ADAPTER_SERVICE, adapter_pb2_grpc.add_AdapterServiceServicer_to_server, self.servicer)
        self.channels = Channels()
        self.address = ""

    async def __aenter__(self) -> Rig:
        self.address = await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channels.close()
        await self.server.__aexit__(None, None, None)

    @property
    def channel(self) -> grpc.aio.Channel:
        return self.channels.get(self.address)

    async def generate(self, prefix: str = "", seconds: float = 600) -> str:
        target = ModelTarget(candidate="a", address=self.address)
        return (await ModelClient(self.channels).generate(target, generation(prefix), Deadline.after(seconds))).text

    async def health(self, service: str) -> int:
        stub = health_stub(self.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(answer.status)


def health_stub(channel: grpc.aio.Channel) -> Any:
    # The published stubs know only the synchronous channel.
    return health_pb2_grpc.HealthStub(channel)


def generation(prefix: str = "") -> Generation:
    return Generation(messages=[ChatMessage(role=Role.ROLE_USER, content="hello")], prefix=prefix)
