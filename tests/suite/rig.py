"""The whole suite in this process, in both ways: as services over real channels, and as one that calls directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import yaml
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.trace import SpanProcessor

from lightrouter.adapter import assemble as adapter_assembly
from lightrouter.adapter.settings import AdapterSettings
from lightrouter.aggregator import assemble as aggregator_assembly
from lightrouter.aggregator.settings import AggregatorSettings
from lightrouter.router import assemble as router_assembly
from lightrouter.router.settings import RouterSettings
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.telemetry.capture import NOTHING, TextCapture
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.selector import assemble as selector_assembly
from lightrouter.selector.learned import CurrentModel, no_model
from lightrouter.selector.settings import SelectorSettings
from lightrouter.suite import assemble as suite_assembly
from lightrouter.suite.settings import whole
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, Prompt, StreamCompleteRequest, StreamCompleteResponse
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.upstreams.upstream import Upstream

if TYPE_CHECKING:
    from lightrouter.v1.router_pb2_grpc import RouterServiceAsyncStub

Entry = Mapping[str, object]
Readers = Callable[[str], MetricReader]


def entry(name: str, base_url: str, **fields: object) -> Entry:
    """Returns a pool entry that costs something and does not wait long between its retries."""
    base = {"name": name, "base_url": base_url, "model": f"model-of-{name}", "prices": {"input": 1, "output": 2}}
    return base | fields


def first_and_second(first: Upstream, second: Upstream) -> tuple[Entry, Entry]:
    """Returns the entries of two candidates, of which the first is the better one."""
    return entry("first", first.base_url, prior=0.9), entry("second", second.base_url)


def prompt(policy: Policy | None = None, text: str = "What is the capital of France?") -> Prompt:
    """Returns a prompt of one message."""
    return Prompt(messages=[ChatMessage(role=Role.ROLE_USER, content=text)], policy=policy)


@dataclass(frozen=True)
class Suite:
    """A running suite.

    Attributes:
        stub: The router, over a channel of the caller's own.
        servers: The servers by name: router, and if they are services, selector, aggregator and each candidate.
        pool: The pool file.
    """

    stub: RouterServiceAsyncStub
    servers: Mapping[str, Server]
    pool: Path

    async def complete(self, asked: Prompt, seconds: float = 600) -> Answer:
        """Returns the answer."""
        return (await self.stub.Complete(CompleteRequest(prompt=asked), timeout=seconds)).answer

    async def stream(
        self, asked: Prompt, seconds: float = 600, *, stream_partials: bool = False
    ) -> list[StreamCompleteResponse]:
        """Returns all events."""
        request = StreamCompleteRequest(prompt=asked, stream_partials=stream_partials)
        return [event async for event in self.stub.StreamComplete(request, timeout=seconds)]


@dataclass(frozen=True)
class _Told:
    """The receivers of the services' reports."""

    spans: SpanProcessor | None
    readers: Readers | None
    capture: TextCapture
    stack: AsyncExitStack

    def by(self, service: str) -> Telemetry:
        name = f"lightrouter-{service}"
        reader = self.readers(name) if self.readers else None
        telemetry = Telemetry(name, self.spans, reader=reader, capture=self.capture)
        self.stack.callback(telemetry.shutdown)
        return telemetry


async def _adapter(folder: Path, pool: Path, name: str, telemetry: Telemetry, stack: AsyncExitStack) -> Server:
    adapter = adapter_assembly.assemble(
        AdapterSettings(pool=pool, candidate=name, listen=f"unix:{folder}/{name}.sock"), telemetry
    )
    await stack.enter_async_context(adapter.running())
    return adapter.server


@asynccontextmanager
async def running(
    folder: Path,
    *entries: Entry,
    router: Mapping[str, object] = MappingProxyType({}),
    pool: Mapping[str, object] = MappingProxyType({}),
    spans: SpanProcessor | None = None,
    readers: Readers | None = None,
    capture: TextCapture = NOTHING,
    model: CurrentModel = no_model,
) -> AsyncIterator[Suite]:
    """Runs a suite with these candidates, its sockets and pool file below `folder`.

    Args:
        folder: A folder with a short path.
        entries: The candidates of the pool file.
        router: Settings of the router.
        pool: Further keys of the pool file.
        spans: What gets all spans.
        readers: Makes what collects the metrics of the service of a name.
        capture: What puts text on spans.
        model: Returns the model of the selector `learned`.
    """
    path = _pool_file(folder, entries, pool)
    servers: dict[str, Server] = {}
    async with AsyncExitStack() as stack:
        told = _Told(spans, readers, capture, stack)
        channels = Channels()
        for each in entries:
            name = str(each["name"])
            servers[name] = await _adapter(folder, path, name, told.by(f"adapter-{name}"), stack)
        stack.push_async_callback(channels.close)
        selector = selector_assembly.assemble(
            SelectorSettings(listen=f"unix:{folder}/selector.sock", adapter_address=f"unix:{folder}/{{name}}.sock"),
            channels,
            told.by("selector"),
            model,
        )
        servers["selector"] = await stack.enter_async_context(selector)
        aggregator_settings = AggregatorSettings(
            listen=f"unix:{folder}/aggregator.sock", adapter_address=f"unix:{folder}/{{name}}.sock"
        )
        aggregator = aggregator_assembly.assemble(aggregator_settings, channels, told.by("aggregator"))
        servers["aggregator"] = await stack.enter_async_context(aggregator)
        settings = RouterSettings.model_validate(
            {
                "pool": path,
                "listen": f"unix:{folder}/router.sock",
                "selector_address": f"unix:{folder}/selector.sock",
                "aggregator_address": f"unix:{folder}/aggregator.sock",
                "adapter_address": f"unix:{folder}/{{name}}.sock",
                **router,
            }
        )
        assembled = router_assembly.assemble(settings, channels, told.by("router"))
        servers["router"] = assembled.server
        await stack.enter_async_context(assembled.running())
        watching = asyncio.create_task(assembled.pool.watch())
        stack.callback(watching.cancel)
        caller = Channels()
        stack.push_async_callback(caller.close)
        yield Suite(RouterServiceStub(caller.get(settings.listen)), servers, path)


@asynccontextmanager
async def one_process(
    folder: Path,
    *entries: Entry,
    router: Mapping[str, object] = MappingProxyType({}),
    pool: Mapping[str, object] = MappingProxyType({}),
    spans: SpanProcessor | None = None,
    readers: Readers | None = None,
    capture: TextCapture = NOTHING,
) -> AsyncIterator[Suite]:
    """Runs the suite of one process; the arguments are those of `running`."""
    path = _pool_file(folder, entries, pool)
    # To read the artifact would be most of a test's time.
    own = {"pool": path, "listen": f"unix:{folder}/router.sock", "artifact": folder / "none"}
    settings = whole().model_validate({**own, **router})
    async with AsyncExitStack() as stack:
        channels = Channels()
        stack.push_async_callback(channels.close)
        reader = readers("lightrouter") if readers else None
        telemetry = Telemetry("lightrouter", spans, reader=reader, capture=capture)
        stack.callback(telemetry.shutdown)
        assembled = suite_assembly.assemble(settings, channels, telemetry)
        await stack.enter_async_context(assembled.running())
        watching = asyncio.create_task(assembled.router.pool.watch())
        stack.callback(watching.cancel)
        caller = Channels()
        stack.push_async_callback(caller.close)
        yield Suite(RouterServiceStub(caller.get(settings.listen)), {"router": assembled.router.server}, path)


def _pool_file(folder: Path, entries: Iterable[Entry], more: Mapping[str, object]) -> Path:
    path = folder / "pool.yaml"
    path.write_text(yaml.safe_dump({"candidates": [dict(each) for each in entries], **more}))
    return path


Run = Callable[..., AbstractAsyncContextManager[Suite]]
"""`running` or `one_process`."""
