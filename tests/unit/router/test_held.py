"""The stream of a held call, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from math import inf

import pytest

from lightrouter.router.held import HeldStream
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import GenerationChunk, GenerationResult, StreamGenerateResponse
from lightrouter.v1.chat_pb2 import FINISH_REASON_LENGTH, FINISH_REASON_STOP
from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_MALFORMED, ERROR_REASON_UPSTREAM_TOO_LARGE

CHECKPOINT = StreamGenerateResponse(checkpoint=GenerationResult(finish_reason=FINISH_REASON_LENGTH))
RESULT = StreamGenerateResponse(result=GenerationResult(finish_reason=FINISH_REASON_STOP))


def piece(text: str = "", reasoning: str = "") -> StreamGenerateResponse:
    return StreamGenerateResponse(chunk=GenerationChunk(text=text, reasoning=reasoning))


class Script:
    """Sends these messages, the later ones once `go` is set, and then waits without end."""

    def __init__(self, *first: StreamGenerateResponse, later: Sequence[StreamGenerateResponse] = ()) -> None:
        self.go = asyncio.Event()
        self.closed = asyncio.Event()
        self._first, self._later = first, later

    async def messages(self) -> AsyncGenerator[StreamGenerateResponse, None]:
        try:
            for message in self._first:
                yield message
            await self.go.wait()
            for message in self._later:
                yield message
            await asyncio.Event().wait()
        finally:
            self.closed.set()


async def test_a_stream_without_an_end_is_not_read_without_end() -> None:
    sent = 0

    async def endless() -> AsyncGenerator[StreamGenerateResponse, None]:
        nonlocal sent
        yield StreamGenerateResponse(chunk=GenerationChunk(text="boot"))
        yield StreamGenerateResponse(checkpoint=GenerationResult(finish_reason=FINISH_REASON_LENGTH))
        while True:
            sent += 1
            yield StreamGenerateResponse(chunk=GenerationChunk(text="word " * 1000))
            await asyncio.sleep(0)

    stream = HeldStream(endless(), "a", 1, inf)
    await stream.boot(lambda _: None)
    for _ in range(200):
        await asyncio.sleep(0)
    assert 13 <= sent <= 15
    stream.close()
    await stream.wait_closed()


async def test_a_call_that_is_cut_is_not_open_while_its_stream_still_closes() -> None:
    closing, closed = asyncio.Event(), asyncio.Event()

    async def slow_to_close() -> AsyncGenerator[StreamGenerateResponse, None]:
        try:
            yield StreamGenerateResponse(checkpoint=GenerationResult(finish_reason=FINISH_REASON_LENGTH))
            yield StreamGenerateResponse(chunk=GenerationChunk(text="more than one token"))
        finally:
            closing.set()
            await closed.wait()

    stream = HeldStream(slow_to_close(), "a", 1, 1)
    await stream.boot(lambda _: None)
    await closing.wait()
    assert not stream.is_open
    closed.set()
    await stream.wait_closed()
    assert stream.tokens_after > 1


@pytest.mark.parametrize(
    ("after", "held_tokens", "is_cut"),
    [
        (piece("one two"), 2, False),
        (piece("one two three"), 2, True),
        (piece(reasoning="one two"), 2, False),
        (piece(reasoning="one two three"), 2, True),
        (piece("one two three"), inf, False),
    ],
)
async def test_a_held_call_has_a_limit_of_tokens_hidden_ones_included(
    after: StreamGenerateResponse, held_tokens: float, is_cut: bool
) -> None:
    script = Script(CHECKPOINT, after)
    stream = HeldStream(script.messages(), "a", 1, held_tokens)
    await stream.boot(lambda _: None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert stream.is_open is not is_cut
    assert script.closed.is_set() is is_cut
    stream.close()
    await stream.wait_closed()


async def test_a_call_that_goes_on_may_write_as_much_as_it_likes() -> None:
    script = Script(CHECKPOINT, later=[piece("one two three four five"), RESULT])
    stream = HeldStream(script.messages(), "a", 1, 1)
    await stream.boot(lambda _: None)
    stream.go_on()
    script.go.set()
    assert await stream.finish(Deadline.after(60)) == "one two three four five"


async def test_the_boot_of_an_adapter_without_checkpoints_ends_well_above_its_tokens() -> None:
    words = [piece("word ") for _ in range(9)]
    script = Script(*words, later=[CHECKPOINT, piece("and more"), RESULT])
    stream = HeldStream(script.messages(), "a", 4, inf)
    told: list[str] = []
    standing = await stream.boot(told.append)
    assert (standing.finish_reason, standing.usage.estimated) == (FINISH_REASON_LENGTH, True)
    assert 4 < "".join(told).count("word") < 9
    script.go.set()
    # A checkpoint that comes later is none.
    whole = "".join(told) + await stream.finish(Deadline.after(60))
    assert whole == "word " * 9 + "and more"
    assert stream.booted is standing


async def test_the_last_piece_may_come_with_the_checkpoint_and_with_the_result() -> None:
    told: list[str] = []
    boot = StreamGenerateResponse(piece=GenerationChunk(text="two", restarted=True), checkpoint=CHECKPOINT.checkpoint)
    end = StreamGenerateResponse(piece=GenerationChunk(text="four"), result=RESULT.result)
    stream = HeldStream(Script(piece("one "), boot, later=[piece(" three "), end]).messages(), "a", 2, inf)
    assert await stream.boot(told.append) == CHECKPOINT.checkpoint
    assert (told, stream.restarted) == (["one ", "two"], True)
    stream.close()
    await stream.wait_closed()
    stream = HeldStream(Script(piece("one "), boot, piece(" three "), end).messages(), "a", 2, inf)
    await stream.boot(lambda _: None)
    assert await stream.finish(Deadline.after(60)) == " three four"
    stream = HeldStream(Script(end).messages(), "a", 2, inf)
    assert await stream.boot(told.append) == RESULT.result
    assert told == ["one ", "two", "four"]


async def test_a_call_that_writes_far_too_much_before_its_checkpoint_has_failed() -> None:
    stream = HeldStream(Script(piece("x" * 513)).messages(), "a", 2, inf)
    with pytest.raises(ServiceError) as caught:
        await stream.boot(lambda _: None)
    assert caught.value.reason == ERROR_REASON_UPSTREAM_TOO_LARGE


async def test_a_stream_that_ends_without_a_result_has_failed() -> None:
    async def short() -> AsyncGenerator[StreamGenerateResponse, None]:
        yield CHECKPOINT

    stream = HeldStream(short(), "a", 2, inf)
    await stream.boot(lambda _: None)
    with pytest.raises(ServiceError) as caught:
        await stream.finish(Deadline.after(60))
    assert caught.value.reason == ERROR_REASON_UPSTREAM_MALFORMED
    assert not stream.is_open


async def test_leaving_a_boot_closes_its_stream() -> None:
    script = Script(piece("text"))
    stream = HeldStream(script.messages(), "a", 100, inf)
    begun = asyncio.Event()
    task = asyncio.create_task(stream.boot(lambda _: begun.set()))
    await begun.wait()
    task.cancel()
    await script.closed.wait()
    await stream.wait_closed()


async def test_a_reader_that_takes_the_text_lets_the_call_write_on() -> None:
    page = "x" * 50_000
    script = Script(CHECKPOINT, *[piece(page)] * 6, later=[RESULT])
    script.go.set()
    stream = HeldStream(script.messages(), "a", 1, inf)
    await stream.boot(lambda _: None)
    assert await stream.finish(Deadline.after(60)) == page * 6


@pytest.mark.parametrize("late", [False, True])
async def test_a_text_that_turns_out_to_be_written_anew_is_known(late: bool) -> None:
    anew = StreamGenerateResponse(chunk=GenerationChunk(restarted=True))
    stream = HeldStream(Script(CHECKPOINT if late else anew, anew if late else CHECKPOINT).messages(), "a", 2, inf)
    await stream.boot(lambda _: None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert stream.restarted
    stream.close()
    await stream.wait_closed()
