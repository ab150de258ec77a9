"""A gRPC server that survives a call whose path is not UTF-8.

It overrides private parts of grpcio, because there is no public way. If a later grpcio has no such parts, the override
has no effect, and the service's self-check (`selfcheck`) ends the process instead.
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
    """Returns a server of grpc.aio that answers calls of unknown methods in tasks of their own.

    grpc.aio decodes the path of such a call in the loop that accepts all calls. A path that is not UTF-8 ends this loop
    (grpcio 1.85.1): the process lives on but accepts no further call. Add services by functions that register their
    methods, as the generated functions do.
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
        # The loop ends with the error of gRPC for a server that shuts down.
        while True:
            call = await self._request_call()
            refusal = cygrpc._handle_rpc("", nothing, (), call, loop, False)  # noqa: SLF001 - see the module
            task = loop.create_task(cygrpc._schedule_rpc_coro(refusal, call, loop, ""))  # noqa: SLF001 - see the module
            running.add(task)
            task.add_done_callback(running.discard)
