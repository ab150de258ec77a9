"""Serves SelectorService: translates between gRPC and `Selector`."""

from __future__ import annotations

from typing import Any

import grpc

from lightrouter.runtime.deadline import current_deadline
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.selector.selector import Selector
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse
from lightrouter.v1.selector_pb2_grpc import SelectorServiceServicer


class SelectorServicer(SelectorServiceServicer):
    """The gRPC methods of the selector."""

    def __init__(self, selector: Selector, targets: AllowedTargets) -> None:
        """Serves `selector`; a request's judge must be among `targets`."""
        self._selector = selector
        self._targets = targets

    async def Select(self, request: SelectRequest, context: grpc.aio.ServicerContext[Any, Any]) -> SelectResponse:
        """Ranks the partials, best first."""
        del context
        if request.HasField("judge"):
            self._targets.check(request.judge, "judge")
        return await self._selector.select(request, current_deadline())

    async def Shortlist(
        self, request: ShortlistRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ShortlistResponse:
        """Ranks candidates before they write, best first."""
        del context
        return await self._selector.shortlist(request)
