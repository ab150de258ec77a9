"""An adapter over a real channel: generation, continuation, limits, circuit, health, and changes of the pool."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lightrouter.adapter.assemble import AssembledAdapter
from lightrouter.pool.schema import Pool
from lightrouter.runtime.circuit import State
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.telemetry import names
from lightrouter.v1.adapter_pb2 import DescribeRequest, GenerateResponse, Generation
from lightrouter.v1.adapter_pb2_grpc import AdapterServiceStub
from lightrouter.v1.candidate_pb2 import Continuation
from lightrouter.v1.chat_pb2 import ChatMessage, FinishReason, Role, Sampling, Usage
from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.ledger_pb2 import Stage
from tests.clock import Clock
from tests.rpc.adapter_support import CANDIDATE, LONG, Adapter, adapter, generation, most, pool_of, until
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

TEXT = "Grüße aus 東京! \n\n Two 😀 and more.\n"
PRICES = {"input": "0.15", "cached_input": "0.075", "output": "0.60"}


async def failure(served: Adapter, asked: Generation) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await served.generate(asked)
    return caught.value


async def watched(served: Adapter, asked: Generation) -> tuple[str, bool]:
    """Returns the text of a stream and whether it restarted."""
    events = [event async for event in served.stream(asked)]
    assert events[-1].HasField("result")
    return "".join(event.chunk.text for event in events), any(event.chunk.restarted for event in events)


async def test_describe() -> None:
    async with Upstream(behaviours.hang) as upstream, adapter(upstream.base_url, prices=PRICES) as served:
        response = await AdapterServiceStub(served.channel).Describe(DescribeRequest())
    assert response.candidate.name == CANDIDATE
    assert response.candidate.prices.output_nanousd_per_million == 600_000_000
    assert response.candidate.continuation == Continuation.CONTINUATION_TRAILING


async def test_generate() -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    told = behaviours.reply("Hello", "stop", usage, reasoning_content="hm")
    async with Upstream(told) as upstream, adapter(upstream.base_url, prices=PRICES) as served:
        response = await served.generate(generation(stage=Stage.STAGE_BOOT, sampling=Sampling(temperature=0.5, seed=3)))
        body = upstream.requests[0].body
        spans = served.spans.get_finished_spans()
    assert body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hello?"}],
        "temperature": 0.5,
        "seed": 3,
        "stream": False,
    }
    assert upstream.requests[0].path == "/v1/chat/completions"
    assert "authorization" not in upstream.requests[0].headers
    assert (response.text, response.reasoning, response.restarted) == ("Hello", "hm", False)
    result = response.result
    assert result.finish_reason == FinishReason.FINISH_REASON_STOP
    assert result.usage == Usage(input_tokens=1000, cached_input_tokens=600, output_tokens=10, reasoning_tokens=4)
    assert result.cost_nanousd == 400 * 150 + 600 * 75 + 10 * 600
    assert (result.model, result.attempts, result.continuation) == (behaviours.MODEL, 1, b"")
    assert not result.HasField("time_to_first_token")
    assert [span.name for span in spans] == ["chat tiny"]
    attributes = spans[0].attributes or {}
    assert attributes[names.GEN_AI_USAGE_INPUT_TOKENS] == 1000
    assert attributes[names.STAGE] == "boot"


async def test_stream() -> None:
    async with Upstream(behaviours.model(TEXT)) as upstream, adapter(upstream.base_url) as served:
        events = [event async for event in served.stream(generation())]
    assert "".join(event.chunk.text for event in events) == TEXT
    result = events[-1].result
    assert result.HasField("time_to_first_token")
    assert result.usage.output_tokens == len(TEXT)
    # Coalescing sends fewer messages than tokens.
    assert len(events) < len(TEXT)


@pytest.mark.parametrize("mode", ["trailing", "prefix", "continue_final_message", "raw", "none"])
@pytest.mark.parametrize("size", range(3, len(TEXT), 4))
async def test_boot_and_rest_are_one_text(mode: str, size: int) -> None:
    members: dict[str, Any] = {"continuation": mode, "chat_template": "chatml" if mode == "raw" else None}
    async with Upstream(behaviours.model(TEXT)) as upstream, adapter(upstream.base_url, **members) as served:
        boot = await served.generate(generation(sampling=most(size)))
        assert boot.result.finish_reason == FinishReason.FINISH_REASON_LENGTH
        assert TEXT.startswith(boot.text)
        asked = generation(prefix=boot.text, continuation=boot.result.continuation)
        rest: GenerateResponse = await served.generate(asked)
        text, restarted = await watched(served, asked)
    # The counts of so few tokens prove nothing, and the rest begins inside a word.
    anew = mode == "none" or (mode != "raw" and size < 8)
    whole = "" if anew else boot.text
    assert rest.restarted is restarted is anew
    assert whole + rest.text == TEXT
    assert whole + text == TEXT
    # A boot is one message each way.
    assert upstream.requests[0].body["stream"] is False


async def test_another_replica_goes_on() -> None:
    async with Upstream(behaviours.model(f"<think>hm, well</think>\n{TEXT}")) as upstream:
        async with adapter(upstream.base_url) as served:
            boot = await served.generate(generation(sampling=most(12)))
            assert (boot.text, boot.reasoning) == ("", "hm, w")
        async with adapter(upstream.base_url) as served:
            asked = generation(prefix=boot.text, continuation=boot.result.continuation)
            rest = await served.generate(asked)
    assert rest.text == TEXT
    assert boot.reasoning + rest.reasoning == "hm, well"


async def test_a_restart_may_write_what_it_had_written_again() -> None:
    async with Upstream(behaviours.model(TEXT)) as upstream, adapter(upstream.base_url, continuation="none") as served:
        boot = await served.generate(generation(sampling=most(8)))
        await served.generate(generation(prefix=boot.text, continuation=boot.result.continuation, sampling=most(10)))
        assert upstream.requests[1].body["max_tokens"] == 18


async def test_messages_that_end_with_the_assistants_are_gone_on_from() -> None:
    asked = generation()
    asked.messages.append(ChatMessage(role=Role.ROLE_ASSISTANT, content=TEXT[:5]))
    async with Upstream(behaviours.model(TEXT)) as upstream, adapter(upstream.base_url) as served:
        boot = await served.generate(asked)
    assert boot.text == TEXT[5:]


async def test_a_server_that_does_not_stop_for_a_closed_connection_is_always_streamed() -> None:
    async with Upstream(behaviours.model(TEXT)) as upstream, adapter(upstream.base_url, always_stream=True) as served:
        assert (await served.generate(generation())).text == TEXT
        assert upstream.requests[0].body["stream"] is True


async def test_missing_counts_are_estimated() -> None:
    async with Upstream(behaviours.model(TEXT, usage=False)) as upstream, adapter(upstream.base_url) as served:
        response = await served.generate(generation())
    assert response.result.usage.estimated
    assert response.result.usage.output_tokens > 0


async def test_the_end_does_not_wait_for_the_connections_end() -> None:
    async def lingering(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event(behaviours.delta("Hello", "stop"))
        await exchange.hang()

    async with Upstream(lingering) as upstream, adapter(upstream.base_url) as served:
        text = "".join([event.chunk.text async for event in served.stream(generation(), 1)])
    assert text == "Hello"


@pytest.mark.parametrize(
    ("members", "code", "reason"),
    [
        ({"candidate": "other"}, Code.FAILED_PRECONDITION, ErrorReason.ERROR_REASON_WRONG_CANDIDATE),
        ({"continuation": b"x"}, Code.INVALID_ARGUMENT, ErrorReason.ERROR_REASON_BAD_CONTINUATION),
        ({"sampling": Sampling(temperature=3)}, Code.INVALID_ARGUMENT, ErrorReason.ERROR_REASON_INVALID_REQUEST),
    ],
)
async def test_bad_requests_cost_nothing(members: dict[str, Any], code: Code, reason: ErrorReason.ValueType) -> None:
    async with Upstream(behaviours.reply("x")) as upstream, adapter(upstream.base_url) as served:
        error = await failure(served, generation(**members))
        assert (error.code, error.reason) == (code, reason)
        assert not upstream.requests


async def test_calls_beyond_the_limit_wait_and_beyond_the_queue_are_refused(clock: Clock) -> None:
    release = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await release.wait()
        await behaviours.reply("Hello")(exchange)

    limits = {"concurrency": 1, "queue": 1, "request_timeout_s": 3 * LONG}
    async with Upstream(held) as upstream, adapter(upstream.base_url, limits=limits) as served:
        first = asyncio.create_task(served.generate(generation(), 3 * LONG))
        await upstream.arrived()
        queued = asyncio.create_task(failure(served, generation()))
        await until(lambda: served.live.engine.waiting == 1)
        clock.advance(LONG)
        assert (await queued).reason == ErrorReason.ERROR_REASON_OVERLOADED
        second = asyncio.create_task(served.generate(generation()))
        third = asyncio.create_task(served.generate(generation()))
        done, _ = await asyncio.wait((second, third), return_when=asyncio.FIRST_COMPLETED)
        error = done.pop().exception()
        assert isinstance(error, ServiceError)
        assert error.code == Code.RESOURCE_EXHAUSTED
        assert error.retry_after
        assert len(upstream.requests) == 1
        release.set()
        outcomes = await asyncio.gather(first, second, third, return_exceptions=True)
        assert sum(isinstance(outcome, GenerateResponse) for outcome in outcomes) == 2


async def test_the_circuit_opens_and_closes_and_health_follows(clock: Clock) -> None:
    circuit = {"failures": 2, "cooldown_s": 3600}
    async with (
        Upstream(behaviours.status(500)) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits={"retries": 0}) as served,
    ):
        follower = asyncio.create_task(AssembledAdapter(served.server, served.live).report_health())
        # The generated stubs have no types.
        health: Any = health_pb2_grpc.HealthStub(served.channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=names.ADAPTER_SERVICE))
        serving = health_pb2.HealthCheckResponse.SERVING
        assert (await watch.read()).status == serving
        for _ in range(2):
            await failure(served, generation())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        error = await failure(served, generation())
        assert (error.code, error.reason) == (Code.UNAVAILABLE, ErrorReason.ERROR_REASON_CIRCUIT_OPEN)
        assert error.retry_after
        assert len(upstream.requests) == 2
        overall = await health.Check(health_pb2.HealthCheckRequest())
        assert overall.status == serving
        upstream.then(behaviours.reply("Hello"))
        # The first trial comes after a twentieth of the cooldown.
        clock.advance(180)
        assert (await watch.read()).status == serving
        assert (await served.generate(generation())).text == "Hello"
        assert served.live.engine.provider_state.circuit.state is State.CLOSED
        watch.cancel()
        follower.cancel()
        await asyncio.wait((follower,))


async def test_callers_faults_and_cancellations_do_not_open_the_circuit(clock: Clock) -> None:
    circuit = {"failures": 1, "silence_s": 3600}
    limits = {"request_timeout_s": 3600}
    async with (
        Upstream(behaviours.status(400)) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits=limits) as served,
    ):
        await failure(served, generation())
        upstream.then(behaviours.hang)
        late = asyncio.create_task(failure(served, generation()))
        await upstream.arrived(2)
        clock.advance(LONG)
        assert (await late).reason == ErrorReason.ERROR_REASON_UPSTREAM_TIMEOUT
        call = asyncio.create_task(served.generate(generation()))
        await upstream.arrived(3)
        call.cancel()
        await asyncio.wait((call,))
        upstream.then(behaviours.reply("Hello"))
        assert (await served.generate(generation())).text == "Hello"


@pytest.mark.parametrize("patience", ["deadline", "request_timeout", "caller"])
async def test_silence_opens_the_circuit(patience: str, clock: Clock) -> None:
    circuit = {"failures": 1, "silence_s": 10, "cooldown_s": 3600}
    limits = {"request_timeout_s": 60 if patience == "request_timeout" else 2 * LONG}
    async with (
        Upstream(behaviours.hang) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits=limits) as served,
    ):
        # An answer that does not stream is silent while it is written; a silent stream is a failure.
        streamed = patience != "request_timeout"
        call = asyncio.create_task(served.ask(generation(), LONG, streamed=streamed))
        await upstream.arrived()
        clock.advance({"caller": 10, "request_timeout": 60, "deadline": LONG}[patience])
        if patience == "caller":
            call.cancel()
        await asyncio.wait((call,))
        await upstream.all_closed()
        assert (await failure(served, generation())).reason == ErrorReason.ERROR_REASON_CIRCUIT_OPEN


@pytest.mark.parametrize(("sampling", "serves"), [(None, True), (most(10_000), True), (most(1000), False)])
async def test_a_whole_answer_that_is_being_written_is_no_silence(
    sampling: Sampling | None, serves: bool, clock: Clock
) -> None:
    circuit = {"failures": 1, "silence_s": 1}
    limits = {"request_timeout_s": 2 * LONG}
    async with (
        Upstream(behaviours.hang) as upstream,
        adapter(upstream.base_url, circuit=circuit, limits=limits) as served,
    ):
        call = asyncio.create_task(failure(served, generation(sampling=sampling)))
        await upstream.arrived()
        clock.advance(LONG)
        await call
        assert served.live.serving == serves


async def test_a_changed_entry_holds_for_new_calls_only() -> None:
    async with (
        Upstream(behaviours.drip("slow", 0.05)) as old,
        Upstream(behaviours.reply("new")) as new,
        adapter(old.base_url) as served,
    ):
        running = asyncio.create_task(watched(served, generation()))
        await old.arrived()
        served.live.apply(pool_of(new.base_url, model="other"))
        response = await served.generate(generation())
        assert response.text == "new"
        assert new.requests[0].body["model"] == "other"
        assert (await running)[0] == "slow"
        await old.all_closed()


async def test_an_entry_that_is_gone_or_broken() -> None:
    async with Upstream(behaviours.reply("Hello")) as upstream, adapter(upstream.base_url) as served:
        served.live.apply(pool_of(upstream.base_url, continuation="raw", chat_template="no such name"))
        assert (await served.generate(generation())).text == "Hello"
        served.live.apply(Pool({}))
        assert not served.live.serving
        error = await failure(served, generation())
        assert (error.code, error.reason) == (Code.NOT_FOUND, ErrorReason.ERROR_REASON_UNKNOWN_CANDIDATE)
        served.live.apply(pool_of(upstream.base_url))
        assert (await served.generate(generation())).text == "Hello"


async def test_a_rotated_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first")
    async with Upstream(behaviours.reply("x")) as upstream, adapter(upstream.base_url, api_key_file=path) as served:
        await served.generate(generation())
        path.write_text("the second")
        await served.generate(generation())
        sent = [request.headers["authorization"] for request in upstream.requests]
    assert sent == ["Bearer first", "Bearer the second"]


async def test_connections_are_kept() -> None:
    async with Upstream(behaviours.model(TEXT)) as upstream, adapter(upstream.base_url) as served:
        for _ in range(3):
            await served.generate(generation())
            await watched(served, generation())
        assert len(upstream.connections) == 1


async def test_a_kept_connection_that_closed_meanwhile_is_no_failure() -> None:
    """llama.cpp's server announces keep-alive for the connection of a stream, and closes it."""

    async def closing(exchange: Exchange) -> None:
        await behaviours.model(TEXT)(exchange)
        exchange.keep = not exchange.request.body["stream"]

    async with Upstream(closing) as upstream, adapter(upstream.base_url, limits={"retries": 0}) as served:
        for _ in range(20):
            assert (await watched(served, generation()))[0] == TEXT
            assert (await served.generate(generation())).text == TEXT
