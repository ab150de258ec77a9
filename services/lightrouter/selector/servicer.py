"""SelectorService: gRPC in, gRPC out."""

from __future__ import annotations

from typing import Any

import grpc

from lightrouter.runtime.deadline import current_deadline
from lightrouter.selector.selector import Selector
from lightrouter.v1.selector_pb2 import SelectRequest, SelectResponse, ShortlistRequest, ShortlistResponse
from lightrouter.v1.selector_pb2_grpc import SelectorServiceServicer


class SelectorServicer(SelectorServiceServicer):
    """Ranks partials."""

    def __init__(self, selector: Selector) -> None:
        """Serves `selector`."""
        self._selector = selector

    async def Select(self, request: SelectRequest, context: grpc.aio.ServicerContext[Any, Any]) -> SelectResponse:
        """Ranks the partials, best first."""
        del context
        return await self._selector.select(request, current_deadline())

    async def Shortlist(
        self, request: ShortlistRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ShortlistResponse:
        """Ranks candidates that have written nothing yet, best first."""
        del context
        return self._selector.shortlist(request)
