"""Calls to other services: the time they get, their spans, their failures as domain errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import deadline_exceeded
from lightrouter.runtime.rpcspans import ClientCall
from lightrouter.runtime.status import from_rpc_error

ResponseType = TypeVar("ResponseType", bound=Message)


def seconds_left(deadline: Deadline, what: str) -> float:
    """Returns the seconds that a call may take.

    Raises:
        ServiceError: There are none; `what` completes "no time is left to ...".
    """
    remaining = deadline.remaining()
    if remaining <= 0:
        raise deadline_exceeded(f"no time is left to {what}")
    return remaining


async def answer(traced: ClientCall, call: Awaitable[ResponseType]) -> ResponseType:
    """Returns what a call is answered with.

    Raises:
        ServiceError: It failed.
    """
    with traced:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None


async def pieces_then_result(
    traced: ClientCall, call: grpc.aio.UnaryStreamCall[Any, ResponseType]
) -> AsyncGenerator[ResponseType, None]:
    """Yields what a call streams, its `result` last, once the call has ended. Closing the iterator cancels the call.

    Raises:
        ServiceError: It failed.
    """
    result: ResponseType | None = None
    with traced:
        try:
            async for response in call:
                if response.HasField("result"):
                    # Nobody reads on after the result, and a call that is left before its end counts as cancelled.
                    result = response
                else:
                    yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()
    if result is not None:
        yield result
