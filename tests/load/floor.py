"""The floor: what gRPC, aiohttp and OpenTelemetry alone take for a route.

A gRPC server that makes as many streamed calls as a route, reads their events, answers, and exports as many spans as
the suite does: nothing is checked, counted, cut or ranked. No program on these libraries can cost less.

Run as `python -m tests.load.floor UPSTREAM_PORT OTLP_ENDPOINT READY_FILE`; writes its address into the file. Without an
endpoint it makes no spans.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp
import grpc
import uvloop
from opentelemetry.trace import Tracer
from yarl import URL

from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import open_telemetry
from lightrouter.v1.ledger_pb2 import Ledger, LedgerEntry
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, CompleteResponse
from tests.load import suite
from tests.load.load import Target
from tests.load.processes import Group, service, wait_for

# What the suite's own spans of a route have at least; a test compares them.
STAGES: Final = 5
"""Spans of a route beside those of its model calls."""
STAGE_ATTRIBUTES: Final = 3
"""Attributes of each of them."""
CALL_ATTRIBUTES: Final = 13
"""Attributes of a model call's span."""
CALL_EVENTS: Final = 2
"""Events of a model call's span."""
EVENT_ATTRIBUTES: Final = 2
"""Attributes of an event."""
_START_SECONDS: Final = 30.0


@contextmanager
def running(
    title: str, upstream_port: int, otlp: str, work: Path, selector: SelectorStrategy.ValueType
) -> Iterator[Target]:
    """Yields the server as one side of a comparison, with spans if `otlp` is not empty; its files come into `work`."""
    work.mkdir(parents=True, exist_ok=True)
    ready, log = work / "address", work / "floor.log"
    ready.unlink(missing_ok=True)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "tests.load.floor", str(upstream_port), otlp, str(ready)]
    with service(command, {}, log) as process:
        wait_for("the floor", lambda: ready.exists() or None, process, _START_SECONDS, log)
        start_s = time.perf_counter() - begin
        address, group = ready.read_text(), Group({"floor": process})
        yield Target(title, suite.MODEL_CALLS, group, start_s, lambda: suite.routes(address, selector))


class _Router:
    def __init__(self, session: aiohttp.ClientSession, url: URL, tracer: Tracer) -> None:
        self._session = session
        self._url = url
        self._tracer = tracer

    async def complete(
        self, request: CompleteRequest, _context: grpc.aio.ServicerContext[CompleteRequest, CompleteResponse]
    ) -> CompleteResponse:
        prompt = request.prompt
        messages = [{"role": "user", "content": message.content} for message in prompt.messages]
        asked = {"messages": messages, "max_tokens": prompt.sampling.max_output_tokens, "stream": True}
        calls = (self._call({"model": f"bench-{number}", **asked}) for number in range(1, suite.MODEL_CALLS + 1))
        texts = await asyncio.gather(*calls)
        for _ in range(STAGES):
            self._span(STAGE_ATTRIBUTES)
        ledger = Ledger(entries=[LedgerEntry() for _ in texts])
        return CompleteResponse(answer=Answer(text=texts[0], ledger=ledger))

    async def _call(self, asked: dict[str, object]) -> str:
        text, rest = [], b""
        async with self._session.post(self._url, data=json.dumps(asked).encode()) as reply:
            async for chunk in reply.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line and line != b"data: [DONE]":
                        choices = json.loads(line.removeprefix(b"data: "))["choices"]
                        text += [choice["delta"].get("content", "") for choice in choices]
        self._span(CALL_ATTRIBUTES, CALL_EVENTS)
        return "".join(text)

    def _span(self, attributes: int, events: int = 0) -> None:
        with self._tracer.start_as_current_span("floor") as span:
            span.set_attributes(_values(attributes))
            for _ in range(events):
                span.add_event("floor", _values(EVENT_ATTRIBUTES))


def _values(number: int) -> dict[str, str | int]:
    # Half texts, half numbers, as those of a route.
    return {f"lightrouter.floor.{i}": i if i % 2 else "a name" for i in range(number)}


async def _serve(upstream_port: int, otlp: str, ready: Path) -> None:
    telemetry = open_telemetry("floor", ServiceSettings(otlp_endpoint=otlp or None), {})
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        server = grpc.aio.server()
        url = URL(f"http://127.0.0.1:{upstream_port}/v1/chat/completions")
        router = _Router(session, url, telemetry.tracer)
        method = grpc.unary_unary_rpc_method_handler(
            router.complete, CompleteRequest.FromString, CompleteResponse.SerializeToString
        )
        handler = grpc.method_handlers_generic_handler(names.ROUTER_SERVICE, {"Complete": method})
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        # It is read as soon as it is there.
        written = ready.with_suffix(".part")
        written.write_text(f"127.0.0.1:{port}")
        written.replace(ready)
        await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
