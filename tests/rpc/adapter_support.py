"""An adapter as a server over a real channel, in front of an upstream that does what a test tells it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.adapter.__main__ import engine_maker
from lightrouter.adapter.current import Current
from lightrouter.adapter.metrics import CallMetrics, report
from lightrouter.adapter.servicer import AdapterServicer
from lightrouter.pool.schema import CandidateEntry, Pool
from lightrouter.runtime import names
from lightrouter.runtime.channels import Channels
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.models import ModelClient
from lightrouter.runtime.server import Server
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.v1.adapter_pb2 import GenerateResponse, Generation, StreamGenerateResponse
from lightrouter.v1.adapter_pb2_grpc import add_AdapterServiceServicer_to_server
from lightrouter.v1.candidate_pb2 import ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, Role, Sampling

CANDIDATE = "fast"


def pool_of(base_url: str, **members: Any) -> Pool:
    """Returns a pool with one candidate behind `base_url`."""
    entry = CandidateEntry.model_validate({"name": CANDIDATE, "base_url": base_url, "model": "tiny", **members})
    return Pool({CANDIDATE: entry})


def generation(content: str = "Hello?", **members: Any) -> Generation:
    """Returns a generation for one user message."""
    return Generation(messages=[ChatMessage(role=Role.ROLE_USER, content=content)], **members)


def most(tokens: int) -> Sampling:
    """Returns the sampling that lets so many tokens be written."""
    return Sampling(max_output_tokens=tokens)


@dataclass(frozen=True)
class Adapter:
    """An adapter that serves."""

    models: ModelClient
    target: ModelTarget
    channel: grpc.aio.Channel
    current: Current
    server: Server
    spans: InMemorySpanExporter

    async def generate(self, asked: Generation, seconds: float = 20) -> GenerateResponse:
        """Calls Generate with a deadline of so many seconds."""
        return await self.models.generate(self.target, asked, Deadline.after(seconds))

    def stream(self, asked: Generation, seconds: float = 20) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Calls StreamGenerate with a deadline of so many seconds."""
        events = self.models.stream(self.target, asked, Deadline.after(seconds))
        assert isinstance(events, AsyncGenerator)
        return events

    async def read(self, asked: Generation, texts: list[str], seconds: float = 20) -> None:
        """Calls StreamGenerate and adds the pieces of text to `texts`."""
        async for event in self.stream(asked, seconds):
            texts.append(event.chunk.text)  # noqa: PERF401 - what came before a failure is wanted, too

    async def ask(self, asked: Generation, seconds: float, *, streamed: bool) -> None:
        """Calls StreamGenerate or Generate, for what goes wrong with it."""
        if streamed:
            await self.read(asked, [], seconds)
        else:
            await self.generate(asked, seconds)


@asynccontextmanager
async def adapter(base_url: str, meter: Meter | None = None, **members: Any) -> AsyncIterator[Adapter]:
    """Serves the candidate behind `base_url`, measured by `meter`; `members` are further members of its pool entry."""
    measured = meter or NoOpMeter("test")
    spans = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    make_engine = engine_maker(provider.get_tracer("test"), CallMetrics(measured))
    current = Current(CANDIDATE, pool_of(base_url, **members), make_engine)
    report(measured, current)
    server = Server(ServiceSettings(grace_seconds=0))
    server.add(names.ADAPTER_SERVICE, add_AdapterServiceServicer_to_server, AdapterServicer(current))
    channels = Channels()
    address = await server.start()
    try:
        target = ModelTarget(candidate=CANDIDATE, address=address)
        yield Adapter(ModelClient(channels), target, channels.get(address), current, server, spans)
    finally:
        await channels.close()
        await server.drain()
        await current.finish()
        provider.shutdown()
