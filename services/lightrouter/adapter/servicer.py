"""AdapterService: translates between gRPC and the engine."""

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
    """Serves one candidate."""

    def __init__(self, live: LiveEngine) -> None:
        """Serves each call with the engine that `live` has when the call begins."""
        self._live = live

    async def Describe(self, request: DescribeRequest, context: Context) -> DescribeResponse:
        """Returns the candidate, with the request features that its provider was found to refuse."""
        del request, context
        return DescribeResponse(candidate=self._live.engine.describe())

    async def Generate(self, request: GenerateRequest, context: Context) -> GenerateResponse:
        """Returns the whole output of the model."""
        del context
        return await self._live.engine.generate(request.generation, current_deadline())

    async def StreamGenerate(
        self, request: StreamGenerateRequest, context: Context
    ) -> AsyncIterator[StreamGenerateResponse]:
        """Streams the output of the model, its checkpoint if the request asks for one, then the result."""
        del context
        stream = self._live.engine.stream(
            request.generation,
            current_deadline(),
            request.checkpoint_tokens,
            unwatched=request.unwatched,
            joined=request.joined,
        )
        async with aclosing(stream) as events:
            async for event in events:
                yield event
