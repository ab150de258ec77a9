"""How selector, aggregator and router reach models: AdapterService, with deadlines, trace context and domain errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

import grpc

from lightrouter.runtime.channels import Channels
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import deadline_exceeded
from lightrouter.runtime.status import from_rpc_error
from lightrouter.runtime.telemetry import outgoing_metadata
from lightrouter.v1.adapter_pb2 import (
    GenerateRequest,
    GenerateResponse,
    Generation,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub
from lightrouter.v1.candidate_pb2 import ModelTarget

if TYPE_CHECKING:
    from lightrouter.v1.adapter_pb2_grpc import AdapterServiceAsyncStub


class Models(Protocol):
    """Models that can be asked. Logic gets one of these through its constructor."""

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns all that the model writes.

        Raises:
            ServiceError: The model did not deliver; the reason says why.
        """
        ...

    def stream(
        self, target: ModelTarget, generation: Generation, deadline: Deadline
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields what the model writes as it comes, then the result. Closing the iterator cancels the call.

        Raises:
            ServiceError: The model did not deliver; the reason says why.
        """
        ...


class ModelClient:
    """Models behind adapters."""

    def __init__(self, channels: Channels) -> None:
        """Calls adapters over `channels`."""
        self._channels = channels

    def _stub(self, address: str) -> AdapterServiceAsyncStub:
        return self._channels.stub(address, AdapterServiceStub)

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns all that the model writes. See `Models.generate`."""
        timeout = _timeout(target, deadline)
        request = GenerateRequest(generation=generation)
        call = self._stub(target.address).Generate(request, timeout=timeout, metadata=outgoing_metadata())
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def stream(
        self, target: ModelTarget, generation: Generation, deadline: Deadline
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields what the model writes as it comes, then the result. See `Models.stream`."""
        timeout = _timeout(target, deadline)
        request = StreamGenerateRequest(generation=generation)
        call = self._stub(target.address).StreamGenerate(request, timeout=timeout, metadata=outgoing_metadata())
        result: StreamGenerateResponse | None = None
        try:
            async for response in call:
                if response.HasField("result"):
                    # Nobody reads on after the result, and a call that is left before its end counts as cancelled.
                    result = response
                else:
                    yield response
            if result:
                yield result
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()


def _timeout(target: ModelTarget, deadline: Deadline) -> float:
    remaining = deadline.remaining()
    if remaining <= 0:
        raise deadline_exceeded(f"no time is left to ask {target.candidate}")
    return remaining
