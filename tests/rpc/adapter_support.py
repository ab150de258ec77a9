"""An adapter as a real server, between a channel and an upstream whose behaviour the test decides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.adapter.assemble import engine_maker
from lightrouter.adapter.live import LiveEngine, report
from lightrouter.adapter.servicer import AdapterServicer
from lightrouter.adapter.telemetry import CallMetrics
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.toolcalls import ToolCalls
from lightrouter.v1.adapter_pb2 import (
    GenerateResponse,
    Generation,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub, add_AdapterServiceServicer_to_server
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role, Sampling
from tests.upstreams.upstream import Behaviour, Upstream

STOP = FinishReason.FINISH_REASON_STOP
LENGTH = FinishReason.FINISH_REASON_LENGTH
FILTER = FinishReason.FINISH_REASON_CONTENT_FILTER
UNKNOWN = FinishReason.FINISH_REASON_UNKNOWN
# A deadline, in seconds, that no test reaches, unless it puts the clock forward. Channels count as idle only later.
LONG = 300.0
COUNTS = {"prompt_tokens": 10, "completion_tokens": 5}

CANDIDATE = "fast"

Call = grpc.aio.UnaryStreamCall[StreamGenerateRequest, StreamGenerateResponse]


def pool_of(base_url: str, **members: Any) -> Pool:
    """Returns a pool with one candidate behind `base_url`."""
    entry = CandidateEntry.model_validate({"name": CANDIDATE, "base_url": base_url, "model": "tiny", **members})
    return Pool({CANDIDATE: entry})


def generation(content: str = "Hello?", **members: Any) -> Generation:
    """Returns a generation for one user message."""
    return Generation(messages=[ChatMessage(role=Role.ROLE_USER, content=content)], **members)


def most(tokens: int) -> Sampling:
    """Returns the sampling with this limit of tokens."""
    return Sampling(max_output_tokens=tokens)


async def until(seen: Callable[[], bool]) -> None:
    """Returns once something is seen that nobody tells."""
    while not seen():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)


async def rounds(count: int = 100) -> None:
    """Lets the event loop go round, so that every peer in this process reads what was sent to it."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Adapter:
    """A serving adapter."""

    models: ModelClient
    target: ModelTarget
    channel: grpc.aio.Channel
    live: LiveEngine
    server: Server
    spans: InMemorySpanExporter

    async def generate(self, asked: Generation, seconds: float = LONG) -> GenerateResponse:
        """Calls Generate with a deadline of `seconds`."""
        return await self.models.generate(self.target, asked, Deadline.after(seconds))

    def stream(self, asked: Generation, seconds: float = LONG) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Calls StreamGenerate with a deadline of `seconds`."""
        events = self.models.stream(self.target, asked, Deadline.after(seconds))
        assert isinstance(events, AsyncGenerator)
        return events

    def hold(self, asked: Generation, tokens: int, seconds: float = LONG) -> Call:
        """Calls StreamGenerate with a checkpoint after `tokens` and a deadline of `seconds`."""
        # The generated stubs have no types.
        stub: Any = AdapterServiceStub(self.channel)
        call: Call = stub.StreamGenerate(
            StreamGenerateRequest(generation=asked, checkpoint_tokens=tokens), timeout=seconds
        )
        return call

    async def read(self, asked: Generation, texts: list[str], seconds: float = LONG) -> None:
        """Calls StreamGenerate and adds each chunk's text to `texts`."""
        async for event in self.stream(asked, seconds):
            texts.append(event.chunk.text)  # noqa: PERF401 - the texts before a failure are wanted, too

    async def ask(self, asked: Generation, seconds: float, *, streamed: bool) -> None:
        """Calls StreamGenerate or Generate, for its error."""
        if streamed:
            await self.read(asked, [], seconds)
        else:
            await self.generate(asked, seconds)


@asynccontextmanager
async def adapter(base_url: str, meter: Meter | None = None, **members: Any) -> AsyncIterator[Adapter]:
    """Serves the candidate behind `base_url`; `members` are further members of its pool entry."""
    measured = meter or NoOpMeter("test")
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    make_engine = engine_maker(provider.get_tracer("test"), CallMetrics(measured))
    live = LiveEngine(CANDIDATE, pool_of(base_url, **members), make_engine)
    report(measured, lambda: (live,))
    server = Server(ServiceSettings(grace_seconds=0))
    server.add(names.ADAPTER_SERVICE, add_AdapterServiceServicer_to_server, AdapterServicer(live))
    channels = Channels()
    address = await server.start()
    try:
        target = ModelTarget(candidate=CANDIDATE, address=address)
        yield Adapter(ModelClient(channels), target, channels.get(address), live, server, spans)
    finally:
        await channels.close()
        await server.drain()
        await live.finish()
        provider.shutdown()


async def asked(served: Adapter, request: Generation, *, streamed: bool) -> GenerateResponse:
    """Asks by a streamed or a unary call; the answers are the same."""
    if not streamed:
        return await served.generate(request)
    whole, calls = GenerateResponse(), ToolCalls()
    async for event in served.stream(request):
        calls.add(event.chunk.tool_calls)
        whole.text += event.chunk.text
        whole.reasoning += event.chunk.reasoning
        whole.restarted |= event.chunk.restarted
        if event.HasField("result"):
            whole.result.CopyFrom(event.result)
    whole.tool_calls.extend(calls.calls())
    return whole


async def answered(behaviour: Behaviour, request: Generation | None = None, **members: Any) -> GenerateResponse:
    """Asks by both calls; returns their answer, which must be the same."""
    members.setdefault("limits", {"retries": 0})
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url, **members) as served:
        given = [await asked(served, request or generation(), streamed=streamed) for streamed in (False, True)]
    for one in given:
        one.result.ClearField("elapsed")
        one.result.ClearField("time_to_first_token")
        one.result.ClearField("continuation")
    assert given[0] == given[1]
    return given[0]


async def failed(behaviour: Behaviour, **members: Any) -> ServiceError:
    """Asks by both calls; returns their failure, which must be the same."""
    members.setdefault("limits", {"retries": 0})
    errors = []
    for streamed in (False, True):
        # Each has an adapter of its own: the quirks that one learns may spare the next a call.
        async with Upstream(behaviour) as upstream, adapter(upstream.base_url, **members) as served:
            with pytest.raises(ServiceError) as caught:
                await asked(served, generation(), streamed=streamed)
            errors.append(caught.value)
    assert (errors[0].reason, errors[0].message) == (errors[1].reason, errors[1].message)
    return errors[0]
