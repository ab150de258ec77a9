"""AggregatorService: gRPC in, gRPC out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.runtime.deadline import current_deadline
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceServicer


class AggregatorServicer(AggregatorServiceServicer):
    """Merges drafts."""

    def __init__(self, aggregator: Aggregator) -> None:
        """Serves `aggregator`."""
        self._aggregator = aggregator

    async def Aggregate(
        self, request: AggregateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[AggregateResponse]:
        """Sends the answer as it comes, then how it came about."""
        del context
        async with aclosing(self._aggregator.aggregate(request, current_deadline())) as events:
            async for event in events:
                yield event
