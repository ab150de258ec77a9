"""Events are parsed from chunks that end anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.providers.sse import ERROR, Event, EventParser
from lightrouter.v1.error_reason_pb2 import ErrorReason


def read_events(body: bytes, cuts: list[int] | None = None, **limits: int) -> list[Event]:
    parser = EventParser(**limits)
    places = sorted({0, len(body), *(cut for cut in cuts or [] if cut < len(body))})
    events = [event for begin, end in itertools.pairwise(places) for event in parser.feed(body[begin:end])]
    return [*events, *parser.close()]


def read(body: bytes, cuts: list[int] | None = None, **limits: int) -> list[str]:
    return [event.data for event in read_events(body, cuts, **limits)]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"", []),
        (b"data: a\n\n", ["a"]),
        (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b": ping\n\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data\n\n", [""]),
        (b"database: no\n\n", []),
        (b"data: [DONE]", ["[DONE]"]),
        (b"data: [DONE]\n", ["[DONE]"]),
        (b'{"error": "no"}\ndata: a\n\n', ['{"error": "no"}', "a"]),
        (b'data: a\n{"error": "no"}', ['{"error": "no"}', "a"]),
        (b"event: a\n\ndata: b\n\n", ["b"]),
    ],
)
def test_events(body: bytes, events: list[str]) -> None:
    assert read(body) == events
    assert read(body, list(range(len(body)))) == events


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"event: error\ndata: no\n\ndata: a\n\n", [(ERROR, "no"), ("", "a")]),
        (b"data: no\nevent:error\n\n", [(ERROR, "no")]),
        (b"event: error\n\n", [(ERROR, "")]),
        (b"event: error", [(ERROR, "")]),
        (b'error: {"code":500}\n\ndata: a\n\n', [(ERROR, '{"code":500}'), ("", "a")]),
        (b"event: ping\ndata: x\n\n", [("ping", "x")]),
    ],
)
def test_events_of_a_kind(body: bytes, events: list[tuple[str, str]]) -> None:
    assert read_events(body) == events
    assert read_events(body, list(range(len(body)))) == events


def test_a_long_line_in_small_pieces_is_joined_once() -> None:
    """The line has 1 MB in chunks of ten bytes: joining it at each chunk would take minutes."""
    parser = EventParser()
    line = b"data: " + b"a" * (1024 * 1024 - 100)
    events = [event for at in range(0, len(line), 10) for event in parser.feed(line[at : at + 10])]
    assert not events
    (event,) = parser.feed(b"\n\n")
    assert len(event.data) == len(line) - 6


# The data of one line, without line ends.
LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(
    st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 400)),
)
def test_any_cut_gives_the_same_events(events: list[list[str]], end: str, cuts: list[int]) -> None:
    body = "".join("".join(f"data: {line}{end}" for line in lines) + end for lines in events).encode()
    assert read(body, cuts) == ["\n".join(lines) for lines in events]


@given(st.binary(), st.lists(st.integers(0, 100)))
def test_any_bytes_are_read_or_refused(body: bytes, cuts: list[int]) -> None:
    refused = None
    try:
        for event in read(body, cuts):
            event.encode()
    except UpstreamError as error:
        refused = error.reason
    assert refused in {None, ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED}


@pytest.mark.parametrize("body", [b"data: \xff\n\n", b"data: \xc3\n\n", b"data: \xed\xa0\x80\n\n"])
def test_broken_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(body)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED


@pytest.mark.parametrize("body", [b"data: " + b"a" * 101, b"data: aaaaaaaaaaaaaaaaaaaa\n" * 6])
def test_lines_and_events_are_bounded(body: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read(body, max_line_bytes=100)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE
