"""Long work leaves the event loop: after its first piece it runs in one of a few threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator

import pytest

from lightrouter.answers.pieces import Pieces, Workers

MANY = 8


def threads_of(pieces: int) -> Pieces[list[int]]:
    """Returns the thread of each piece."""
    found = [threading.get_ident()]
    for _ in range(pieces - 1):
        yield 1
        found.append(threading.get_ident())
    return found


async def test_work_of_one_piece_runs_here() -> None:
    assert await Workers().run(threads_of(1)) == [threading.get_ident()]


async def test_all_further_pieces_run_in_a_thread() -> None:
    first, *rest = await Workers().run(threads_of(5))
    assert first == threading.get_ident()
    assert len(rest) == 4
    assert first not in rest


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_its_error_is_the_callers(before: int) -> None:
    def fails() -> Pieces[None]:
        for _ in range(before):
            yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Workers().run(fails())


async def test_it_ends_after_its_piece_when_nobody_waits_any_longer() -> None:
    reached, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def work() -> Generator[int, None, None]:
        try:
            yield 1
            reached.set()
            go_on.wait()
            yield 1
            raise AssertionError("the work went on")
        finally:
            closed.set()

    task = asyncio.create_task(Workers().run(work()))
    await asyncio.to_thread(reached.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await asyncio.to_thread(closed.wait)


async def test_few_run_at_once_and_the_others_wait() -> None:
    lock, go_on, enough = threading.Lock(), threading.Event(), threading.Event()
    running: list[int] = []
    most: list[int] = []

    def work(number: int) -> Pieces[int]:
        yield 1
        with lock:
            running.append(number)
            most.append(len(running))
        if len(running) == 2:
            enough.set()
        go_on.wait()
        with lock:
            running.remove(number)
        return number

    workers = Workers()
    works = [asyncio.create_task(workers.run(work(number))) for number in range(MANY)]
    await asyncio.to_thread(enough.wait)
    go_on.set()
    assert await asyncio.gather(*works) == list(range(MANY))
    assert max(most) == 2
