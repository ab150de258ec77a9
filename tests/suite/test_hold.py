"""Held calls over real channels and HTTP: what a route makes of upstreams that misbehave while they are held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from lightrouter.v1.error_reason_pb2 import ERROR_REASON_UPSTREAM_TOO_LARGE
from lightrouter.v1.ledger_pb2 import COST_BASIS_ESTIMATED, COST_BASIS_REPORTED, STAGE_BOOT, STAGE_COMPLETE, LedgerEntry
from lightrouter.v1.policy_pb2 import HOLD_ALWAYS, HOLD_NEVER, SELECTOR_STRATEGY_PRIOR, Policy
from lightrouter.v1.router_pb2 import Answer
from tests.suite.rig import Entry, Suite, entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.behaviours import delta
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

TEXT = "The capital is Paris, of course."
REMARK = " (as far as anybody knows)"
OTHER = "It is the city of Lyon, I think."
# Of fewer characters no adapter can tell whether a provider repeats them.
BOOT = 11
ALONE = Policy(boot_tokens=BOOT, k=1, hold=HOLD_ALWAYS, selector=SELECTOR_STRATEGY_PRIOR)
# Nobody is too slow on a busy machine.
PATIENT = {"quorum": 1.0, "aggregator": "best"}


def written(text: str, upto: int, until: asyncio.Event, *, dies: bool = False) -> Behaviour:
    """Writes `text` a character a token up to `upto`, waits for the event, and then dies or writes the rest."""

    async def behave(exchange: Exchange) -> None:
        await exchange.begin_events()
        for character in text[:upto]:
            await exchange.event(delta(character))
        await until.wait()
        if dies:
            exchange.reset()
            return
        for character in text[upto:]:
            await exchange.event(delta(character))
        await exchange.event(delta(finish="stop"))
        await exchange.event({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": len(text)}})
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.end_chunks()

    return behave


def until_left(text: str, left: asyncio.Event) -> Behaviour:
    """Writes `text` up to two tokens after its boot, and says when the client has closed the connection."""

    async def behave(exchange: Exchange) -> None:
        await behaviours.hang_mid_stream(*text[: BOOT + 2])(exchange)
        left.set()

    return behave


@asynccontextmanager
async def suite_of(folder: Path, *upstreams: Upstream, **fields: object) -> AsyncIterator[Suite]:
    """Runs candidates named first, second and third, best first, over these upstreams."""
    entries: list[Entry] = [
        entry(name, upstream.base_url, prior=prior, limits={"retries": 0}, **fields)
        for name, prior, upstream in zip(("first", "second", "third"), (0.9, 0.6, 0.3), upstreams, strict=False)
    ]
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(running(folder, *entries, router=PATIENT))


async def answered(suite: Suite, policy: Policy = ALONE, *, watched: bool) -> Answer:
    """Returns the answer, of a watched route with the text of its chunks."""
    if not watched:
        return await suite.complete(prompt(policy))
    events = await suite.stream(prompt(policy), stream_partials=True)
    answer = events[-1].answer
    for event in events:
        if event.HasField("chunk"):
            answer.text = event.chunk.text if event.chunk.restart else answer.text + event.chunk.text
    return answer


def lines_of(answer: Answer, candidate: str) -> list[LedgerEntry]:
    assert answer.ledger.cost_nanousd == sum(line.cost_nanousd for line in answer.ledger.entries)
    return [line for line in answer.ledger.entries if line.candidate == candidate]


@pytest.mark.parametrize("watched", [False, True])
async def test_losers_are_closed_at_the_choice_and_the_winner_writes_on(folder: Path, watched: bool) -> None:
    left = asyncio.Event()
    # The winner writes on only once the loser's connection is closed.
    async with (
        Upstream(written(TEXT, BOOT + 3, left)) as first,
        Upstream(until_left(OTHER, left)) as second,
        suite_of(folder, first, second) as suite,
    ):
        answer = await answered(suite, watched=watched)
        assert (len(first.requests), len(second.requests)) == (1, 1)
    assert answer.text == TEXT
    assert not answer.degraded
    (won,), (lost,) = lines_of(answer, "first"), lines_of(answer, "second")
    assert (won.stage, won.went_on, won.cost_basis) == (STAGE_BOOT, True, COST_BASIS_REPORTED)
    assert won.usage.output_tokens == len(TEXT)
    assert (lost.stage, lost.went_on, lost.cost_basis) == (STAGE_BOOT, False, COST_BASIS_ESTIMATED)
    assert not lost.HasField("failure")
    assert lost.usage.output_tokens >= BOOT
    assert lost.cost_nanousd


async def test_text_written_while_held_comes_once_and_without_a_gap(folder: Path) -> None:
    text = "".join(f"{number} " for number in range(3000))
    async with (
        Upstream(behaviours.model(text, pieces=1)) as first,
        Upstream(behaviours.model(OTHER)) as second,
        suite_of(folder, first, second) as suite,
    ):
        asked = prompt(ALONE)
        asked.sampling.max_output_tokens = len(text) + 1
        events = await suite.stream(asked)
    chunks = [event.chunk for event in events if event.HasField("chunk")]
    assert "".join(chunk.text for chunk in chunks) == text
    assert not any(chunk.restart for chunk in chunks)
    assert len(first.requests) == 1


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("continuation", ["trailing", "none"])
@pytest.mark.parametrize(("upto", "tries"), [(BOOT - 2, 1), (BOOT, 2), (BOOT + 3, 2)], ids=["before", "at", "behind"])
async def test_a_call_that_dies_before_the_choice(
    folder: Path, upto: int, tries: int, continuation: str, watched: bool
) -> None:
    died = asyncio.Event()

    async def dies(exchange: Exchange) -> None:
        await behaviours.reset_mid_stream(*TEXT[:upto])(exchange)
        died.set()

    async def waits(exchange: Exchange) -> None:
        await died.wait()
        await behaviours.model(OTHER)(exchange)

    async with (
        Upstream(dies, behaviours.model(TEXT)) as first,
        Upstream(waits, behaviours.model(OTHER)) as second,
        suite_of(folder, first, second, continuation=continuation) as suite,
    ):
        answer = await answered(suite, watched=watched)
    broke, *again = lines_of(answer, "first")
    assert broke.HasField("failure")
    if upto < BOOT:
        assert (answer.text, again) == (OTHER, [])
        return
    # The router may learn of the death before the choice, and resumes the candidate, or after it, and takes the next.
    assert answer.text == (TEXT if again else OTHER)
    assert broke.went_on == (not again)
    assert [line.stage for line in again] == [STAGE_COMPLETE] * len(again)
    assert all(line.restarted == (continuation == "none") for line in again)


def continuing(text: str) -> Behaviour:
    """Goes on from its own text, and from that of another model with a remark."""

    async def behave(exchange: Exchange) -> None:
        last = exchange.request.body["messages"][-1]
        alien = last["role"] == "assistant" and not text.startswith(last["content"])
        await (behaviours.tokens([REMARK]) if alien else behaviours.model(text))(exchange)

    return behave


def refusing_prefill(text: str) -> Behaviour:
    """Refuses to go on from a text with HTTP 400."""

    async def behave(exchange: Exchange) -> None:
        refused = behaviours.status(400, "This model does not support assistant message prefill.")
        prefilled = exchange.request.body["messages"][-1]["role"] == "assistant"
        await (refused if prefilled else behaviours.model(text))(exchange)

    return behave


def echoing_prefill(text: str) -> Behaviour:
    """Writes the whole text again after a prefill, as a provider that repeats it or ignores it."""

    async def behave(exchange: Exchange) -> None:
        await behaviours.tokens(list(text))(exchange)

    return behave


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("continuation", ["trailing", "none"])
@pytest.mark.parametrize(
    "other", [continuing, refusing_prefill, echoing_prefill], ids=["continues", "refuses", "echoes"]
)
async def test_a_winner_that_dies_after_the_choice_is_replaced(
    folder: Path, other: Callable[[str], Behaviour], continuation: str, watched: bool
) -> None:
    left = asyncio.Event()
    # The next candidate's held call shows that the choice has been made: it was dropped there.
    async with (
        Upstream(written(TEXT, BOOT + 3, left, dies=True)) as first,
        Upstream(until_left(OTHER, left), other(OTHER)) as second,
        suite_of(folder, first, second, continuation=continuation) as suite,
    ):
        answer = await answered(suite, watched=watched)
    (died,) = lines_of(answer, "first")
    assert (died.went_on, died.HasField("failure")) == (True, True)
    assert [line.stage for line in lines_of(answer, "second")] == [STAGE_BOOT, STAGE_COMPLETE]
    if watched and continuation == "trailing" and other is continuing:
        assert list(answer.candidates) == ["first", "second"]
        assert answer.text == TEXT[: BOOT + 3] + REMARK
    else:
        assert list(answer.candidates) == ["second"]
        assert answer.text == OTHER


async def test_a_stream_without_end_is_no_failure_unless_it_is_chosen(folder: Path) -> None:
    fields = {"limits": {"retries": 0, "max_response_bytes": 65536}}
    async with (
        Upstream(behaviours.model(TEXT)) as good,
        Upstream(behaviours.endless) as endless,
        running(
            folder,
            entry("good", good.base_url, prior=0.9),
            entry("endless", endless.base_url, **fields),
            router=PATIENT,
        ) as suite,
    ):
        answer = await suite.complete(prompt(ALONE))
        await endless.all_closed()
        assert answer.text == TEXT
        assert not answer.degraded
        only = Policy(candidates=["endless", "good"], k=2, margin=1, agreement=1)
        only.MergeFrom(Policy(boot_tokens=BOOT, hold=HOLD_ALWAYS, selector=SELECTOR_STRATEGY_PRIOR))
        answer = await suite.complete(prompt(only))
        await endless.all_closed()
    assert answer.text == TEXT
    assert {each.candidate for each in answer.degraded} == {"endless"}
    assert lines_of(answer, "endless")[-1].failure.reason == ERROR_REASON_UPSTREAM_TOO_LARGE


async def test_a_loser_whose_server_ignores_the_closed_connection_delays_nobody(folder: Path) -> None:
    release = asyncio.Event()

    async def deaf(exchange: Exchange) -> None:
        exchange.keep = False
        await exchange.begin_events()
        for character in OTHER[: BOOT + 2]:
            await exchange.event(delta(character))
        await release.wait()

    async with (
        Upstream(behaviours.model(TEXT)) as first,
        Upstream(deaf) as second,
        suite_of(folder, first, second) as suite,
    ):
        answers = [await suite.complete(prompt(ALONE)) for _ in range(3)]
        release.set()
    assert [answer.text for answer in answers] == [TEXT] * 3
    assert not any(answer.degraded for answer in answers)


WRITTEN = {
    "multi-byte characters": ["Gr", "ü", "ß", "e", " aus", " 日", "本", " 👩", "‍", "🚀", "!"],
    "a think block": ["<think>", "Let", " me", " see", "</think>", "\n\n", "It", " is", " 4", "."],
    "a JSON string": ['{"', "a", '":', ' "x', "\\", "n", "\\u00", 'e9"', ", ", '"b": [', "1]", "}"],
    "white space": [" ", "\n", "One", "  ", "\n\n", "two", " "],
}


@pytest.mark.parametrize("pieces", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("stop", ["", "see", "本", "two"])
async def test_the_answer_is_the_uninterrupted_text_wherever_the_checkpoint_is(
    folder: Path, pieces: Sequence[str], stop: str
) -> None:
    async with (
        Upstream(refusing_stop(pieces)) as upstream,
        running(folder, entry("only", upstream.base_url, prior=0.9), router=PATIENT) as suite,
    ):
        whole = await answer_of(suite, Policy(boot_tokens=100, hold=HOLD_NEVER), stop)
        for boot in range(1, len(pieces) + 2):
            held = await answer_of(suite, Policy(boot_tokens=boot, k=1, hold=HOLD_ALWAYS), stop)
            assert (held.text, held.finish_reason) == (whole.text, whole.finish_reason), boot
            assert len(held.ledger.entries) == 1


async def answer_of(suite: Suite, policy: Policy, stop: str) -> Answer:
    asked = prompt(policy)
    asked.sampling.stop.extend([stop] if stop else [])
    return await suite.complete(asked)


def refusing_stop(pieces: Sequence[str]) -> Behaviour:
    """Writes these tokens, and refuses stop texts, so that the adapter cuts there."""

    async def behave(exchange: Exchange) -> None:
        if "stop" in exchange.request.body:
            error = {"message": "Unsupported parameter: 'stop'", "param": "stop", "code": "unsupported_parameter"}
            await exchange.reply(json.dumps({"error": error}).encode(), 400)
        else:
            await behaviours.tokens(pieces)(exchange)

    return behave
