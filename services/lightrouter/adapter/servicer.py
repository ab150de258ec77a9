"""AdapterService: gRPC in, gRPC out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from lightrouter.adapter.live import LiveEngine
from lightrouter.runtime.deadline import current_deadline
from lightrouter.v1.adapter_pb2 import (
    DescribeRequest,
    DescribeResponse,
    GenerateRequest,
    GenerateResponse,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class AdapterServicer(AdapterServiceServicer):
    """Generates with one candidate."""

    def __init__(self, current: LiveEngine) -> None:
        """Serves the candidate as it is at the begin of each call."""
        self._current = current

    async def Describe(self, request: DescribeRequest, context: Context) -> DescribeResponse:
        """Says which candidate this is, and what its provider was found to refuse."""
        del request, context
        return DescribeResponse(candidate=self._current.engine.describe())

    async def Generate(self, request: GenerateRequest, context: Context) -> GenerateResponse:
        """Returns all that the model writes."""
        del context
        return await self._current.engine.generate(request.generation, current_deadline())

    async def StreamGenerate(
        self, request: StreamGenerateRequest, context: Context
    ) -> AsyncIterator[StreamGenerateResponse]:
        """Sends what the model writes as it comes, then the result."""
        del context
        async with aclosing(self._current.engine.stream(request.generation, current_deadline())) as events:
            async for event in events:
                yield event
