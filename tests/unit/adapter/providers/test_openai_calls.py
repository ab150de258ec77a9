"""Tool calls come out the same, whatever shape a provider gives them and wherever it cuts them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, zip_longest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.providers.openai_calls import read_calls
from lightrouter.adapter.tool_calls import ToolCallReader
from lightrouter.runtime.toolcalls import ToolCalls
from lightrouter.v1.chat_pb2 import ToolCall, ToolCallDelta

TOOLS = ("get_weather", "get_time", "stop")
Asked = tuple[str, Mapping[str, Any]]
Message = Mapping[str, object]


@dataclass(frozen=True)
class Shape:
    """How a provider sends calls.

    Attributes:
        index: As it counts: from 0, with gaps, as text, always 0, or not at all.
        identity: The id: in the first piece, in each piece, a new one in each piece, or never.
        name: The name: in the first piece, or in each piece.
        arguments: In pieces, in one piece, or as an object.
        interleaved: Whether the pieces of one call come between those of another.
    """

    index: str
    identity: str
    name: str
    arguments: str
    interleaved: bool = False

    @property
    def is_clear(self) -> bool:
        """Whether it can be known which call a piece belongs to."""
        numbered = self.index in {"count", "gaps", "text"}
        if self.interleaved:
            by_identity = self.index == "none" and self.identity == "each"
            return self.arguments == "pieces" and (numbered or by_identity)
        return not (self.index == "none" and self.identity == "new" and self.name == "each")

    def __str__(self) -> str:
        order = ["interleaved"] if self.interleaved else []
        return "-".join([self.index, self.identity, self.name, self.arguments, *order])


SHAPES = [
    shape
    for each in product(
        ("count", "gaps", "text", "zero", "none"),
        ("first", "each", "new", "never"),
        ("first", "each"),
        ("pieces", "whole", "object"),
        (False, True),
    )
    if (shape := Shape(*each)).is_clear
]


def messages(calls: Sequence[Asked], shape: Shape, cuts: Sequence[int]) -> list[Message]:
    """Returns the calls as the events of a stream; `cuts` say where the arguments are cut."""
    pieces = [list(pieces_of(at, call, shape, cuts)) for at, call in enumerate(calls)]
    order = zip_longest(*pieces) if shape.interleaved else pieces
    return [{"tool_calls": [piece]} for group in order for piece in group if piece is not None]


def pieces_of(at: int, call: Asked, shape: Shape, cuts: Sequence[int]) -> Iterator[dict[str, object]]:
    """Yields the pieces of one call."""
    name, arguments = call
    text = json.dumps(arguments)
    parts: list[object] = [text]
    if shape.arguments == "object":
        parts = [arguments]
    elif shape.arguments == "pieces":
        ends = sorted({min(cut, len(text)) for cut in cuts} | {len(text)})
        parts = ["", *(text[begin:end] for begin, end in zip([0, *ends], ends, strict=False))]
    for number, part in enumerate(parts):
        function: dict[str, object] = {"arguments": part}
        if not number or shape.name == "each":
            function["name"] = name
        piece: dict[str, object] = {"function": function}
        index = {"count": at, "gaps": 3 * at + 2, "text": str(at), "zero": 0}.get(shape.index)
        if index is not None:
            piece["index"] = index
        identity = {"each": f"id-{at}", "new": f"id-{at}-{number}"}.get(shape.identity)
        if shape.identity == "first" and not number:
            identity = f"id-{at}"
        piece["id"] = identity
        yield piece


def read(given: Sequence[Message], tools: Sequence[str] = TOOLS) -> tuple[list[ToolCall], list[ToolCallDelta]]:
    """Returns the calls in events, and their pieces."""
    reader = ToolCallReader(tools)
    pieces = [piece for message in given for piece in read_calls(message, reader)]
    pieces += reader.end()
    calls = ToolCalls()
    calls.add(pieces)
    return calls.calls(), pieces


def check(calls: Sequence[Asked], given: Sequence[Message], tools: Sequence[str] = TOOLS) -> list[ToolCall]:
    """Asserts that events are the calls, each with a place, an id of its own, and its name in its first piece."""
    found, pieces = read(given, tools)
    assert [(call.name, json.loads(call.arguments or "{}")) for call in found] == [(n, dict(a)) for n, a in calls]
    assert len({call.id for call in found} - {""}) == len(found)
    seen: set[int] = set()
    for piece in pieces:
        assert bool(piece.id) is bool(piece.name) is (piece.index not in seen)
        seen.add(piece.index)
    assert seen == set(range(len(found)))
    return found


TWO: list[Asked] = [("get_weather", {"city": "Oslo {}", "days": [1, 2]}), ("get_time", {"zone": {"name": "CET"}})]
SAME: list[Asked] = [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Bergen"})]


def test_the_test_has_at_least_64_shapes() -> None:
    assert len(SHAPES) >= 64


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("calls", [TWO, SAME, TWO[:1]], ids=["two tools", "one tool twice", "one"])
def test_a_shape_gives_the_same_calls(shape: Shape, calls: list[Asked]) -> None:
    found = check(calls, messages(calls, shape, [1, 7, 12]))
    if shape.identity == "each":
        assert [call.id for call in found] == [f"id-{at}" for at in range(len(calls))]
    # Tools that nobody offered are called, too.
    check(calls, messages(calls, shape, [1, 7, 12]), ["other"])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(TOOLS), st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=3)),
        min_size=1,
        max_size=3,
        unique_by=json.dumps,
    ),
    st.sampled_from(SHAPES),
    st.lists(st.integers(0, 80), max_size=8),
)
def test_pieces_in_any_cut_give_the_same_calls(calls: list[Asked], shape: Shape, cuts: list[int]) -> None:
    check(calls, messages(calls, shape, cuts))


def call(name: object = "stop", arguments: object = None, **members: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": arguments}, **members}


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        ([{"tool_calls": [call(id="1")]}], [("stop", {})]),
        ([{"tool_calls": [call(arguments="", index=0)]}, {"tool_calls": []}], [("stop", {})]),
        ([{"function_call": {"name": "stop"}}, {"function_call": {"arguments": "{}"}}], [("stop", {})]),
        ([{"tool_calls": [{"name": "stop", "arguments": {"a": 1}}]}], [("stop", {"a": 1})]),
        ([{"tool_calls": call("stop", "{}")}], [("stop", {})]),
        # Both calls have one id.
        (
            [{"tool_calls": [call("stop", '{"a": 1}', id="x"), call("get_time", '{"b": 1}', id="x")]}],
            [("stop", {"a": 1}), ("get_time", {"b": 1})],
        ),
        (
            [{"tool_calls": [call("stop", '{"a": 1}', id="x", index=0), call("stop", '{"b": 1}', id="x", index=1)]}],
            [("stop", {"a": 1}), ("stop", {"b": 1})],
        ),
        # The name comes in parts.
        (
            [{"tool_calls": [call("get_", "", index=0)]}, {"tool_calls": [call("time", "", index=0)]}],
            [("get_time", {})],
        ),
        # The whole call comes once more in the end.
        (
            [
                {"tool_calls": [call("stop", '{"a"', index=0, id="x")]},
                {"tool_calls": [call(None, ": 1}", index=0)]},
                {"tool_calls": [call("stop", '{"a": 1}', index=0, id="x")]},
            ],
            [("stop", {"a": 1})],
        ),
        # The name comes after the arguments.
        (
            [{"tool_calls": [call(None, '{"a": 1}', index=0)]}, {"tool_calls": [call("stop", index=0)]}],
            [("stop", {"a": 1})],
        ),
    ],
)  # fmt: skip
def test_further_shapes(given: list[Message], calls: list[Asked]) -> None:
    check(calls, given)


def test_a_call_without_a_name_is_left_out() -> None:
    reader = ToolCallReader(TOOLS)
    assert not list(read_calls({"tool_calls": [call(None, "{}", index=0)]}, reader))
    assert not list(reader.end())
    assert reader.nameless


@pytest.mark.parametrize("calls", [[None], ["stop"], [call(index=at) for at in range(129)]])
def test_calls_that_the_api_does_not_allow_are_refused(calls: list[object]) -> None:
    with pytest.raises(UpstreamError):
        read([{"tool_calls": calls}])
