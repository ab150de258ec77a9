"""An OTLP collector that discards what it gets, so that tracing is paid for by the services alone.

Run as `python -m tests.load.sink`; prints the port that it took.
"""

from __future__ import annotations

from typing import Final

import grpc
import uvloop

_SIGNALS: Final = ("trace.v1.TraceService", "metrics.v1.MetricsService", "logs.v1.LogsService")


async def _discard(_request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return b""


async def _serve() -> None:
    server = grpc.aio.server()
    # Without a deserializer the messages stay bytes, and the sink takes next to nothing from the cores.
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_discard)
    for signal in _SIGNALS:
        name = f"opentelemetry.proto.collector.{signal}"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(_serve())
