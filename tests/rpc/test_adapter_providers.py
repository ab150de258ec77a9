"""What every provider API promises: one table of promises, held against servers that speak each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import (
    ChatMessage,
    FinishReason,
    Role,
    Sampling,
)
from lightrouter.v1.error_reason_pb2 import ErrorReason
from tests.held import read
from tests.rpc.adapter_support import FILTER, LENGTH, LONG, STOP, UNKNOWN, adapter, answered, generation, most
from tests.rpc.test_adapter_cancel import first_chunk, settled
from tests.rpc.test_adapter_learns import refuses
from tests.upstreams import behaviours
from tests.upstreams.dialects import DIALECTS, MODEL, Counts, Dialect, GeminiDialect, Said
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

pytestmark = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.provider)
PREFILL = "Prefilling assistant messages is not supported for this model."
PRICES = {"input": "2", "cached_input": "0.2", "output": "10"}


async def failure(dialect: Dialect, behaviour: Behaviour, *, streamed: bool = True, **members: Any) -> ServiceError:
    """Asks once, without retries; returns the failure."""
    members.setdefault("limits", {"retries": 0})
    async with (
        Upstream(behaviour) as upstream,
        adapter(upstream.base_url, provider=dialect.provider, **members) as served,
    ):
        with pytest.raises(ServiceError) as caught:
            await served.ask(generation(), 20, streamed=streamed)
    return caught.value


async def test_a_stream_and_a_document_say_the_same(dialect: Dialect) -> None:
    said = Said(("Hello", " wor", "ld"), counts=Counts(read=1000, cached=600, written=50))
    answer = await answered(dialect.reply(said), provider=dialect.provider, prices=PRICES)
    assert (answer.text, answer.result.finish_reason, answer.result.model) == ("Hello world", STOP, MODEL)
    used = answer.result.usage
    assert (used.input_tokens, used.cached_input_tokens, used.output_tokens) == (1000, 600, 50)
    assert not used.estimated
    assert answer.result.cost_nanousd == 400 * 2_000 + 600 * 200 + 50 * 10_000


@pytest.mark.parametrize(
    ("word", "reason"), [("stop", STOP), ("length", LENGTH), ("filter", FILTER), ("pause", UNKNOWN)]
)
async def test_only_a_good_end_is_one(dialect: Dialect, word: str, reason: FinishReason.ValueType) -> None:
    answer = await answered(dialect.reply(Said(finish=word)), provider=dialect.provider)
    assert (answer.text, answer.result.finish_reason) == ("Hello world", reason)


async def test_a_stream_without_an_end_is_no_answer(dialect: Dialect) -> None:
    error = await failure(dialect, dialect.broken(Said()))
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
    assert "before the model had finished" in error.message


async def test_a_withheld_answer_says_so(dialect: Dialect) -> None:
    error = await failure(dialect, dialect.reply(Said((), "filter")))
    assert (error.reason, error.finish_reason) == (ErrorReason.ERROR_REASON_EMPTY_OUTPUT, FILTER)
    assert "withheld" in error.message


async def test_hidden_reasoning_is_apart(dialect: Dialect) -> None:
    said = Said(("The sky", " is blue."), thoughts=("Light", " scatters."), counts=Counts(written=30, thought=20))
    answer = await answered(dialect.reply(said), provider=dialect.provider)
    assert (answer.text, answer.reasoning) == ("The sky is blue.", "Light scatters.")
    assert (answer.result.usage.output_tokens, answer.result.usage.reasoning_tokens) == (30, 20)


async def test_reasoning_without_an_answer_is_no_whole_text(dialect: Dialect) -> None:
    answer = await answered(dialect.reply(Said((), thoughts=("Light scatters.",))), provider=dialect.provider)
    assert (answer.text, answer.result.finish_reason) == ("", UNKNOWN)


KEY = "some-very-secret-key"
FAILURES: Sequence[tuple[int, str, int, float | None]] = [
    (400, "prompt is too long: 210000 tokens > 200000 maximum", ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, None),
    (401, f"the key {KEY} is wrong", ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, None),
    (403, "no access", ErrorReason.ERROR_REASON_UPSTREAM_UNAUTHENTICATED, None),
    (404, "model tiny is not found", ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, None),
    (413, "too large", ErrorReason.ERROR_REASON_UPSTREAM_REJECTED, None),
    (429, "slow down", ErrorReason.ERROR_REASON_UPSTREAM_RATE_LIMITED, 7.0),
    (500, "it is broken", ErrorReason.ERROR_REASON_UPSTREAM_ERROR, None),
    (503, "The model is overloaded.", ErrorReason.ERROR_REASON_UPSTREAM_ERROR, None),
    (529, "Overloaded", ErrorReason.ERROR_REASON_UPSTREAM_ERROR, 7.0),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("status", "words", "reason", "wait"), FAILURES, ids=[str(case[0]) for case in FAILURES])
async def test_failures(
    dialect: Dialect,
    status: int,
    words: str,
    reason: int,
    wait: float | None,
    streamed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    headers = {"retry-after": "7"} if wait else None
    behaviour = dialect.refuse(status, words, headers)
    error = await failure(dialect, behaviour, streamed=streamed, api_key_env="SOME_KEY")
    assert (error.reason, error.retry_after) == (reason, wait)
    assert KEY not in error.message
    assert words.partition(KEY)[0] in error.message


async def test_the_key_is_in_the_api_s_own_header(dialect: Dialect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    for header in (None, "authorization", "x-gateway-key"):
        async with (
            Upstream(dialect.reply(Said())) as upstream,
            adapter(
                upstream.base_url, provider=dialect.provider, api_key_env="SOME_KEY", api_key_header=header
            ) as served,
        ):
            await served.generate(generation())
        headers = upstream.requests[0].headers
        found = {name for name, value in headers.items() if KEY in value}
        assert found == {header or dialect.key_header}
        assert (headers.get("authorization") == f"Bearer {KEY}") == ("authorization" in found)


async def test_an_error_in_a_stream_and_in_a_document(dialect: Dialect) -> None:
    async def behave(exchange: Exchange) -> None:
        body = json.dumps(dialect.error(529, "Overloaded")).encode()
        if not dialect.streams(exchange.request):
            await exchange.reply(body)
            return
        await exchange.begin_events()
        for event in dialect.events(Said(("Hello",), "")):
            await exchange.chunk(event)
        await exchange.chunk(b"event: error\ndata: " + body + b"\n\n")
        await exchange.end_chunks()

    for streamed in (False, True):
        error = await failure(dialect, behave, streamed=streamed)
        assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_ERROR
        assert "Overloaded" in error.message


GARBAGE = {
    "no JSON": b"Not a reply",
    "a web page": b"<html></html>",
    "a list": b"[1, 2]",
    "an empty object": b"{}",
    "another object": b'{"hello": "world"}',
    "no UTF-8": b'{"content": "\xff"}',
    "nothing": b"",
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_is_a_failure(dialect: Dialect, kind: str, streamed: bool) -> None:
    error = await failure(dialect, behaviours.raw(GARBAGE[kind]), streamed=streamed)
    assert error.reason in {
        ErrorReason.ERROR_REASON_UPSTREAM_MALFORMED,
        ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE,
        ErrorReason.ERROR_REASON_EMPTY_OUTPUT,
    }


async def test_a_body_is_bounded(dialect: Dialect) -> None:
    long = Said(["word " * 100] * 20)
    for streamed in (False, True):
        limits = {"retries": 0, "max_response_bytes": 4096, "max_document_bytes": 4096}
        error = await failure(dialect, dialect.reply(long), streamed=streamed, limits=limits)
        assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_TOO_LARGE


SAMPLING = Sampling(max_output_tokens=100, temperature=0.5, top_p=0.9, stop=["END"])
REFUSED: Sequence[tuple[str, str]] = [
    ("temperature", "`temperature` is deprecated for this model."),
    ("top_p", "top_p is not supported by this model."),
    ("top_p", "`temperature` and `top_p` cannot both be specified for this model. Please use only one."),
    ("stop", "stop sequences are not supported"),
    ("max_tokens", "max_tokens: 100 > 64, which is the maximum allowed number of output tokens"),
    ("max_tokens", "max_tokens is 100, but the supported range is from 1 (inclusive) to 65 (exclusive)."),
]


@pytest.mark.parametrize(("name", "words"), REFUSED)
async def test_a_refused_option_is_left_out_and_remembered(dialect: Dialect, name: str, words: str) -> None:
    def accepts(body: dict[str, Any]) -> bool:
        value = dialect.option(body, name)
        return value == 64 if name == "max_tokens" else value is None

    async def behave(exchange: Exchange) -> None:
        right = accepts(exchange.request.body)
        await (dialect.reply(Said()) if right else dialect.refuse(400, words))(exchange)

    asked = generation(sampling=SAMPLING)
    async with Upstream(behave) as upstream, adapter(upstream.base_url, provider=dialect.provider) as served:
        for _ in range(2):
            assert (await served.generate(asked)).text == "Hello world"
        assert len(upstream.requests) == 3
        assert len(await refuses(served)) == 1
        assert dialect.option(upstream.requests[0].body, name) is not None


def goes_on(dialect: Dialect, whole: str) -> Behaviour:
    """Goes on from a prefill; writes `whole` without one."""

    async def behave(exchange: Exchange) -> None:
        begun = dialect.prefill(exchange.request.body)
        assert whole.startswith(begun)
        rest = whole[len(begun) :]
        await dialect.reply(Said((rest[:4], rest[4:])))(exchange)

    return behave


WHOLE = "Blue light is scattered most."


async def test_a_prefill_is_continued(dialect: Dialect) -> None:
    async with (
        Upstream(goes_on(dialect, WHOLE)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider) as served,
    ):
        answer = await served.generate(generation(prefix="Blue light is"))
        assert (answer.text, answer.restarted) == (" scattered most.", False)
        assert dialect.prefill(upstream.requests[0].body) == "Blue light is"


async def test_a_refused_prefill_is_written_anew_and_remembered(dialect: Dialect) -> None:
    async def behave(exchange: Exchange) -> None:
        begun = dialect.prefill(exchange.request.body)
        await (dialect.refuse(400, PREFILL) if begun else dialect.reply(Said((WHOLE,))))(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url, provider=dialect.provider) as served:
        for _ in range(2):
            answer = await served.generate(generation(prefix="Blue light is"))
            assert (answer.text, answer.restarted) == (WHOLE, True)
        assert len(upstream.requests) == 3
        assert await refuses(served) == ["prefill"]


@pytest.mark.parametrize(
    ("written", "rest", "restarted"),
    [
        (WHOLE, " scattered most.", False),
        ("Because blue light is scattered most.", "Because blue light is scattered most.", True),
    ],
    ids=["echoed", "ignored"],
)
async def test_an_echoed_or_ignored_prefill_never_gives_the_text_twice(
    dialect: Dialect, written: str, rest: str, restarted: bool
) -> None:
    async with (
        Upstream(dialect.reply(Said((written[:4], written[4:])))) as upstream,
        adapter(upstream.base_url, provider=dialect.provider, echoes_prefix=not restarted) as served,
    ):
        answer = await served.generate(generation(prefix="Blue light is"))
    assert (answer.text, answer.restarted) == (rest, restarted)


async def test_stop_texts_that_a_provider_refuses_end_the_text_here(dialect: Dialect) -> None:
    async def behave(exchange: Exchange) -> None:
        refused = dialect.option(exchange.request.body, "stop") is not None
        said = Said(("Hello", " E", "ND", " and more"))
        await (dialect.refuse(400, "stop sequences are not supported") if refused else dialect.reply(said))(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url, provider=dialect.provider) as served:
        answer = await served.generate(generation(sampling=SAMPLING))
    assert (answer.text, answer.result.finish_reason) == ("Hello ", STOP)


async def test_a_held_call_shows_its_checkpoint_and_goes_on(dialect: Dialect) -> None:
    pieces = ("The", " sky", " is", " blue", " by", " day", ".")
    said = Said(pieces, counts=Counts(written=len(pieces)))
    async with (
        Upstream(dialect.reply(said)) as upstream,
        adapter(upstream.base_url, provider=dialect.provider) as served,
    ):
        held = await read(served.hold(generation(sampling=most(100)), 3))
    assert held.checkpoint is not None
    assert held.before.text + held.after.text == said.text
    assert held.before.text == "The sky is" or isinstance(dialect, GeminiDialect)
    assert held.checkpoint.usage.output_tokens == 3
    assert (held.result.finish_reason, held.result.usage.output_tokens) == (STOP, len(pieces))
    assert len(upstream.requests) == 1
    assert dialect.option(upstream.requests[0].body, "max_tokens") == 100


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_cancelled_call_closes_the_connection(dialect: Dialect, streamed: bool) -> None:
    behaviour = dialect.broken(Said(), hangs=True) if streamed else behaviours.hang
    async with (
        Upstream(behaviour) as upstream,
        adapter(upstream.base_url, provider=dialect.provider) as served,
    ):
        begun = asyncio.Event()
        call = asyncio.create_task(
            first_chunk(served, begun) if streamed else wanted(served.generate(generation(), LONG))
        )
        await (begun.wait() if streamed else upstream.arrived())
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await settled(upstream, 1)


async def wanted(call: Any) -> None:
    await call


def messages(*turns: tuple[Role.ValueType, str]) -> Generation:
    return Generation(messages=[ChatMessage(role=role, content=content) for role, content in turns])


CONVERSATIONS: dict[str, Callable[[], Generation]] = {
    "a question": generation,
    "instructions": lambda: messages((Role.ROLE_SYSTEM, "Be brief."), (Role.ROLE_USER, "Hi")),
    "instructions alone": lambda: messages((Role.ROLE_SYSTEM, "Be brief.")),
    "the assistant first": lambda: messages((Role.ROLE_ASSISTANT, "Well?"), (Role.ROLE_USER, "Hi")),
    "one role twice": lambda: messages((Role.ROLE_USER, "Hi"), (Role.ROLE_USER, "Are you there?")),
    "a long one": lambda: messages(
        *[(Role.ROLE_USER, "Hi"), (Role.ROLE_ASSISTANT, "Yes?")] * 3, (Role.ROLE_USER, "No")
    ),
}


@pytest.mark.parametrize("kind", CONVERSATIONS)
async def test_conversations_keep_every_word(dialect: Dialect, kind: str) -> None:
    asked = CONVERSATIONS[kind]()
    async with (
        Upstream(dialect.reply(Said())) as upstream,
        adapter(upstream.base_url, provider=dialect.provider, system_prompt="You are kind.") as served,
    ):
        assert (await served.generate(asked)).text == "Hello world"
    body = upstream.requests[0].raw.decode()
    assert all(json.dumps(message.content)[1:-1] in body for message in asked.messages)
    assert "You are kind." in body
