"""A stream of events: the pieces that it gives, and how long its token counts are waited for."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest

from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers.events import EventReader, UsageWait, has_lines
from lightrouter.adapter.providers.openai_reply import OpenAIReply
from lightrouter.pool.schema import CandidateEntry

ENTRY = CandidateEntry.model_validate({"name": "fast", "base_url": "http://h/v1", "model": "tiny"})


def _event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None if text else "stop"}
    return b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("apart", "joined_from", "expected"),
    [
        (True, None, ["a", "b", "c", "", "d", "", ""]),
        (False, None, ["ab", "c", "", "d", "", ""]),
        # Somebody who counts finds the mark in the first event: the rest comes together from there on.
        (True, "a", ["a", "b", "c", "", "d", "", ""]),
        (True, "c", ["a", "b", "c", "", "", "d", "", ""]),
    ],
)
async def test_each_event_that_is_counted_is_one_piece_and_a_part_of_an_event_shows_that_bytes_came(
    apart: bool, joined_from: str | None, expected: list[str]
) -> None:
    info = ReplyInfo(apart=apart)
    half, rest = _event("d")[:9], _event("d")[9:]

    async def chunks() -> AsyncGenerator[bytes, None]:
        for chunk in (_event("c"), half, rest, _event("")):
            yield chunk

    pieces = []
    async for delta in EventReader(OpenAIReply(ENTRY, info), info, UsageWait()).read(
        _event("a") + _event("b"), chunks()
    ):
        pieces.append(delta.text)
        if delta.text == joined_from:
            info.apart = False
    assert pieces == expected


def test_counts_that_do_not_come_are_waited_for_less_and_less_until_they_come() -> None:
    wait = UsageWait()
    whole = wait.seconds
    waits = []
    for _ in range(10):
        waits.append(wait.seconds)
        wait.missed()
    assert waits == sorted(waits, reverse=True)
    assert waits[1] == whole / 2
    assert 0 < wait.seconds < whole / 10
    wait.came()
    assert wait.seconds == whole


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": 1}\n{"b": 2}', True),
        ('{"a": 1}\ndata: x\n\n', True),
        ('{"a": 1}', False),
        ('{"a": 1}\n\n', False),
        ('{\n"a": 1\n}', False),
        ('[1]\n{"b": 2}', False),
        ("<html>\n</html>", False),
        ("", False),
    ],
)
def test_a_body_of_an_object_a_line(text: str, lines: bool) -> None:
    assert has_lines(text) == lines
