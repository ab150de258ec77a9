"""The checkpoint of a stream is the end that a limit of as many tokens gives, and no text is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from lightrouter.runtime.deadline import Deadline
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import Sampling, Usage
from tests.held import Held, read
from tests.recordings import line, write
from tests.rpc.adapter_support import LENGTH, STOP, Adapter, adapter, generation, most
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

TEXTS = {
    "words": ["The", " sky", " is", " blue", ".", " It", " is", " far", "."],
    "spaces at the end of a token": ["The ", "sky ", "is ", "  \n", "blue.\n", "\n"],
    "Chinese": ["天空", "为", "什么", "是", "蓝", "色", "的", "?"],
    "Arabic, from the right": ["ال", "سماء", " زر", "قاء", "."],
    "Devanagari with combining marks": ["न", "म", "स", "्", "ते", " दु", "नि", "या"],
    "Korean in jamo": ["\u1112", "\u1161", "\u11ab", "\u1100", "\u1173", "\u11af"],
    "Thai without spaces": ["ท้อง", "ฟ้า", "สี", "ฟ้า"],
    "characters beside the basic plane": ["\U0001d4b3", "😀", "👨", "\u200d", "👩", " end"],
    "the halves of a character": ["So ", "\ud83d", "\ude00", " and", " \ud83d", "\ude01", "!"],
    "bytes that the server could not decode": ["a", "\ufffd", "\ufffd", "b", " \ufffd", "c"],
    "hidden reasoning": ["<th", "ink>", "Blue", " light", " scatters", "</thi", "nk>", "\n\n", "The", " sky", "."],
    "two blocks of it": ["<think>", "a", "</think>", " <think>", "b", "</think>", " c", " d"],
    "a tag in the text": ["Use", " <", "think", ">", " here", "."],
    "JSON": ['{"', "name", '":', ' "', "O'", "\\", '"', "Ne", "il", '"', ",", ' "a', '": ', "1", "}"],
    "code": ["def", " f", "():\n", "    ", "return", " 1", "\n", "\n\n", "    ", "#"],
}


async def hold(served: Adapter, asked: Generation, tokens: int) -> Held:
    return await read(served.hold(asked, tokens))


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_checkpoint_at_every_token_is_where_a_limit_cuts(kind: str) -> None:
    written = TEXTS[kind]
    async with Upstream(behaviours.tokens(written)) as upstream, adapter(upstream.base_url) as served:
        free = await hold(served, generation(), 0)
        assert free.checkpoint is None
        for tokens in range(1, len(written) + 1):
            held = await hold(served, generation(), tokens)
            limited = await hold(served, generation(sampling=most(tokens)), 0)
            assert held.output == free.output
            assert held.result.usage == free.result.usage
            assert held.checkpoint is not None
            assert held.checkpoint.usage.output_tokens == tokens
            if tokens < len(written):
                assert held.booted == limited.output
                rest = generation(prefix=held.before.text, continuation=held.checkpoint.continuation)
                again = generation(prefix=limited.before.text, continuation=limited.result.continuation)
                assert _unlinked(rest) == _unlinked(again)


def _unlinked(asked: Generation) -> tuple[str, dict[str, object]]:
    """Returns how a call goes on, without its span and its prompt's tokens, which are counted at the end."""
    members = json.loads(asked.continuation[1:])
    del members["s"]
    members.pop("p", None)
    return asked.prefix, members


async def test_several_events_in_one_segment_are_divided_between_two_of_them() -> None:
    written = ["Mississippi", " a", " is", " internationalization", "."]
    events = b"".join(b"data: " + json.dumps(behaviours.delta(token)).encode() + b"\n\n" for token in written)
    end = b"data: " + json.dumps(behaviours.delta(finish="stop")).encode() + b"\n\ndata: [DONE]\n\n"
    async with (
        Upstream(behaviours.in_bytes(events + end, [])) as upstream,
        adapter(upstream.base_url) as served,
    ):
        for tokens in range(1, len(written)):
            held = await hold(served, generation(), tokens)
            assert (held.before.text, held.after.text) == ("".join(written[:tokens]), "".join(written[tokens:]))


@pytest.mark.parametrize("tokens", range(1, 12))
async def test_a_stop_text_that_the_provider_does_not_know_across_the_checkpoint(tokens: int) -> None:
    written = ["One", ",", " two", " E", "N", "D", " three", "."]

    async def behave(exchange: Exchange) -> None:
        refused = behaviours.status(400, "'stop' is not supported")
        await (refused if "stop" in exchange.request.body else behaviours.tokens(written))(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        held = await hold(served, generation(sampling=Sampling(stop=["END"])), tokens)
        assert held.output == ("One, two ", "")
        assert held.result.finish_reason == STOP
        if tokens < 6:
            assert held.before.text == ("One", "One,", "One, two", "One, two", "One, two")[tokens - 1]
        else:
            assert held.checkpoint is None


ENDS: list[tuple[str, list[object], bool]] = [
    ("before it", [behaviours.delta("a"), behaviours.delta(finish="stop")], False),
    ("with its last token", [behaviours.delta("a"), behaviours.delta("b", "stop")], False),
    ("behind its last token", [behaviours.delta("a"), behaviours.delta("b"), behaviours.delta(finish="stop")], True),
    ("with the one after it", [behaviours.delta("a"), behaviours.delta("b"), behaviours.delta("c", "stop")], True),
]


@pytest.mark.parametrize(("events", "comes"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
async def test_a_text_that_ends_at_the_checkpoint(events: list[object], comes: bool) -> None:
    async with Upstream(behaviours.stream(events)) as upstream, adapter(upstream.base_url) as served:
        held = await hold(served, generation(), 2)
    assert (held.checkpoint is not None) == comes
    assert held.before.text == ("ab" if comes or len(events) > 2 else held.output[0])
    assert held.result.finish_reason == STOP


@pytest.mark.parametrize(("limit", "comes"), [(2, False), (3, False), (4, True)])
async def test_a_limit_that_comes_first_makes_a_checkpoint_needless(limit: int, comes: bool) -> None:
    async with Upstream(behaviours.tokens(["a", "b", "c", "d", "e"])) as upstream, adapter(upstream.base_url) as served:
        held = await hold(served, generation(sampling=most(limit)), 3)
    assert (held.checkpoint is not None) == comes
    assert held.output[0] == "abcde"[:limit]
    assert held.result.finish_reason == LENGTH


async def test_the_checkpoint_says_how_the_call_stands() -> None:
    prices = {"input": "1", "output": "2"}
    async with (
        Upstream(behaviours.tokens(["Blue", " light", " scatters", "."])) as upstream,
        adapter(upstream.base_url, prices=prices) as served,
    ):
        held = await hold(served, generation(), 2)
    checkpoint = held.checkpoint
    assert checkpoint is not None
    assert checkpoint.finish_reason == LENGTH
    assert checkpoint.usage == Usage(input_tokens=checkpoint.usage.input_tokens, output_tokens=2, estimated=True)
    assert checkpoint.usage.input_tokens > 0
    assert checkpoint.cost_nanousd == checkpoint.usage.input_tokens * 1000 + 2 * 2000
    assert checkpoint.model == behaviours.MODEL
    assert checkpoint.attempts == 1
    assert checkpoint.HasField("time_to_first_token")
    assert checkpoint.time_to_first_token == held.result.time_to_first_token
    assert checkpoint.elapsed.ToNanoseconds() <= held.result.elapsed.ToNanoseconds()
    assert not held.result.usage.estimated


@pytest.mark.parametrize(
    ("tokens", "hidden"),
    [(1, "I"), (2, "I see"), (3, "I see"), (4, "I see")],
)
async def test_hidden_reasoning_counts(tokens: int, hidden: str) -> None:
    events = [
        behaviours.delta(message={"reasoning_content": "I"}),
        behaviours.delta(message={"reasoning_content": " see"}),
        behaviours.delta("The"),
        behaviours.delta(" sky"),
        behaviours.delta("."),
        behaviours.delta(finish="stop"),
    ]
    async with Upstream(behaviours.stream(events)) as upstream, adapter(upstream.base_url) as served:
        held = await hold(served, generation(), tokens)
    assert held.checkpoint is not None
    assert held.booted == ("The sky."[: (0, 0, 0, 3, 7)[tokens]], hidden)
    assert held.output == ("The sky.", "I see")
    assert held.checkpoint.usage.reasoning_tokens == min(tokens, 2) or tokens > 2
    assert json.loads(held.checkpoint.continuation[1:])["r"] == hidden


def document(text: str, usage: object) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.reply(json.dumps(behaviours.completion(text, usage=usage)).encode())

    return behave


@pytest.mark.parametrize("usage", [{"prompt_tokens": 7, "completion_tokens": 9}, None])
async def test_a_reply_that_comes_as_one_document(usage: object) -> None:
    text = "Blue light is scattered most of all."
    async with Upstream(document(text, usage)) as upstream, adapter(upstream.base_url) as served:
        held = await hold(served, generation(), 2)
        assert (await hold(served, generation(), 9)).checkpoint is None
    assert held.checkpoint is not None
    assert held.output == (text, "")
    assert held.before.text == text[:8]
    assert held.checkpoint.usage.output_tokens == 2
    if usage:
        assert held.checkpoint.usage.input_tokens == 7


ANSWER = "Rayleigh scattering: blue light is scattered most."


@pytest.mark.parametrize("pace", [False, True])
@pytest.mark.parametrize("counted", [None, 5, 22])
async def test_a_recorded_answer(tmp_path: Path, pace: bool, counted: int | None) -> None:
    """Also if the recording counts other tokens than the project does."""
    said = {"tiny": {"text": ANSWER, "latency_s": 0.2, **({"output_tokens": counted} if counted else {})}}
    path = write(tmp_path / "data.jsonl.gz", [line("Why?", {}, responses=said)])
    async with adapter("", provider="replay", recording=str(path), pace=pace) as served:
        free = await hold(served, generation("Why?"), 0)
        tries = [asyncio.create_task(_recorded(served, tokens)) for tokens in range(1, (counted or 10) + 1)]
        for tokens, (held, limited) in enumerate(await asyncio.gather(*tries), 1):
            assert held.output == (ANSWER, "")
            assert held.result.usage == free.result.usage
            assert (held.checkpoint is None) == (limited.result.finish_reason == STOP)
            if held.checkpoint is not None:
                assert held.booted == limited.output
                assert held.checkpoint.usage.output_tokens == tokens


async def _recorded(served: Adapter, tokens: int) -> tuple[Held, Held]:
    limited = await hold(served, generation("Why?", sampling=most(tokens)), 0)
    return await hold(served, generation("Why?"), tokens), limited


@pytest.mark.parametrize("unwatched", [False, True])
async def test_the_text_that_nobody_watches_comes_with_the_checkpoint(unwatched: bool) -> None:
    events = [behaviours.delta("one two three four five six"), behaviours.delta(finish="stop")]
    async with Upstream(behaviours.stream(events)) as upstream, adapter(upstream.base_url) as served:
        stream = served.models.stream(
            served.target, generation(), Deadline.after(60), checkpoint_tokens=2, unwatched=unwatched
        )
        messages = [message async for message in stream]
    assert messages[0].WhichOneof("event") == ("checkpoint" if unwatched else "chunk")
    held = Held()
    for message in messages:
        held.take(message)
    assert held.before.text
    assert held.output[0] == "one two three four five six"
