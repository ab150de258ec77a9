"""Calls to other services: their timeouts, their spans, and their failures as domain errors.

A call with a large message starts as a stream of one message, which is the same on the wire. gRPC then frees the
message after sending it instead of at the end of the call: while eight models write, memory does not hold a long
conversation eight times. A small message costs less memory than a stream costs CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import deadline_exceeded
from lightrouter.runtime.rpc.status import from_rpc_error
from lightrouter.runtime.telemetry.rpcspans import ClientCall

ResponseType = TypeVar("ResponseType", bound=Message)

# A choice: some 4,000 tokens of English. 2,000 calls that wait hold no more than 32 MB.
_SMALL_BYTES: Final = 16 * 1024


def seconds_left(deadline: Deadline, what: str) -> float:
    """Returns the timeout of a call, in seconds.

    Raises:
        ServiceError: The deadline has passed; `what` completes "no time is left to ...".
    """
    remaining = deadline.remaining()
    if remaining <= 0:
        raise deadline_exceeded(f"no time is left to {what}")
    return remaining


def answer(
    channel: grpc.aio.Channel, traced: ClientCall, request: Message, response: type[ResponseType], timeout: float
) -> Coroutine[Any, Any, ResponseType]:
    """Calls the method that `traced` names; returns the awaitable response.

    The request is serialized at once and not kept.

    Raises:
        ServiceError: The call failed.
    """
    return _answer(channel, traced, request.SerializeToString(), response, timeout)


async def _answer(
    channel: grpc.aio.Channel, traced: ClientCall, message: bytes, response: type[ResponseType], timeout: float
) -> ResponseType:
    with traced:
        call, unsent = _begin(channel.unary_unary, channel.stream_unary, traced, message, response, timeout)
        del message
        try:
            if unsent is not None:
                await _send(call, unsent)
            del unsent
            answered: ResponseType = await call
            return answered
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()


def pieces_then_result(
    channel: grpc.aio.Channel, traced: ClientCall, request: Message, response: type[ResponseType], timeout: float
) -> AsyncGenerator[ResponseType, None]:
    """Yields the messages of a streaming call; its `result` comes last, after the call has ended.

    Closing the iterator cancels the call. The request is serialized at once and not kept.

    Raises:
        ServiceError: The call failed.
    """
    return _pieces_then_result(channel, traced, request.SerializeToString(), response, timeout)


async def _pieces_then_result(
    channel: grpc.aio.Channel, traced: ClientCall, message: bytes, response: type[ResponseType], timeout: float
) -> AsyncGenerator[ResponseType, None]:
    result: ResponseType | None = None
    with traced:
        call, unsent = _begin(channel.unary_stream, channel.stream_stream, traced, message, response, timeout)
        del message
        try:
            if unsent is not None:
                await _send(call, unsent)
            del unsent
            async for piece in call:
                if piece.HasField("result"):
                    # Callers stop reading at the result, and a call that is closed before its end counts as cancelled.
                    result = piece
                else:
                    yield piece
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()
    if result is not None:
        yield result


def _begin(
    unary: Callable[..., Any],
    streamed: Callable[..., Any],
    traced: ClientCall,
    message: bytes,
    response: type[ResponseType],
    timeout: float,
) -> tuple[Any, bytes | None]:
    """Returns the call, which has begun, and the message if it is still to be sent."""
    small = len(message) <= _SMALL_BYTES
    method = (unary if small else streamed)(f"/{traced.method}", None, response.FromString)
    call = method(*([message] if small else []), timeout=timeout, metadata=traced.metadata)
    return call, None if small else message


async def _send(call: Any, message: bytes) -> None:
    # A call that ends before its message is sent reports its own status.
    with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
        await call.write(message)
        await call.done_writing()
