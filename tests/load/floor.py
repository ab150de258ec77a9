"""The floor: what gRPC and aiohttp alone take for the model calls of a route.

A gRPC server that makes as many streamed calls as a route, reads their events, and answers: nothing is checked, traced,
measured, cut or ranked. No program on these libraries can cost less.

Run as `python -m tests.load.floor UPSTREAM_PORT READY_FILE`; writes its address into the file.
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
from yarl import URL

from lightrouter.runtime.telemetry import names
from lightrouter.v1.ledger_pb2 import Ledger, LedgerEntry
from lightrouter.v1.policy_pb2 import SelectorStrategy
from lightrouter.v1.router_pb2 import Answer, CompleteRequest, CompleteResponse
from tests.load import suite
from tests.load.load import Target
from tests.load.processes import Group, service, wait_for

_TITLE: Final = "bare aiohttp and gRPC"
_START_SECONDS: Final = 30.0


@contextmanager
def running(upstream_port: int, work: Path, selector: SelectorStrategy.ValueType) -> Iterator[Target]:
    """Yields the server as one side of a comparison; its files are put into `work`."""
    ready, log = work / "floor.address", work / "floor.log"
    ready.unlink(missing_ok=True)
    begin = time.perf_counter()
    with service([sys.executable, "-m", "tests.load.floor", str(upstream_port), str(ready)], {}, log) as process:
        wait_for("the floor", lambda: ready.exists() or None, process, _START_SECONDS, log)
        start_s = time.perf_counter() - begin
        address, group = ready.read_text(), Group({"floor": process})
        yield Target(_TITLE, suite.MODEL_CALLS, group, start_s, lambda: suite.routes(address, selector))


class _Router:
    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        self._session = session
        self._url = url

    async def complete(
        self, request: CompleteRequest, _context: grpc.aio.ServicerContext[CompleteRequest, CompleteResponse]
    ) -> CompleteResponse:
        prompt = request.prompt
        messages = [{"role": "user", "content": message.content} for message in prompt.messages]
        asked = {"messages": messages, "max_tokens": prompt.sampling.max_output_tokens, "stream": True}
        calls = (self._call({"model": f"bench-{number}", **asked}) for number in range(1, suite.MODEL_CALLS + 1))
        texts = await asyncio.gather(*calls)
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
        return "".join(text)


async def _serve(upstream_port: int, ready: Path) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        server = grpc.aio.server()
        router = _Router(session, URL(f"http://127.0.0.1:{upstream_port}/v1/chat/completions"))
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
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
