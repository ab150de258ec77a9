"""Deltas are joined by time and size."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.text.coalesce import Coalescer, TextDelta
from lightrouter.v1.adapter_pb2 import GenerationResult


async def test_the_first_piece_comes_at_once_and_the_next_are_joined() -> None:
    pieces = Coalescer(interval=3600, size=4, most_bytes=1000)
    pieces.put(TextDelta("a", ""))
    assert await anext(pieces) == TextDelta("a", "")
    for text in "bcd":
        pieces.put(TextDelta(text, "x"))
    assert await anext(pieces) == TextDelta("bcd", "xxx")
    pieces.put(TextDelta("e", ""))
    pieces.close()
    assert await anext(pieces) == TextDelta("e", "")
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


async def test_held_text_comes_when_its_time_is_over() -> None:
    pieces = Coalescer(interval=0.001, size=1000, most_bytes=1000)
    pieces.put(TextDelta("a", ""))
    await anext(pieces)
    pieces.put(TextDelta("b", ""))
    assert await anext(pieces) == TextDelta("b", "")


async def test_an_error_comes_after_what_came_before_it() -> None:
    pieces = Coalescer(interval=3600, size=1000, most_bytes=1000)
    pieces.put(TextDelta("a", ""))
    await anext(pieces)
    pieces.put(TextDelta("b", ""))
    pieces.close(ValueError("broken"))
    assert await anext(pieces) == TextDelta("b", "")
    with pytest.raises(ValueError, match="broken"):
        await anext(pieces)


async def test_empty_pieces_are_none() -> None:
    pieces = Coalescer(interval=0, size=1, most_bytes=1000)
    pieces.put(TextDelta("", ""))
    pieces.close()
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5))), st.integers(1, 10), st.booleans())
def test_joined_pieces_are_the_whole(given_pieces: list[tuple[str, str]], size: int, eager: bool) -> None:
    async def run() -> tuple[str, str]:
        pieces = Coalescer(interval=0 if eager else 0.001, size=size, most_bytes=1000)

        async def feed() -> None:
            for text, reasoning in given_pieces:
                pieces.put(TextDelta(text, reasoning))
                await asyncio.sleep(0)
            pieces.close()

        task = asyncio.create_task(feed())
        read = [piece async for piece in pieces if isinstance(piece, TextDelta)]
        await task
        assert all(piece.text or piece.reasoning for piece in read)
        return "".join(piece.text for piece in read), "".join(piece.reasoning for piece in read)

    whole = "".join(text for text, _ in given_pieces), "".join(reasoning for _, reasoning in given_pieces)
    assert asyncio.run(run()) == whole


CHECKPOINT = GenerationResult(model="tiny")


async def test_a_checkpoint_stays_between_two_deltas_and_waits_for_nothing() -> None:
    pieces = Coalescer(interval=3600, size=1000, most_bytes=1000)
    pieces.put(TextDelta("a", ""))
    await anext(pieces)
    for piece in (TextDelta("b", ""), CHECKPOINT, TextDelta("c", ""), TextDelta("d", "e")):
        pieces.put(piece)
    assert await anext(pieces) == TextDelta("b", "")
    assert await anext(pieces) == CHECKPOINT
    pieces.close()
    assert await anext(pieces) == TextDelta("cd", "e")


@pytest.mark.parametrize(
    ("behind", "error", "at_mark"),
    [
        ([CHECKPOINT], None, True),
        ([CHECKPOINT, TextDelta("b", "")], None, True),
        ([], None, True),
        ([], ValueError(), False),
        ([], "open", False),
    ],
)
async def test_it_tells_whether_the_checkpoint_or_a_good_end_comes_next(
    behind: list[TextDelta | GenerationResult], error: ValueError | str | None, at_mark: bool
) -> None:
    pieces = Coalescer(interval=3600, size=1000, most_bytes=1000)
    for piece in (TextDelta("a", ""), *behind):
        pieces.put(piece)
    if not isinstance(error, str):
        pieces.close(error)
    assert await anext(pieces) == TextDelta("a", "")
    assert pieces.at_mark == at_mark


async def test_more_text_comes_before_the_end() -> None:
    pieces = Coalescer(interval=3600, size=1000, most_bytes=1000)
    pieces.put(TextDelta("a", ""))
    await anext(pieces)
    pieces.put(TextDelta("b", ""))
    pieces.close()
    assert not pieces.at_mark


async def test_text_after_a_checkpoint_has_its_own_time() -> None:
    pieces = Coalescer(interval=0.001, size=1000, most_bytes=1000)
    pieces.put(CHECKPOINT)
    pieces.put(TextDelta("c", ""))
    assert await anext(pieces) == CHECKPOINT
    assert await anext(pieces) == TextDelta("c", "")


@pytest.mark.parametrize("text", ["abcdefgh", "äöüß", "汉字x", "\U0001f600\U0001f600"])
async def test_it_is_full_by_bytes_until_it_is_read(text: str) -> None:
    pieces = Coalescer(interval=0, size=1, most_bytes=7)
    pieces.put(TextDelta("", text[:-1]))
    assert pieces.full == (len(text[:-1].encode()) >= 7)
    pieces.put(TextDelta(text[-1], ""))
    pieces.put(CHECKPOINT)
    waiting = asyncio.create_task(pieces.room())
    for _ in range(3):
        await asyncio.sleep(0)
        assert pieces.full
        assert not waiting.done()
    await anext(pieces)
    assert not pieces.full
    await waiting
