"""The costs of failed replies, and the shapes of replies and errors that an adapter reads."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lightrouter.adapter.exchange import ReplyInfo
from lightrouter.adapter.providers import http_provider, openai_reply, reply
from lightrouter.adapter.text.coalesce import TextDelta
from lightrouter.runtime.errors import ServiceError, Spent
from lightrouter.runtime.ledger import failed_entry
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.chat_pb2 import FinishReason
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage
from tests.rpc.adapter_support import (
    COUNTS,
    FILTER,
    LENGTH,
    STOP,
    UNKNOWN,
    adapter,
    answered,
    asked,
    failed,
    generation,
)
from tests.upstreams import behaviours
from tests.upstreams.behaviours import delta
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

COSTS: dict[str, Any] = {"prices": {"input": 1, "output": 2}, "always_stream": True, "limits": {"retries": 1}}
BROKEN = behaviours.reset_mid_stream("one two three four five six")


@pytest.mark.parametrize(
    ("first", "spent"),
    [
        pytest.param(BROKEN, True, id="reset"),
        pytest.param(
            behaviours.stream([delta("one two three four five six"), {"error": {"code": 503}}]), True, id="503"
        ),
        pytest.param(behaviours.stream([delta(finish="error")], usage=COUNTS), False, id="no-text"),
        pytest.param(behaviours.status(500), False, id="500"),
        pytest.param(behaviours.reset, False, id="reset-at-once"),
    ],
)
async def test_the_tokens_of_a_failed_attempt_are_paid_for(first: Behaviour, spent: bool) -> None:
    good = behaviours.stream([delta("Hi"), delta(finish="stop")], usage=COUNTS)
    async with Upstream(first, good) as upstream, adapter(upstream.base_url, **COSTS) as served:
        result = (await served.generate(generation())).result
        assert result.attempts == 2
        used = result.usage
        assert (used.input_tokens > 10, used.output_tokens > 5, used.estimated) == (spent, spent, spent)
        assert result.cost_nanousd == (used.input_tokens + 2 * used.output_tokens) * 1000


@pytest.mark.parametrize(("behaviour", "spent"), [(BROKEN, True), (behaviours.status(500), False)])
async def test_a_call_that_fails_says_what_it_cost(behaviour: Behaviour, spent: bool) -> None:
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url, **COSTS) as served:
        costs = []
        for streamed in (True, False):
            with pytest.raises(ServiceError) as caught:
                await asked(served, generation(), streamed=streamed)
            line = failed_entry(Stage.STAGE_BOOT, "fast", caught.value, 1.0)
            costs.append(line.cost_nanousd)
            assert line.cost_nanousd == (line.usage.input_tokens + 2 * line.usage.output_tokens) * 1000
            assert line.usage.estimated == spent
    # A stream whose text the caller has fails at once; other calls are retried.
    assert costs == ([costs[0], 2 * costs[0]] if spent else [0, 0])
    assert bool(costs[0]) == spent


GOOD = behaviours.stream([delta("Hi"), delta(finish="stop")], usage=COUNTS)


@pytest.mark.parametrize(
    ("before", "counted"),
    [
        pytest.param([], 1, id="none"),
        *(pytest.param([behaviours.status(code)], 2, id=str(code)) for code in (429,)),
        *(pytest.param([behaviours.status(code)], 1, id=str(code)) for code in (408, 424, 499, 500, 503, 524, 529)),
        pytest.param([behaviours.status(429), behaviours.status(429)], 3, id="429 twice"),
        pytest.param([behaviours.status(429), behaviours.status(500)], 2, id="429 and 500"),
        pytest.param([behaviours.status(500), behaviours.status(429)], 2, id="500 and 429"),
        pytest.param([behaviours.reset], 1, id="reset at once"),
        # What came tells what it cost.
        pytest.param([BROKEN], 2, id="broken"),
        pytest.param([BROKEN, behaviours.status(500), behaviours.status(429)], 3, id="all of them"),
        # A parameter that the provider refuses is left away.
        pytest.param([behaviours.status(400, body=b'{"error": "unknown stream_options"}')], 2, id="refused parameter"),
    ],
)
async def test_a_call_says_of_how_many_attempts_the_cost_is_known(before: list[Behaviour], counted: int) -> None:
    costs = {**COSTS, "limits": {"retries": 3}}
    async with Upstream(*before, GOOD) as upstream, adapter(upstream.base_url, **costs) as served:
        result = (await served.generate(generation())).result
    assert (result.attempts, result.counted_attempts) == (len(before) + 1, counted)
    async with Upstream(*before, behaviours.status(401)) as upstream, adapter(upstream.base_url, **costs) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(generation())
    assert (caught.value.attempts, caught.value.counted_attempts) == (len(before) + 1, counted)


FREE = (0, 0)


@pytest.mark.parametrize(
    ("behaviours_in_turn", "spent"),
    [
        *(pytest.param([behaviours.status(code)], FREE, id=str(code)) for code in (301, 400, 401, 402, 403, 404, 422)),
        pytest.param([behaviours.status(429)], FREE, id="429"),
        pytest.param([behaviours.status(500)], None, id="500"),
        pytest.param([behaviours.reset], None, id="reset"),
        pytest.param([behaviours.raw(b"<html>")], None, id="no-json"),
        # What one attempt may have cost, a later one that was refused does not undo.
        pytest.param([behaviours.status(500), behaviours.status(429)], None, id="500-429"),
        pytest.param([behaviours.status(500), behaviours.status(401)], None, id="500-401"),
        pytest.param([behaviours.status(429), behaviours.status(500)], None, id="429-500"),
        pytest.param([behaviours.status(429), behaviours.status(401)], FREE, id="429-401"),
    ],
)
async def test_a_call_that_certainly_cost_nothing_says_so(
    behaviours_in_turn: list[Behaviour], spent: tuple[int, int] | None
) -> None:
    async with Upstream(*behaviours_in_turn) as upstream, adapter(upstream.base_url, **COSTS) as served:
        with pytest.raises(ServiceError) as caught:
            await asked(served, generation(), streamed=False)
    found = caught.value.spent
    assert (found and (found.usage.input_tokens + found.usage.output_tokens, found.cost_nanousd)) == spent
    line = failed_entry(Stage.STAGE_BOOT, "fast", caught.value, 1.0)
    assert (line.cost_nanousd, line.usage.estimated) == (0, False)


async def test_a_call_that_reached_no_provider_certainly_cost_nothing() -> None:
    async with Upstream(behaviours.status(500)) as upstream:
        url = upstream.base_url
    async with adapter(url, **COSTS) as served:
        with pytest.raises(ServiceError) as caught:
            await asked(served, generation(), streamed=False)
    assert caught.value.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
    assert caught.value.attempts == 2
    assert caught.value.spent == Spent.nothing()


@pytest.mark.parametrize("member", ["content", "reasoning_content"])
async def test_a_stream_whose_events_have_all_of_the_text_gives_it_once(member: str) -> None:
    whole = ["Paris", "Paris is the", "Paris is the capital", "Paris is the capital."]
    events: list[object] = [{"choices": [{"index": 0, "delta": {member: text}}]} for text in whole]
    last = delta("So it is.") if member == "reasoning_content" else delta(whole[-1])
    behaviour = behaviours.stream([*events, last, delta(finish="stop")])
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        response = await asked(served, generation(), streamed=True)
    given = response.text if member == "content" else response.reasoning
    assert (given, response.result.finish_reason) == (whole[-1], STOP)


HI: dict[str, Any] = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}


def hi(**choice: object) -> dict[str, Any]:
    return {"choices": [{**HI["choices"][0], **choice}], "usage": COUNTS}


@pytest.mark.parametrize(
    ("document", "text", "finish"),
    [
        pytest.param(hi(native_finish_reason="error"), "Hi", UNKNOWN, id="native-error"),
        pytest.param(hi(native_finish_reason="eos"), "Hi", STOP, id="native-stop"),
        pytest.param({**HI, "incomplete_details": {"reason": "max_output_tokens"}}, "Hi", UNKNOWN, id="incomplete"),
        pytest.param({**HI, "incomplete_details": None}, "Hi", STOP, id="complete"),
        pytest.param({**HI, "error": {"message": "", "code": 0}}, "Hi", STOP, id="empty-error"),
        pytest.param({**HI, "error": {}}, "Hi", STOP, id="no-error"),
        pytest.param(hi(message={"content": [{"type": "output_text", "text": "Hi"}]}), "Hi", STOP, id="output-text"),
        pytest.param(hi(message={"content": ["Hi", " you"]}), "Hi you", STOP, id="strings"),
        pytest.param(hi(finish_reason="token_limit_reached"), "Hi", LENGTH, id="limit"),
        pytest.param(hi(finish_reason="guardrail"), "Hi", FILTER, id="guardrail"),
    ],
)
async def test_shapes_of_replies(document: dict[str, Any], text: str, finish: FinishReason.ValueType) -> None:
    response = await answered(behaviours.raw(json.dumps(document).encode()))
    assert (response.text, response.result.finish_reason) == (text, finish)


@pytest.mark.parametrize("encoding", ["gzip, identity", "identity, gzip", "GZIP"])
async def test_a_packed_body_is_read_however_its_packing_is_written(encoding: str) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.reply(gzip.compress(json.dumps(HI).encode()), headers={"Content-Encoding": encoding})

    assert (await answered(behave)).text == "Hi"


@pytest.mark.parametrize("encoding", ["none", "utf-8", "aws-chunked"])
async def test_an_encoding_that_is_no_packing_changes_nothing(encoding: str) -> None:
    async def behave(exchange: Exchange) -> None:
        await exchange.reply(json.dumps(HI).encode(), headers={"Content-Encoding": encoding})

    assert (await answered(behave)).text == "Hi"


@pytest.mark.parametrize(
    "document",
    [
        {"code": 50001, "msg": "it is broken", "data": None},
        {"status": "error", "message": "it is broken"},
        {"ok": False, "message": "it is broken"},
        {"success": False, "errors": [{"message": "it is broken", "code": 3030}]},
    ],
)
async def test_errors_without_an_error_member_keep_their_words(document: dict[str, Any]) -> None:
    error = await failed(behaviours.raw(json.dumps(document).encode()))
    assert error.reason == ErrorReason.ERROR_REASON_UPSTREAM_ERROR
    assert "it is broken" in error.message


async def test_others_have_their_turn_between_the_reading_of_a_long_reply_and_its_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns: list[str] = []

    parse, read = reply.parse, openai_reply.read

    def parsed(text: str) -> Mapping[str, object]:
        asyncio.get_running_loop().call_soon(turns.append, "others")
        return parse(text)

    def noted(document: Mapping[str, object], part: str, info: ReplyInfo) -> TextDelta:
        turns.append("text")
        return read(document, part, info)

    monkeypatch.setattr(http_provider, "parse", parsed)
    monkeypatch.setattr(openai_reply, "read", noted)
    async with Upstream(behaviours.reply("word " * 100_000)) as upstream, adapter(upstream.base_url) as served:
        assert len((await served.generate(generation())).text) == 500_000
    assert turns == ["others", "text"]


INSTRUCTIONS = "Answer in one short sentence. " * 3_000


@pytest.mark.parametrize("counted", [False, True])
async def test_a_candidate_s_own_instructions_are_read_and_paid_for(counted: bool) -> None:
    read = 21_000
    counts = {"prompt_tokens": read, "completion_tokens": 2} if counted else None
    events = [delta("Hello world"), delta(finish="stop")]
    async with (
        Upstream(behaviours.stream(events, usage=counts)) as upstream,
        adapter(upstream.base_url, system_prompt=INSTRUCTIONS, **COSTS) as served,
    ):
        used = (await served.generate(generation())).result.usage
    assert used.estimated is not counted
    # Without a count they are estimated; a count is believed, because it is no more than they can have.
    instructions = estimate_tokens(INSTRUCTIONS)
    assert used.input_tokens == read if counted else instructions < used.input_tokens < instructions + 50
