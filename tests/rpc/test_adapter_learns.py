"""An adapter learns the quirks of its provider, remembers them, and reports them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from lightrouter.runtime.errors import ServiceError
from lightrouter.v1.adapter_pb2 import DescribeRequest, Generation
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, OutputSpec, Role, Sampling, Tool, ToolCall
from tests.rpc.adapter_support import Adapter, adapter, generation, most, pool_of
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

USER = ChatMessage(role=Role.ROLE_USER, content="Hello?")
SYSTEM = ChatMessage(role=Role.ROLE_SYSTEM, content="Be brief.")
ASSISTANT = ChatMessage(role=Role.ROLE_ASSISTANT, content="Well,")
PREFILL = "This model does not support assistant message prefill. The conversation must end with a user message."


def refusing(refuses: Callable[[dict[str, Any]], object], message: str = "no", code: int = 400) -> Behaviour:
    """Refuses the requests for which `refuses` is true, with these words; answers others with "Hello there"."""

    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        if refuses(body):
            await exchange.reply(json.dumps({"error": {"message": message}}).encode(), status=code)
        elif body.get("stream"):
            events = [behaviours.delta("Hello"), behaviours.delta(" there"), behaviours.delta(finish="stop")]
            await behaviours.stream(events)(exchange)
        else:
            await exchange.reply(json.dumps(behaviours.completion("Hello there")).encode())

    return behave


def goes_on(body: dict[str, Any]) -> bool:
    return bool(body["messages"][-1]["role"] == "assistant")


async def refuses(served: Adapter) -> list[str]:
    # The generated stubs have no types.
    stub: Any = AdapterServiceStub(served.channel)
    return list((await stub.Describe(DescribeRequest())).candidate.refuses)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("message", "code"), [(PREFILL, 400), ("no", 400), ("", 422), ("the last role must be user", 500)]
)
@pytest.mark.parametrize("by_caller", [False, True])
async def test_a_refused_prefill_is_written_anew_and_learnt(
    streamed: bool, message: str, code: int, by_caller: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Generation(messages=[USER, ASSISTANT]) if by_caller else generation(prefix="Well,", sampling=most(30))
    async with Upstream(refusing(goes_on, message, code)) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 1, 1):
            if streamed:
                events = [event async for event in served.stream(asked)]
                restarted = events[0].chunk.restarted
                text, result = "".join(event.chunk.text for event in events), events[-1].result
            else:
                response = await served.generate(asked)
                restarted, text, result = response.restarted, response.text, response.result
            assert (restarted, text, result.attempts) == (True, "Hello there", attempts)
        assert [goes_on(request.body) for request in upstream.requests] == [True, False, False, False]
        assert await refuses(served) == ["prefill"]
    said = [record for record in caplog.records if "refuses" in record.message]
    assert [record.levelno for record in said] == [logging.WARNING]


async def test_a_provider_that_only_streams_is_asked_for_streams() -> None:
    behaviour = refusing(lambda body: not body["stream"], "This model only support stream mode, please enable it.")
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 1):
            response = await served.generate(generation())
            assert (response.text, response.result.attempts) == ("Hello there", attempts)
        assert [request.body["stream"] for request in upstream.requests] == [False, True, True]
        assert await refuses(served) == ["answers in one piece"]


MEMBERS = {"temperature": 0.5, "top_p": 0.5, "seed": 3, "stop": ["END"]}


@pytest.mark.parametrize("words", ["{name} is not supported", "no"])
@pytest.mark.parametrize("name", [*MEMBERS, "stream_options"])
async def test_a_refused_member_is_left_away_and_learnt(name: str, words: str) -> None:
    behaviour = refusing(lambda body: name in body, words.format(name=f"'{name}'"))
    asked = generation(sampling=Sampling(temperature=0.5, top_p=0.5, seed=3, stop=["END"]))
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        texts: list[str] = []
        await served.read(asked, texts)
        assert "".join(texts) == "Hello there"
        tried = len(upstream.requests)
        await served.read(asked, [])
        assert len(upstream.requests) == tried + 1
        assert await refuses(served) == [name]
        kept = {"stream_options", *MEMBERS} - {name}
        assert kept <= upstream.requests[-1].body.keys()


async def test_two_members_that_nobody_names_are_found_together() -> None:
    behaviour = refusing(lambda body: "seed" in body or "temperature" in body)
    asked = generation(sampling=Sampling(temperature=0.5, seed=3))
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        assert (await served.generate(asked)).text == "Hello there"
        assert (await served.generate(asked)).result.attempts == 1
        assert await refuses(served) == ["seed", "temperature"]


async def test_several_members_that_are_named_one_by_one() -> None:
    async def behave(exchange: Exchange) -> None:
        body = exchange.request.body
        wrong = next((name for name in ("max_tokens", "temperature", "seed") if name in body), None)
        words = {"error": {"message": f"Unsupported parameter: '{wrong}'", "param": wrong}}
        await refusing(lambda _: wrong, words["error"]["message"] or "")(exchange)

    asked = generation(sampling=Sampling(temperature=0.5, seed=3, max_output_tokens=50))
    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        assert (await served.generate(asked)).result.attempts == 4
        assert (await served.generate(asked)).result.attempts == 1
        assert upstream.requests[-1].body["max_completion_tokens"] == 50


async def test_one_refused_value_leaves_the_others() -> None:
    behaviour = refusing(lambda body: body.get("temperature") == 0, "`temperature` must be strictly positive")
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 1):
            response = await served.generate(generation(sampling=Sampling(temperature=0.0)))
            assert response.result.attempts == attempts
        await served.generate(generation(sampling=Sampling(temperature=0.5)))
        assert upstream.requests[-1].body["temperature"] == 0.5


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_stop_text_that_cannot_be_sent_ends_the_text_here(streamed: bool) -> None:
    async def behave(exchange: Exchange) -> None:
        if "stop" in exchange.request.body:
            await behaviours.status(400, "'stop' is not supported")(exchange)
        else:
            await behaviours.reply("One, two EN")(exchange) if exchange.number > 1 else await behaviours.reply(
                "One, two END three"
            )(exchange)

    asked = generation(sampling=Sampling(stop=["END"]))
    async with Upstream(behave) as upstream, adapter(upstream.base_url) as served:
        for text in ("One, two ", "One, two EN"):
            if streamed:
                texts: list[str] = []
                await served.read(asked, texts)
                assert "".join(texts) == text
            else:
                response = await served.generate(asked)
                assert (response.text, response.result.finish_reason) == (text, FinishReason.FINISH_REASON_STOP)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("wanted", "text"), [(5, "abcde"), (15, "abcdefghijklmno"), (16, "abcdefghijklmnop")])
async def test_fewer_tokens_than_the_provider_takes_are_cut_here(streamed: bool, wanted: int, text: str) -> None:
    words = "Invalid 'max_tokens': integer below minimum value. Expected a value >= 16, but got fewer."
    model = behaviours.model("abcdefghijklmnopqrstuvwxyz", pieces=1)

    async def behave(exchange: Exchange) -> None:
        few = exchange.request.body["max_tokens"] < 16
        await (behaviours.status(400, words) if few else model)(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url, abilities=["prefill"]) as served:
        asked = generation(sampling=most(wanted))
        whole = ""
        for _ in range(2):
            if streamed:
                events = [event async for event in served.stream(asked)]
                got, result = "".join(event.chunk.text for event in events), events[-1].result
            else:
                response = await served.generate(asked)
                got, result = response.text, response.result
            assert (got, result.finish_reason) == (text, FinishReason.FINISH_REASON_LENGTH)
            whole = got
        rest = await served.generate(generation(prefix=whole, continuation=result.continuation, sampling=most(40)))
        assert whole + rest.text == "abcdefghijklmnopqrstuvwxyz"
        assert upstream.requests[-1].body["max_tokens"] == 40


async def test_a_refused_remainder_that_is_too_small_keeps_what_goes_on() -> None:
    words = "max_tokens must be at least 16"

    async def behave(exchange: Exchange) -> None:
        few = exchange.request.body["max_tokens"] < 16
        await (behaviours.status(400, words) if few else behaviours.model("abcdefgh", pieces=1))(exchange)

    async with Upstream(behave) as upstream, adapter(upstream.base_url, abilities=["prefill"]) as served:
        response = await served.generate(generation(prefix="abc", sampling=most(2)))
        assert (response.text, response.restarted) == ("de", False)
        assert response.result.least_tokens == 16


@pytest.mark.parametrize(
    "words",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "no",
    ],
)
async def test_a_system_message_joins_the_users_where_it_is_refused(words: str) -> None:
    behaviour = refusing(lambda body: body["messages"][0]["role"] == "system", words)
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 1):
            response = await served.generate(Generation(messages=[SYSTEM, USER]))
            assert response.result.attempts == attempts
        assert upstream.requests[-1].body["messages"] == [{"role": "user", "content": "Be brief.\n\nHello?"}]
        assert await refuses(served) == ["system role"]


async def test_two_turns_of_one_role_are_merged_where_they_are_refused() -> None:
    behaviour = refusing(lambda body: len(body["messages"]) > 1, "Conversation roles must alternate")
    async with Upstream(behaviour) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 1):
            response = await served.generate(Generation(messages=[USER, USER]))
            assert response.result.attempts == attempts
        assert upstream.requests[-1].body["messages"] == [{"role": "user", "content": "Hello?\n\nHello?"}]


@pytest.mark.parametrize(
    ("words", "attempts"), [("This model's maximum context length is 10 tokens", 1), ("no", 4), ("seed too odd", 3)]
)
async def test_a_request_that_stays_refused_teaches_nothing(words: str, attempts: int) -> None:
    asked = generation(sampling=Sampling(seed=3, temperature=0.5))
    async with Upstream(refusing(lambda _: True, words)) as upstream, adapter(upstream.base_url) as served:
        with pytest.raises(ServiceError) as caught:
            await served.generate(asked)
        assert words in caught.value.message
        assert len(upstream.requests) == attempts
        assert await refuses(served) == []


async def test_an_accepted_member_is_not_suspected() -> None:
    asked = generation(sampling=Sampling(seed=3, temperature=0.5))
    async with Upstream(behaviours.reply("Hello")) as upstream, adapter(upstream.base_url) as served:
        await served.generate(asked)
        upstream.then(refusing(lambda _: True))
        with pytest.raises(ServiceError):
            await served.generate(asked)
        assert len(upstream.requests) == 2


async def test_a_prefill_that_is_ignored_twice_is_not_tried_again() -> None:
    written = "Hello there, this is the answer"
    async with Upstream(behaviours.reply(written)) as upstream, adapter(upstream.base_url) as served:
        for _ in range(3):
            response = await served.generate(generation(prefix="Hello there, this was what"))
            assert (response.text, response.restarted) == (written, True)
        assert [goes_on(request.body) for request in upstream.requests] == [True, True, False]
        assert await refuses(served) == ["prefill"]


async def test_quirks_and_an_open_circuit_outlive_a_change_that_does_not_touch_the_provider() -> None:
    circuit = {"failures": 1, "cooldown_s": 600}
    async with (
        Upstream(refusing(goes_on, PREFILL)) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits={"retries": 0}) as served,
    ):
        await served.generate(generation(prefix="Well,"))
        upstream.then(behaviours.status(500))
        with pytest.raises(ServiceError):
            await served.generate(generation())
        engine = served.live.engine
        for members in ({"state": "probation"}, {"prior": 0.9}, {"prices": {"input": "1"}}):
            served.live.apply(pool_of(upstream.base_url, circuit=circuit, limits={"retries": 0}, **members))
            assert served.live.engine is engine
        assert engine.describe().prices.input_nanousd_per_million == 10**9
        served.live.apply(pool_of(upstream.base_url, circuit=circuit, limits={"retries": 1}))
        assert served.live.engine is not engine
        assert served.live.serving is False
        assert await refuses(served) == ["prefill"]
        served.live.apply(pool_of(upstream.base_url, circuit=circuit, model="other"))
        assert bool(served.live.serving)
        assert await refuses(served) == []


async def test_the_last_resort_passes_an_open_circuit_and_closes_it() -> None:
    circuit = {"failures": 1, "cooldown_s": 600}
    async with (
        Upstream(behaviours.status(500)) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits={"retries": 0}) as served,
    ):
        with pytest.raises(ServiceError):
            await served.generate(generation())
        assert not served.live.serving
        upstream.then(behaviours.reply("Hello"))
        assert (await served.generate(generation(last_resort=True))).text == "Hello"
        assert served.live.serving


@pytest.mark.parametrize("code", [429, 503])
async def test_a_rest_that_the_provider_asked_for_is_kept_for_all_calls(code: int) -> None:
    refusal = behaviours.status(code, headers={"Retry-After": "600"})
    async with Upstream(refusal, behaviours.reply("Hello")) as upstream, adapter(upstream.base_url) as served:
        for _ in range(3):
            with pytest.raises(ServiceError) as caught:
                await served.generate(generation())
            assert 590 < (caught.value.retry_after or 0) <= 600
        assert len(upstream.requests) == 1
        assert (await served.generate(generation(last_resort=True))).text == "Hello"


@pytest.mark.parametrize("words", ["no", "This model's maximum context length is 10 tokens", "content policy"])
async def test_a_callers_bad_requests_do_not_keep_a_circuit_closed(words: str) -> None:
    circuit = {"failures": 2, "cooldown_s": 600}
    async with (
        Upstream(behaviours.status(500)) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits={"retries": 0}) as served,
    ):
        for behaviour in (behaviours.status(500), behaviours.status(400, words), behaviours.status(500)):
            assert served.live.serving
            upstream.then(behaviour)
            with pytest.raises(ServiceError):
                await served.generate(generation())
        assert not served.live.serving


async def test_refused_values_are_remembered_within_a_bound() -> None:
    refused = refusing(lambda body: body.get("temperature", 0) > 1, "temperature must be at most 1")
    async with Upstream(refused) as upstream, adapter(upstream.base_url) as served:
        for number in range(40):
            await served.generate(generation(sampling=Sampling(temperature=1.25 + number / 64)))
        known = await refuses(served)
        assert len(known) == 16
        assert f"temperature={1.25 + 39 / 64}" in known
        await served.generate(generation(sampling=Sampling(temperature=0.5)))
        assert upstream.requests[-1].body["temperature"] == 0.5


def lacks_reasoning(body: dict[str, Any]) -> bool:
    return any(turn.get("tool_calls") and not turn.get("reasoning_content") for turn in body["messages"])


def lacks_signature(body: dict[str, Any]) -> bool:
    called = [turn["tool_calls"][0] for turn in body["messages"] if turn.get("tool_calls")]
    return any("extra_content" not in call for call in called)


@pytest.mark.parametrize(
    ("wants", "words", "lacks"),
    [
        (
            "reasoning_content",
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
            lacks_reasoning,
        ),
        (
            "reasoning_content",
            "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1",
            lacks_reasoning,
        ),
        (
            "thought_signature",
            "Function call is missing a thought_signature in functionCall parts. This is required for tools to work.",
            lacks_signature,
        ),
    ],
)
async def test_a_call_of_another_author_gets_a_stand_in_for_what_the_provider_wants_with_it(
    wants: str, words: str, lacks: Callable[[dict[str, Any]], object]
) -> None:
    call = ToolCall(id="1", name="find", arguments="{}")
    turns = [
        USER,
        ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[call], candidate="another", state=b"of another"),
        ChatMessage(role=Role.ROLE_TOOL, tool_call_id="1", content="Sun."),
    ]
    asked = Generation(messages=turns, output=OutputSpec(tools=[Tool(name="find")]))
    async with Upstream(refusing(lacks, words)) as upstream, adapter(upstream.base_url) as served:
        for attempts in (2, 1):
            response = await served.generate(asked)
            assert (response.text, response.result.attempts) == ("Hello there", attempts)
        assert await refuses(served) == [f"tool calls without {wants}"]
    async with (
        Upstream(refusing(lacks, words)) as upstream,
        adapter(upstream.base_url, refuses=[f"tool calls without {wants}"]) as served,
    ):
        assert (await served.generate(asked)).result.attempts == 1
