"""Calls models through their adapters, with deadlines, trace context and domain errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

from opentelemetry.trace import NoOpTracer, Tracer

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.ledger import bounded
from lightrouter.runtime.rpc.calls import answer, pieces_then_result, seconds_left
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.callhandle import announce
from lightrouter.runtime.telemetry.rpcspans import ClientCall
from lightrouter.v1.adapter_pb2 import (
    GenerateRequest,
    GenerateResponse,
    Generation,
    StreamGenerateRequest,
    StreamGenerateResponse,
)
from lightrouter.v1.candidate_pb2 import ModelTarget

_GENERATE: Final = f"{names.ADAPTER_SERVICE}/Generate"
_STREAM_GENERATE: Final = f"{names.ADAPTER_SERVICE}/StreamGenerate"


class Models(Protocol):
    """The models that logic can call; logic receives this through its constructor."""

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns the complete text of the model.

        Raises:
            ServiceError: The call failed; the reason says why.
        """
        ...

    def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields the text as the model writes it, then the result. Closing the iterator cancels the call.

        After `checkpoint_tokens` tokens, if that is not 0, it yields the checkpoint. An `unwatched` text comes in fewer
        messages, and its last piece before the checkpoint or the result may come in the same message.

        Raises:
            ServiceError: The call failed; the reason says why.
        """
        ...


class ModelClient:
    """Models behind adapters."""

    def __init__(self, channels: Channels, tracer: Tracer | None = None) -> None:
        """Calls adapters over `channels`; makes the spans of the calls with `tracer`."""
        self._channels = channels
        self._tracer = tracer or NoOpTracer()

    async def generate(self, target: ModelTarget, generation: Generation, deadline: Deadline) -> GenerateResponse:
        """Returns the complete text of the model. See `Models.generate`."""
        timeout = _timeout(target, deadline)
        traced = ClientCall(self._tracer, _GENERATE, target.candidate)
        channel = self._channels.get(target.address)
        call = answer(channel, traced, GenerateRequest(generation=generation), GenerateResponse, timeout)
        # Free the request while the model writes.
        del generation
        response = await call
        bounded(response.result)
        return response

    async def stream(
        self,
        target: ModelTarget,
        generation: Generation,
        deadline: Deadline,
        *,
        checkpoint_tokens: int = 0,
        unwatched: bool = False,
    ) -> AsyncGenerator[StreamGenerateResponse, None]:
        """Yields the text as the model writes it, then the result. See `Models.stream`."""
        timeout = _timeout(target, deadline)
        traced = ClientCall(self._tracer, _STREAM_GENERATE, target.candidate)
        announce(traced)
        channel = self._channels.get(target.address)
        request = StreamGenerateRequest(
            generation=generation, checkpoint_tokens=checkpoint_tokens, unwatched=unwatched, joined=unwatched
        )
        call = pieces_then_result(channel, traced, request, StreamGenerateResponse, timeout)
        # Free the request while the model writes.
        del generation, request
        async with aclosing(call) as responses:
            async for response in responses:
                if response.HasField("result"):
                    bounded(response.result)
                if response.HasField("checkpoint"):
                    bounded(response.checkpoint)
                    traced.at_checkpoint(response.checkpoint.usage.output_tokens)
                yield response


def _timeout(target: ModelTarget, deadline: Deadline) -> float:
    return seconds_left(deadline, f"ask {target.candidate}")
