"""A stream of events: the pieces that it gives, and how long its token counts are waited for."""

from __future__ import annotations

import json

import pytest

from lightrouter.adapter.exchange import Piece, ReplyInfo
from lightrouter.adapter.providers.events import EventReader, UsageWait, has_lines
from lightrouter.adapter.providers.openai_reply import OpenAIReply
from lightrouter.adapter.providers.reply import ReportedError
from lightrouter.pool.schema import CandidateEntry

ENTRY = CandidateEntry.model_validate({"name": "fast", "base_url": "http://h/v1", "model": "tiny"})


def _event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None if text else "stop"}
    return b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("marked", "more", "expected"),
    [
        (None, False, ["abc", "d", "", "e", "", ""]),
        ("", True, ["abc", "d", "", "e", "", ""]),
        # The text up to a mark is one piece; if no mark is looked for behind it, the rest is another, however empty.
        ("a", False, ["a", "bc", "d", "", "e", "", ""]),
        ("a", True, ["a", "bc", "d", "", "e", "", ""]),
        ("b", False, ["ab", "c", "d", "", "e", "", ""]),
        ("c", True, ["abc", "", "d", "", "e", "", ""]),
        ("d", False, ["abc", "d", "", "", "e", "", ""]),
        ("ab", True, ["a", "b", "c", "d", "", "e", "", ""]),
        ("ab", False, ["a", "bc", "d", "", "e", "", ""]),
    ],
)
async def test_events_that_come_together_are_one_piece_up_to_each_mark(
    marked: str | None, more: bool, expected: list[str]
) -> None:
    """Part of an event is a piece without text, which shows that bytes came."""
    counted: list[str] = []

    def passes(piece: Piece, _: ReplyInfo) -> bool:
        counted.append(piece.text)
        return bool(piece.text) and piece.text in (marked or "")

    info = ReplyInfo(passes=None if marked is None else passes)
    half, rest = _event("e")[:9], _event("e")[9:]

    chunks = iter((_event("d"), half, rest, _event("")))

    async def following() -> bytes | None:
        return next(chunks, None)

    pieces = []
    begin = _event("a") + _event("b") + _event("c")
    async for delta in EventReader(OpenAIReply(ENTRY, info), info, UsageWait()).read(begin, following):
        pieces.append(delta.text)
        if not more and delta.text and delta.text[-1] in (marked or ""):
            info.passes = None
    assert pieces == expected
    if more:
        assert counted == ["a", "b", "c", "d", "e", ""]


async def test_text_before_an_error_comes_before_it() -> None:
    info = ReplyInfo(passes=lambda _piece, _info: False)
    pieces = []

    async def nothing() -> bytes | None:
        return None

    async def read() -> None:
        body = _event("a") + _event("b") + b'data: {"error": {"message": "no"}}\n\n' + _event("c")
        async for delta in EventReader(OpenAIReply(ENTRY, info), info, UsageWait()).read(body, nothing):
            pieces.append(delta.text)  # noqa: PERF401 - what came before the error

    with pytest.raises(ReportedError):
        await read()
    assert pieces == ["ab"]


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
