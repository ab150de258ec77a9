"""Calls within a process: checked, bounded and closed as calls between services, and with their errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError, Spent, invalid
from lightrouter.suite.calls import DirectCalls
from lightrouter.v1.adapter_pb2 import (
    GenerateRequest,
    Generation,
    GenerationChunk,
    GenerationResult,
    StreamGenerateResponse,
)
from lightrouter.v1.chat_pb2 import ChatMessage, Role, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.clock import Clock

REQUEST = GenerateRequest(generation=Generation(messages=[ChatMessage(role=Role.ROLE_USER, content="Why?")]))
RESULT = StreamGenerateResponse(result=GenerationResult(model="m"))
INTERNAL = ErrorReason.ERROR_REASON_INTERNAL


def piece(text: str) -> StreamGenerateResponse:
    return StreamGenerateResponse(chunk=GenerationChunk(text=text))


async def hang() -> None:
    await asyncio.Event().wait()


Call = Callable[[DirectCalls, GenerateRequest, Deadline], Awaitable[object]]
Kind = Callable[[Callable[[], object]], Call]


def unary(step: Callable[[], object]) -> Call:
    async def call(calls: DirectCalls, request: GenerateRequest, deadline: Deadline) -> object:
        async def serve() -> object:
            found = step()
            return await found if asyncio.iscoroutine(found) else found

        return await calls.answer(request, serve, deadline, "ask a")

    return call


def streamed(step: Callable[[], object]) -> Call:
    async def call(calls: DirectCalls, request: GenerateRequest, deadline: Deadline) -> object:
        async def serve() -> AsyncGenerator[StreamGenerateResponse, None]:
            yield piece("so")
            found = step()
            if asyncio.iscoroutine(found):
                await found
            yield RESULT

        return [each async for each in calls.pieces_then_result(request, serve, deadline, "ask a")]

    return call


def raises(error: Exception) -> Callable[[], object]:
    def step() -> object:
        raise error

    return step


@pytest.mark.parametrize("kind", [unary, streamed])
async def test_a_request_that_breaks_a_rule_is_not_served(kind: Kind) -> None:
    served: list[object] = []
    call = kind(lambda: served.append(1))
    with pytest.raises(ServiceError) as caught:
        await call(DirectCalls(), GenerateRequest(), Deadline.after(600))
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert [violation.field for violation in caught.value.violations] == ["generation"]
    assert not served


@pytest.mark.parametrize("kind", [unary, streamed])
async def test_a_call_without_time_is_not_made(kind: Kind) -> None:
    served: list[object] = []
    call = kind(lambda: served.append(1))
    with pytest.raises(ServiceError, match="no time is left to ask a") as caught:
        await call(DirectCalls(), REQUEST, Deadline.after(-1))
    assert caught.value.code == Code.DEADLINE_EXCEEDED
    assert not served


@pytest.mark.parametrize("kind", [unary, streamed])
async def test_a_call_that_ignores_its_deadline_is_cut_off(kind: Kind, clock: Clock) -> None:
    hangs = asyncio.Event()

    async def hang_and_say_so() -> None:
        hangs.set()
        await hang()

    call = kind(hang_and_say_so)(DirectCalls(), REQUEST, Deadline.after(600))
    with pytest.raises(ServiceError, match="the deadline passed before the call was done") as caught:
        await clock.pass_after(hangs.wait(), 600, call)
    assert caught.value.reason == ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED


@pytest.mark.parametrize("kind", [unary, streamed])
async def test_a_defect_is_an_error_of_the_call_and_is_logged(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    call = kind(raises(KeyError("secret")))
    with pytest.raises(ServiceError) as caught:
        await call(DirectCalls(), REQUEST, Deadline.after(600))
    assert (caught.value.code, caught.value.reason) == (Code.INTERNAL, INTERNAL)
    assert "secret" not in caught.value.message
    assert "secret" in caplog.text


@pytest.mark.parametrize("kind", [unary, streamed])
async def test_an_error_is_the_one_that_would_arrive(kind: Kind) -> None:
    spent = Spent(Usage(input_tokens=3), 7)
    error = ServiceError(Code.UNAVAILABLE, INTERNAL, "x" * 9000, retry_after=2, spent=spent, attempts=2)
    call = kind(raises(error))
    with pytest.raises(ServiceError) as caught:
        await call(DirectCalls(), REQUEST, Deadline.after(600))
    arrived = caught.value
    assert (arrived.code, arrived.reason, arrived.retry_after, arrived.attempts) == (Code.UNAVAILABLE, INTERNAL, 2, 2)
    assert len(arrived.message) == 600
    # It is not known how a provider bills a call that failed.
    assert arrived.spent == Spent(Usage(input_tokens=3, estimated=True), 7)


async def test_the_result_comes_after_the_call_has_ended() -> None:
    ended: list[bool] = []

    async def serve() -> AsyncGenerator[StreamGenerateResponse, None]:
        yield piece("so")
        yield RESULT
        ended.append(True)

    responses = DirectCalls().pieces_then_result(REQUEST, serve, Deadline.after(600), "ask a")
    found = [(each, list(ended)) async for each in responses]
    assert found == [(piece("so"), []), (RESULT, [True])]


async def test_an_error_behind_the_result_is_an_error() -> None:
    async def serve() -> AsyncGenerator[StreamGenerateResponse, None]:
        yield RESULT
        raise invalid("a", "b")

    with pytest.raises(ServiceError, match="b"):
        await anext(DirectCalls().pieces_then_result(REQUEST, serve, Deadline.after(600), "ask a"))


async def test_a_reader_that_leaves_closes_the_call() -> None:
    closed = asyncio.Event()

    async def serve() -> AsyncGenerator[StreamGenerateResponse, None]:
        try:
            yield piece("so")
            await hang()
        finally:
            closed.set()

    stream = DirectCalls().pieces_then_result(REQUEST, serve, Deadline.after(60), "ask a")
    async with aclosing(stream):
        assert await anext(stream) == piece("so")
    assert closed.is_set()


async def test_the_time_of_a_slow_reader_is_not_cut_off(clock: Clock) -> None:
    async def serve() -> AsyncGenerator[StreamGenerateResponse, None]:
        yield piece("so")
        yield RESULT

    deadline = Deadline.after(600)
    stream = DirectCalls().pieces_then_result(REQUEST, serve, deadline, "ask a")
    first = await anext(stream)
    clock.advance(600)
    await asyncio.sleep(0)
    assert deadline.expired
    # What is there already is delivered.
    assert [first, *[each async for each in stream]] == [piece("so"), RESULT]
