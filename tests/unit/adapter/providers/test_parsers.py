"""Whatever a provider sends, its parser reads it or fails with an error that callers get: properties of all APIs."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightrouter.adapter.exchange import ProviderRequest, ReplyInfo
from lightrouter.adapter.faults import UpstreamError
from lightrouter.adapter.providers.anthropic import Anthropic
from lightrouter.adapter.providers.api import Api
from lightrouter.adapter.providers.events import EventReader, UsageWait
from lightrouter.adapter.providers.gemini import Gemini
from lightrouter.adapter.providers.openai import OpenAI
from lightrouter.adapter.providers.refusals import features
from lightrouter.adapter.providers.reply import ReportedError, parse
from lightrouter.adapter.quirks import Quirks
from lightrouter.adapter.text.coalesce import TextDelta, joined
from lightrouter.pool.schema import CandidateEntry
from lightrouter.v1.chat_pb2 import ChatMessage, OutputSpec, Role, Sampling, Tool, ToolCall
from tests.upstreams.dialects import DIALECTS, Call, Counts, Dialect, Said

APIS: dict[str, Callable[[CandidateEntry], Api]] = {"openai": OpenAI, "anthropic": Anthropic, "gemini": Gemini}
SAID = Said(
    ("Hello", " 汉😀", "ld"),
    thoughts=("I", " think"),
    counts=Counts(read=100, cached=50, written=30, thought=10),
    calls=(Call("find", '{"city": "Oslo", "days": [1, 2]}', "call_1"), Call("stop", "{}", "call_2")),
)
REQUEST = ProviderRequest(
    [ChatMessage(role=Role.ROLE_USER, content="Hi")],
    Sampling(),
    None,
    prefill="So ",
    output=OutputSpec(tools=[Tool(name="find"), Tool(name="stop")]),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES | st.sampled_from(["text", "error", "STOP", "tool_use", "message_stop", "end_turn", -1, 10**30]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "content", "error", "index"]) | st.text(max_size=4), inner)
    ),
    max_leaves=8,
)
Result = tuple[TextDelta, ReplyInfo]

pytestmark = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.provider)


@cache
def made(dialect: Dialect) -> Api:
    entry = {"name": "fast", "base_url": "http://h/v1", "model": "tiny", "provider": dialect.provider}
    return APIS[dialect.provider](CandidateEntry.model_validate(entry))


def read_events(dialect: Dialect, chunks: Sequence[bytes], *, apart: bool = False) -> Result:
    """Reads a stream; raises what its reader raises."""

    async def run() -> Result:
        left = iter(chunks)

        async def more() -> bytes | None:
            return next(left, None)

        info = ReplyInfo(passes=(lambda _piece, _info: True) if apart else None)
        reader = EventReader(made(dialect).reader(REQUEST, info), info, UsageWait())
        deltas = [delta async for delta in reader.read(b"", more)]
        return joined(deltas), info

    return asyncio.run(run())


def only_typed(read: Callable[[], object]) -> None:
    """Runs `read`, which may fail only as the adapter's callers expect."""
    with suppress(UpstreamError, ReportedError):
        read()


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of each value in a document."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: object) -> Any:
    """Returns a copy of a document with another value at `path`."""
    if not path:
        return value
    changed = holder = copy.deepcopy(document)
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def documents(dialect: Dialect) -> list[Any]:
    """Returns the documents of a stream's events."""
    events = b"".join(dialect.events(SAID)).decode().splitlines()
    data = [line.removeprefix("data: ") for line in events if line.startswith("data: ")]
    return [json.loads(each) for each in data if each != "[DONE]"]


@settings(max_examples=80)
@given(data=st.data())
def test_a_document_with_anything_in_one_place(dialect: Dialect, data: st.DataObject) -> None:
    whole = dialect.document(SAID)
    path, value = data.draw(st.sampled_from(list(places(whole)))), data.draw(VALUES)
    text = json.dumps(replaced(whole, path, value))
    only_typed(lambda: made(dialect).reader(REQUEST, ReplyInfo()).document(parse(text)))


@settings(max_examples=80)
@given(data=st.data())
def test_a_stream_with_anything_in_one_place(dialect: Dialect, data: st.DataObject) -> None:
    events = documents(dialect)
    at = data.draw(st.integers(0, len(events) - 1))
    path, value = data.draw(st.sampled_from(list(places(events[at])))), data.draw(VALUES)
    events[at] = replaced(events[at], path, value)
    moved = data.draw(st.integers(0, len(events) - 1))
    if data.draw(st.booleans()):
        events.insert(moved, events.pop(at))
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    only_typed(lambda: read_events(dialect, [body]))


@settings(max_examples=50)
@given(document=VALUES)
def test_any_json(dialect: Dialect, document: object) -> None:
    text = json.dumps(document)
    only_typed(lambda: made(dialect).reader(REQUEST, ReplyInfo()).document(parse(text)))
    only_typed(lambda: read_events(dialect, [b"data: " + text.encode() + b"\n\n"]))


@settings(max_examples=50)
@given(chunks=st.lists(st.binary(max_size=40), max_size=6), begun=st.integers(0, 2000))
def test_any_bytes_behind_any_part_of_a_stream(dialect: Dialect, chunks: list[bytes], begun: int) -> None:
    body = b"".join(dialect.events(SAID))
    only_typed(lambda: read_events(dialect, [body[: begun % (len(body) + 1)], *chunks]))


def facts(result: Result) -> dict[str, object]:
    """Returns all that a result says, without the ids that the adapter makes."""
    delta, info = result
    calls: dict[int, list[str]] = {}
    for piece in delta.calls:
        call = calls.setdefault(piece.index, ["", ""])
        call[0] += piece.name
        call[1] += piece.arguments
    members = ("finish_reason", "at_best", "usage", "model", "texts", "written", "ends_hidden", "called_tools")
    said: dict[str, object] = {name: getattr(info, name) for name in members}
    said["state"] = re.sub(rb"call_[0-9a-f]{24}", b"", info.state)
    return {**said, "text": delta.text, "reasoning": delta.reasoning, "calls": calls}


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 4000), max_size=30), apart=st.booleans(), lines=st.sampled_from(["\n", "\r\n", "\r"])
)
def test_any_cut_of_a_stream_gives_the_same(dialect: Dialect, cuts: list[int], apart: bool, lines: str) -> None:
    body = b"".join(dialect.events(SAID)).replace(b"\n", lines.encode())
    ends = sorted({cut % len(body) for cut in cuts})
    chunks = [body[begin:end] for begin, end in zip([0, *ends], [*ends, len(body)], strict=True)]
    result = facts(read_events(dialect, chunks, apart=apart))
    assert result == facts(read_events(dialect, [body]))
    assert (result["text"], result["reasoning"]) == (SAID.text, "I think")
    assert result["calls"] == {
        index: [call.name, json.dumps(json.loads(call.arguments))] for index, call in enumerate(SAID.calls)
    }


@settings(max_examples=40)
@given(end=st.integers(0, 4000))
def test_a_part_of_a_stream_is_never_a_whole_answer(dialect: Dialect, end: int) -> None:
    body = b"".join(dialect.events(SAID))
    whole = facts(read_events(dialect, [body]))
    try:
        part = facts(read_events(dialect, [body[: end % len(body)]]))
    except UpstreamError:
        return
    # Only what comes behind the finish reason may be missing.
    assert (part["text"], part["calls"]) == (whole["text"], whole["calls"])


MEMBERS = st.sampled_from(["content", "reasoning", "reasoning_details", "tool_calls", "type", "text", "parts", "role"])


@settings(max_examples=80)
@given(block=st.dictionaries(MEMBERS, VALUES), last=st.booleans(), merged=st.booleans(), called=st.booleans())
def test_any_state_that_a_caller_sends_back(
    dialect: Dialect, block: dict[str, Any], last: bool, merged: bool, called: bool
) -> None:
    calls = [ToolCall(id="1", name="find", arguments="{}")] * called
    kept = {"model": "tiny", "text": "So", "calls": [["find", "{}"]] * called, "blocks": [block]}
    state = json.dumps({dialect.provider: kept}).encode()
    answer = ChatMessage(role=Role.ROLE_ASSISTANT, content="So", tool_calls=calls, candidate="fast", state=state)
    result = ChatMessage(role=Role.ROLE_TOOL, tool_call_id="1", content="x")
    turns = [*REQUEST.messages, answer, *([] if last else [result])]
    request = replace(REQUEST, messages=turns, prefill="", quirks=Quirks(merges_turns=merged, merges_system=merged))
    features(made(dialect).write(request, streamed=True).asked)
