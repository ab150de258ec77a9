"""A real router over real channels, between adapters, a selector and an aggregator that do as they are told."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import grpc
import yaml
from grpc_health.v1 import health_pb2
from opentelemetry.sdk.metrics.export import MetricReader

from lightrouter.pool import statefile
from lightrouter.pool.status import CandidateStatus
from lightrouter.router.assemble import assemble
from lightrouter.router.clients import AdapterHealth
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.deadline import current_deadline
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    DescribeResponse,
    GenerateRequest,
    GenerateResponse,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceServicer, add_AdapterServiceServicer_to_server
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceServicer, add_AggregatorServiceServicer_to_server
from lightrouter.v1.router_pb2 import (
    CompleteRequest,
    CompleteResponse,
    ListCandidatesRequest,
    ListCandidatesResponse,
    Prompt,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse
from lightrouter.v1.selector_pb2_grpc import SelectorServiceServicer, add_SelectorServiceServicer_to_server
from tests.unit.router.builders import pool_candidate, snapshot
from tests.unit.router.fakes import FakeAggregator, FakeModels, FakeSelector, Model

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

Context = grpc.aio.ServicerContext[Any, Any]


class Adapter(AdapterServiceServicer):
    """One candidate's adapter, before a scripted model."""

    def __init__(self, name: str, models: FakeModels) -> None:
        self._target = models.snapshot.targets[name]
        self._models = models

    async def Describe(self, request: DescribeRequest, context: Context) -> DescribeResponse:
        return DescribeResponse(candidate=self._models.snapshot.candidates[self._target.candidate])

    async def Generate(self, request: GenerateRequest, context: Context) -> GenerateResponse:
        return await self._models.generate(self._target, request.generation, current_deadline())

    async def StreamGenerate(
        self, request: StreamGenerateRequest, context: Context
    ) -> AsyncIterator[StreamGenerateResponse]:
        async for event in self._models.stream(
            self._target, request.generation, current_deadline(), checkpoint_tokens=request.checkpoint_tokens
        ):
            yield event


class Selector(SelectorServiceServicer):
    def __init__(self, selector: FakeSelector) -> None:
        self._selector = selector

    async def Select(self, request: SelectRequest, context: Context) -> SelectResponse:
        return await self._selector.select(request, current_deadline())

    async def Shortlist(self, request: ShortlistRequest, context: Context) -> ShortlistResponse:
        return await self._selector.shortlist(request, current_deadline())


class Aggregator(AggregatorServiceServicer):
    def __init__(self, aggregator: FakeAggregator) -> None:
        self._aggregator = aggregator

    async def Aggregate(self, request: AggregateRequest, context: Context) -> AsyncIterator[AggregateResponse]:
        async for event in self._aggregator.aggregate(request, current_deadline()):
            yield event


class RouterSuite:
    """The router and its neighbours on unix sockets.

    Attributes:
        models: The scripted models; more may be told while it runs.
        selector: The scripted selector.
        aggregator: The scripted aggregator.
        stub: The router.
        address: Where the router listens.
    """

    def __init__(
        self,
        *,
        entries: Sequence[dict[str, object]] = ({"name": "a"}, {"name": "b"}, {"name": "c"}),
        pool: Mapping[str, object] | None = None,
        down: Sequence[str] = (),
        reader: MetricReader | None = None,
        **settings: object,
    ) -> None:
        """Gives the router these pool entries; `down` are neighbours that do not run: names, selector, aggregator.

        `pool` has further keys of the pool file. The router's metrics are collected by `reader`.
        """
        self._reader = reader
        self._entries = [dict(entry) for entry in entries]
        self._keys = pool or {}
        self._down = down
        self._settings = settings
        self._stack = AsyncExitStack()
        # A socket's path has at most 107 bytes, which pytest's folders may exceed.
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="router-")))
        self.pool_file = self._folder / "pool.yaml"
        known = snapshot(*(pool_candidate(str(entry["name"])) for entry in entries))
        self.models = FakeModels(known, **{name: Model() for name in known.candidates})
        self.selector = FakeSelector({"a": 0.9, "b": 0.8, "c": 0.7})
        self.aggregator = FakeAggregator()
        self.adapters: dict[str, Server] = {}
        self.health = HealthMonitor(self._watch, pause_seconds=0.01)
        self.stub: RouterServiceAsyncStub
        self.channel: grpc.aio.Channel

    async def __aenter__(self) -> Self:
        self.write_pool()
        for name in self.models.models:
            if name not in self._down:
                await self.start_adapter(name)
        if "selector" not in self._down:
            servicer = Selector(self.selector)
            await self._serve("selector", names.SELECTOR_SERVICE, add_SelectorServiceServicer_to_server, servicer)
        if "aggregator" not in self._down:
            merging = Aggregator(self.aggregator)
            await self._serve("aggregator", names.AGGREGATOR_SERVICE, add_AggregatorServiceServicer_to_server, merging)
        await self._start_router()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def write_pool(self) -> None:
        """Writes the pool file with the entries as they are now."""
        whole = [{"base_url": "http://unused/v1", "model": "m"} | entry for entry in self._entries]
        self.pool_file.write_text(yaml.safe_dump({"candidates": whole, **self._keys}), encoding="utf-8")

    async def change_entry(self, name: str, **changed: object) -> None:
        """Changes an entry and makes the router look at the file at once."""
        next(entry for entry in self._entries if entry["name"] == name).update(changed)
        self.write_pool()
        assert self._pool.file
        await self._pool.file.refresh()

    async def write_standings(self, standings: Mapping[str, CandidateStatus]) -> None:
        """Writes the state file as the evaluator does, and makes the router look at it at once."""
        statefile.amend(statefile.state_path(self.pool_file), standings)
        assert self._pool.file
        await self._pool.file.refresh()

    async def start_adapter(self, name: str) -> Server:
        """Serves the adapter of a candidate."""
        adapter = Adapter(name, self.models)
        server = await self._serve(name, names.ADAPTER_SERVICE, add_AdapterServiceServicer_to_server, adapter)
        self.adapters[name] = server
        return server

    async def complete(self, prompt: Prompt, timeout: float | None = None) -> CompleteResponse:
        """Calls Complete; raises the domain's error."""
        try:
            return await self.stub.Complete(CompleteRequest(prompt=prompt), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def stream(
        self, prompt: Prompt, *, partials: bool = False, timeout: float | None = None
    ) -> list[StreamCompleteResponse]:
        """Calls StreamComplete to its end; raises the domain's error."""
        try:
            request = StreamCompleteRequest(prompt=prompt, stream_partials=partials)
            return [event async for event in self.stub.StreamComplete(request, timeout=timeout)]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def list_candidates(self) -> ListCandidatesResponse:
        """Calls ListCandidates."""
        return await self.stub.ListCandidates(ListCandidatesRequest())

    async def watch_health(self) -> AsyncGenerator[bool, None]:
        """Yields whether the router serves, now and whenever that changes."""
        method = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        async for response in method(health_pb2.HealthCheckRequest(service=names.ROUTER_SERVICE)):
            yield response.status == health_pb2.HealthCheckResponse.SERVING

    def _watch(self, address: str, *, wait: bool) -> Any:
        return AdapterHealth(self._channels).watch(address, wait=wait)

    def address_of(self, name: str) -> str:
        """Returns where a neighbour listens: a candidate's adapter, selector, aggregator or router."""
        return f"unix:{self._folder}/{name}.sock"

    async def _serve(self, name: str, service: str, register: Any, servicer: object) -> Server:
        server = Server(ServiceSettings(listen=self.address_of(name), reflection=False))
        server.add(service, register, servicer)
        return await self._stack.enter_async_context(server)

    async def _start_router(self) -> None:
        own = {
            "listen": self.address_of("router"),
            "boot_grace_seconds": 600.0,
            "boot_tokens": 2,
            "max_output_tokens": 8,
            "hold": "never",
        }
        values = own | self._settings
        settings = RouterSettings(
            pool=self.pool_file,
            adapter_address=self.address_of("{name}"),
            selector_address=self.address_of("selector"),
            aggregator_address=self.address_of("aggregator"),
            **values,  # type: ignore[arg-type]  # passed on as they are
        )
        self._channels = Channels(settings.max_message_bytes)
        self._stack.push_async_callback(self._channels.close)
        telemetry = Telemetry("test", None, reader=self._reader)
        self._stack.callback(telemetry.shutdown)
        router = assemble(settings, self._channels, telemetry, self.health)
        self._pool, self.server = router.pool, router.server
        await self._stack.enter_async_context(router.running())
        self.address = self.server.address
        reporting = asyncio.create_task(
            self.health.report(lambda serving: self.server.set_serving(names.ROUTER_SERVICE, serving))
        )
        self._stack.callback(reporting.cancel)
        options = (("grpc.default_authority", "localhost"), ("grpc.max_metadata_size", 1 << 20))
        self.channel = grpc.aio.insecure_channel(self.address_of("router"), options)
        self._stack.push_async_callback(self.channel.close)
        self.stub = RouterServiceStub(self.channel)
