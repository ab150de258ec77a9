"""Signs of life in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar

import pytest

from lightrouter.runtime.heartbeat import with_heartbeats

OPEN: ContextVar[str] = ContextVar("OPEN", default="")


async def test_events_come_in_their_order_and_signs_only_while_they_are_late() -> None:
    late = asyncio.Event()

    async def events() -> AsyncGenerator[str, None]:
        yield "a"
        await late.wait()
        yield "b"

    got: list[str] = []
    async for event in with_heartbeats(events(), "", 0.0):
        got.append(event)
        if len(got) > 9:
            late.set()
    assert [event for event in got if event] == ["a", "b"]
    assert got[2:9] == [""] * 7


async def test_events_without_a_wait_have_no_heartbeat() -> None:
    async def events() -> AsyncGenerator[int, None]:
        for number in range(100):
            await asyncio.sleep(0)
            yield number

    assert [event async for event in with_heartbeats(events(), -1, 3600.0)] == list(range(100))


async def test_an_error_comes_after_the_events_before_it() -> None:
    async def events() -> AsyncGenerator[str, None]:
        yield "a"
        raise ValueError("no")

    beating = with_heartbeats(events(), "", 3600.0)
    assert await anext(beating) == "a"
    with pytest.raises(ValueError, match="no"):
        await anext(beating)


@pytest.mark.parametrize("reads", [1, 3])
async def test_closing_ends_the_wait_for_the_next_event(reads: int) -> None:
    ended: list[BaseException | None] = []

    async def events() -> AsyncGenerator[str, None]:
        try:
            yield "a"
            await asyncio.Event().wait()
        except BaseException as error:
            ended.append(error)
            raise

    async with aclosing(with_heartbeats(events(), "", 0.0)) as beating:
        got: list[str] = []
        while len([event for event in got if event]) < 1 or len(got) < reads:
            got.append(await anext(beating))
    assert [type(error) for error in ended] in ([GeneratorExit], [asyncio.CancelledError])


async def test_a_reader_that_is_cancelled_cancels_the_events() -> None:
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def events() -> AsyncGenerator[str, None]:
        try:
            waiting.set()
            await asyncio.Event().wait()
            yield "never"
        finally:
            ended.set()

    async def read() -> None:
        async for _ in with_heartbeats(events(), "", 3600.0):
            pass

    reader = asyncio.create_task(read())
    await waiting.wait()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert ended.is_set()


async def test_a_context_variable_set_over_several_events_is_reset_in_its_context() -> None:
    async def events() -> AsyncGenerator[str, None]:
        token = OPEN.set("open")
        try:
            yield OPEN.get()
            yield OPEN.get()
        finally:
            OPEN.reset(token)

    assert [event async for event in with_heartbeats(events(), "", 3600.0)] == ["open", "open"]
    async with aclosing(with_heartbeats(events(), "", 3600.0)) as beating:
        assert await anext(beating) == "open"
    assert OPEN.get() == ""
