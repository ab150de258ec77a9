"""The messages of a stream: in their order, nothing lost, and bounded while nobody reads."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.router.events import EventQueue
from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.candidate_pb2 import Partial
from lightrouter.v1.ledger_pb2 import LedgerEntry
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import StreamCompleteResponse
from tests.unit.router.builders import pool_candidate, prompt, router, snapshot
from tests.unit.router.fakes import FakeAggregator, FakeModels, Model

LONG = [f"{number:05d} " for number in range(20_000)]


async def read(events: EventQueue) -> list[StreamCompleteResponse]:
    found = []
    while (message := await events.next()) is not None:
        found.append(message)
    return found


def text_of(messages: list[StreamCompleteResponse]) -> str:
    text = ""
    for message in messages:
        if message.HasField("chunk"):
            text = message.chunk.text if message.chunk.restart else text + message.chunk.text
    return text


async def test_messages_keep_their_order() -> None:
    events = EventQueue(wants_partials=True)
    events.started("id", Policy(), ["a", "b"])
    events.partial_chunk("a", "one ")
    events.partial_chunk("b", "eins ")
    events.partial_chunk("a", "two")
    events.booted(Partial(candidate="a"), LedgerEntry())
    events.chunk("x")
    events.chunk("y")
    events.chunk("z", restart=True)
    events.chunk("!")
    events.drafted("a", 2, None)
    events.close()
    messages = await read(events)
    kinds = [message.WhichOneof("event") for message in messages]
    assert kinds == ["started", "partial_chunk", "partial_chunk", "booted", "chunk", "chunk", "draft"]
    assert [(m.partial_chunk.candidate, m.partial_chunk.text) for m in messages[1:3]] == [
        ("a", "one two"),
        ("b", "eins "),
    ]
    assert [(m.chunk.text, m.chunk.restart) for m in messages[4:6]] == [("xy", False), ("z!", True)]


async def test_a_message_that_was_read_is_not_added_to() -> None:
    events = EventQueue(wants_partials=True)
    events.partial_chunk("a", "one ")
    first = await events.next()
    events.partial_chunk("a", "two")
    events.close()
    assert first is not None
    assert first.partial_chunk.text == "one "
    assert [m.partial_chunk.text for m in await read(events)] == ["two"]


@given(st.lists(st.tuples(st.text(max_size=5), st.booleans(), st.booleans()), max_size=30))
async def test_every_piece_arrives_however_they_are_read(pieces: list[tuple[str, bool, bool]]) -> None:
    events, found, expected = EventQueue(wants_partials=False, max_bytes=10), [], ""
    for text, restart, reads in pieces:
        events.chunk(text, restart=restart)
        expected = text if restart else expected + text
        if reads and (message := await events.next()):
            found.append(message)
    events.close()
    found += await read(events)
    assert text_of(found) == expected


async def test_the_queue_has_room_once_enough_was_read() -> None:
    events = EventQueue(wants_partials=False, max_bytes=10)
    await events.wait_for_room()
    events.chunk("more than ten bytes")
    waiting = asyncio.create_task(events.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await events.next()
    await waiting


@pytest.mark.parametrize("k", [1, 2])
async def test_models_wait_for_a_slow_reader(k: int) -> None:
    """A streamed completion or an aggregator waits until the caller reads."""
    models = FakeModels(
        snapshot(pool_candidate("a"), pool_candidate("b")), a=Model(words=LONG), b=Model(words=["x "] * 20_000)
    )
    events = EventQueue(wants_partials=False, max_bytes=1_000)
    request = prompt(k=k, margin=1.0)
    request.sampling.max_output_tokens = 20_000
    route = asyncio.create_task(
        router(models, aggregator=FakeAggregator()).route(request, Deadline.after(3600), events)
    )
    route.add_done_callback(lambda _: events.close())
    for _ in range(2_000):
        await asyncio.sleep(0)
    assert not route.done()
    messages = await read(events)
    answer = await route
    assert text_of(messages) == answer.text
    assert len(answer.text) > 100_000
