"""Calls within a process, under the rules of calls between services: bounded, and with the same errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

from google.protobuf.message import Message

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.calls import seconds_left
from lightrouter.runtime.rpc.failures import deadline_passed, defect
from lightrouter.runtime.rpc.status import from_status, to_status
from lightrouter.runtime.rpc.validation import MessageRules

ResponseType = TypeVar("ResponseType")
PieceType = TypeVar("PieceType", bound=Message)


class DirectCalls:
    """Makes calls."""

    def __init__(self) -> None:
        """Checks requests by the rules of the protos."""
        self._rules = MessageRules()

    async def answer(
        self,
        request: Message | None,
        serve: Callable[[], Coroutine[Any, Any, ResponseType]],
        deadline: Deadline,
        what: str,
    ) -> ResponseType:
        """Returns the response of `serve`.

        Args:
            request: The request, as it would be sent, which is checked; None for one that this process has made of
                checked parts.
            serve: Serves it.
            deadline: When the call is cut off.
            what: Completes "no time is left to ..." if the deadline has passed.

        Raises:
            ServiceError: The request breaks a rule, the call failed, or the deadline passed.
        """
        seconds = seconds_left(deadline, what)
        with _errors():
            if request is not None:
                self._rules.check(request)
            async with asyncio.timeout(seconds):
                return await serve()

    async def bounded(
        self, serve: Callable[[], AsyncGenerator[PieceType, None]], deadline: Deadline, what: str
    ) -> AsyncGenerator[PieceType, None]:
        """Yields what `serve` yields, which ends by the deadline itself. Closing the iterator closes it.

        The arguments and errors are those of `answer`, of a request of checked parts.
        """
        seconds_left(deadline, what)
        with _errors():
            async with aclosing(serve()) as pieces:
                async for piece in pieces:
                    yield piece

    async def pieces_then_result(
        self,
        request: Message,
        serve: Callable[[], AsyncGenerator[PieceType, None]],
        deadline: Deadline,
        what: str,
    ) -> AsyncGenerator[PieceType, None]:
        """Yields what `serve` yields; its `result` comes last, after it has ended. Closing the iterator closes it.

        The arguments and errors are those of `answer`.
        """
        seconds_left(deadline, what)
        result: PieceType | None = None
        with _errors():
            self._rules.check(request)
            async with aclosing(serve()) as pieces:
                while (piece := await _by(deadline, anext(pieces, None))) is not None:
                    if piece.HasField("result"):
                        # Callers stop reading at the result, and a call that is closed before its end is cancelled.
                        result = piece
                    else:
                        yield piece
        if result is not None:
            yield result


async def _by(deadline: Deadline, step: Awaitable[ResponseType]) -> ResponseType:
    """Returns what one step of a stream returns: a timeout may not be open while the reader runs."""
    async with asyncio.timeout(deadline.remaining()):
        return await step


@contextmanager
def _errors() -> Iterator[None]:
    """Turns failures into errors as they arrive over gRPC, shortened and without what their status does not hold."""
    try:
        yield
    except ServiceError as error:
        raise from_status(to_status(error)) from None
    except TimeoutError:
        raise deadline_passed() from None
    except Exception as error:  # noqa: BLE001 - the boundary: a defect of one part must not end the others
        raise defect(error) from None
