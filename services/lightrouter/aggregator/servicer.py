"""AggregatorService: gRPC in, gRPC out."""

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
    """Merges drafts."""

    def __init__(self, aggregator: Aggregator, targets: AllowedTargets) -> None:
        """Serves `aggregator`; synthesizers are among `targets`."""
        self._aggregator = aggregator
        self._targets = targets

    async def Aggregate(
        self, request: AggregateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[AggregateResponse]:
        """Sends the answer as it comes, then how it came about."""
        del context
        for index, target in enumerate(request.synthesizers):
            self._targets.check(target, f"synthesizers[{index}]")
        async with aclosing(self._aggregator.aggregate(request, current_deadline())) as events:
            async for event in events:
                yield event
