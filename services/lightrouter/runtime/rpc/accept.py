"""A gRPC server that outlives a call whose path is not UTF-8.

It reaches into grpcio, which offers no other way; where a later grpcio no longer has what is overridden here, nothing
breaks, and the service's check of itself (`selfcheck`) ends the process instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import grpc
from grpc._cython import cygrpc
from grpc.aio._server import Server


def accepting_server(
    interceptors: Sequence[grpc.aio.ServerInterceptor], options: Sequence[tuple[str, int]]
) -> grpc.aio.Server:
    """Returns grpc.aio's server, but for how it takes calls of methods that it does not have.

    grpc.aio decodes the path of such a call in the loop that accepts all calls. A path that is not UTF-8 ends this loop
    (grpcio 1.85.1): the process goes on and takes no call any more. Services have to be added by functions that
    register their methods, as the generated ones do.
    """
    return cast("grpc.aio.Server", _Server(interceptors, options))


class _Server(Server):
    def __init__(self, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Sequence[tuple[str, int]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = _Accepting(self._loop, None, (), interceptors, tuple(options), None)


class _Accepting(cygrpc.AioServer):  # type: ignore[misc] # grpcio's own classes have no types
    """Answers each call of an unknown method in a task of its own, without its path."""

    def _make_request_call_future(self, method: bytes | None) -> Any:
        if method is not None:
            return super()._make_request_call_future(method)
        return asyncio.get_running_loop().create_task(self._refuse_unknown())

    async def _refuse_unknown(self) -> None:
        loop = asyncio.get_running_loop()
        nothing = cygrpc._MethodResolver([], {})  # noqa: SLF001 - see the module
        running: set[asyncio.Task[None]] = set()
        # It ends with the error by which gRPC says that the server is shutting down.
        while True:
            call = await self._request_call()
            refusal = cygrpc._handle_rpc("", nothing, (), call, loop, False)  # noqa: SLF001 - see the module
            task = loop.create_task(cygrpc._schedule_rpc_coro(refusal, call, loop, ""))  # noqa: SLF001 - see the module
            running.add(task)
            task.add_done_callback(running.discard)
