"""An OTLP collector that discards what it gets, so that tracing is paid for by the services alone.

Run as `python -m tests.load.sink`; prints the port that it took. `--hang` has it never answer, `--refuse` refuse all.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import grpc
import uvloop

Behaviour = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]

_SIGNALS: Final = ("trace.v1.TraceService", "metrics.v1.MetricsService", "logs.v1.LogsService")


async def _discard(_request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return b""


async def _hang(_request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    await asyncio.Event().wait()
    return b""


async def _refuse(_request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    await context.abort(grpc.StatusCode.UNAVAILABLE, "this collector refuses everything")


async def _serve(behaviour: Behaviour) -> None:
    server = grpc.aio.server()
    # Without a deserializer the messages stay bytes, and the sink takes next to nothing from the cores.
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(behaviour)
    for signal in _SIGNALS:
        name = f"opentelemetry.proto.collector.{signal}"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--hang", dest="behaviour", action="store_const", const=_hang, default=_discard)
    how.add_argument("--refuse", dest="behaviour", action="store_const", const=_refuse)
    uvloop.run(_serve(parser.parse_args().behaviour))


if __name__ == "__main__":
    main()
