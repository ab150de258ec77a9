"""Serves AggregatorService: translates between gRPC and `Aggregator`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from lightrouter.aggregator.aggregator import Aggregator
from lightrouter.runtime.deadline import current_deadline
from lightrouter.runtime.rpc.targets import AllowedTargets
from lightrouter.v1.aggregator_pb2 import AggregateRequest, AggregateResponse
from lightrouter.v1.aggregator_pb2_grpc import AggregatorServiceServicer


class AggregatorServicer(AggregatorServiceServicer):
    """The gRPC methods of the aggregator."""

    def __init__(self, aggregator: Aggregator, targets: AllowedTargets) -> None:
        """Serves `aggregator`; a request's synthesizers must be among `targets`."""
        self._aggregator = aggregator
        self._targets = targets

    async def Aggregate(
        self, request: AggregateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[AggregateResponse]:
        """Streams the answer, then the result."""
        del context
        for index, target in enumerate(request.synthesizers):
            self._targets.check(target, f"synthesizers[{index}]")
        async with aclosing(self._aggregator.aggregate(request, current_deadline())) as events:
            async for event in events:
                yield event
