"""The warm-up of a free model whose load ends with the request that began it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.ledger_pb2 import Stage
from tests.clock import Clock
from tests.rpc.adapter_support import LONG, Adapter, adapter, asked, generation, until
from tests.rpc.test_adapter_cancel import no_tasks
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

BOOT = Stage.STAGE_BOOT


class Loading:
    """A server that loads its model at the first request and stops when that connection closes."""

    def __init__(self, *, comments: bool = False) -> None:
        self.loaded = asyncio.Event()
        self.given_up = 0
        self._comments = comments

    async def __call__(self, exchange: Exchange) -> None:
        if not self.loaded.is_set():
            if self._comments:
                await exchange.begin_events()
                await exchange.chunk(b": loading\n\n")
            waits = [asyncio.create_task(each.wait()) for each in (self.loaded, exchange.connection.closed)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        if exchange.connection.closed.is_set():
            self.given_up += 1
            exchange.keep = False
            return
        if self._comments:
            await exchange.event(behaviours.delta("Hello"))
            await exchange.hang()
        else:
            await behaviours.stream([behaviours.delta("Hello"), behaviours.delta(None, "stop")])(exchange)
            exchange.keep = False


def boot() -> Generation:
    return generation(stage=BOOT)


async def cancelled(served: Adapter, upstream: Upstream, asks: Generation, *, streamed: bool = True) -> None:
    """Asks, and cancels as soon as the provider has the request."""
    before = len(upstream.requests)
    call = asyncio.create_task(served.ask(asks, LONG, streamed=streamed))
    await upstream.arrived(before + 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.parametrize("streamed", [False, True], ids=["Generate", "StreamGenerate"])
@pytest.mark.parametrize("comments", [False, True], ids=["silent", "comments"])
async def test_a_load_outlives_the_boots_that_are_late(
    caplog: pytest.LogCaptureFixture, comments: bool, streamed: bool
) -> None:
    caplog.set_level(logging.INFO, "lightrouter.adapter.warmup")
    server = Loading(comments=comments)
    async with Upstream(server) as upstream, adapter(upstream.base_url) as served:
        await cancelled(served, upstream, boot(), streamed=streamed)
        await cancelled(served, upstream, boot(), streamed=streamed)
        first, second = upstream.connections
        await second.closed.wait()
        assert not first.closed.is_set()
        server.loaded.set()
        await first.closed.wait() if comments else await upstream.all_closed()
        upstream.then(behaviours.model("Hello again"))
        assert (await asked(served, boot(), streamed=streamed)).text == "Hello again"
    begun, *_, ended = [record.getMessage() for record in caplog.records]
    assert "goes on" in begun
    assert "is loaded" in ended
    assert server.given_up == 1


@pytest.mark.parametrize(
    ("members", "stage"),
    [
        ({"prices": {"input": "0.01"}}, BOOT),
        ({"prices": {"output": "0.01"}}, BOOT),
        ({"prices": {"cached_input": "0.01"}}, BOOT),
        ({"prices": {"input": "0", "output": "0"}, "api_key_env": "SOME_KEY"}, BOOT),
        ({}, Stage.STAGE_COMPLETE),
        ({}, Stage.STAGE_UNSPECIFIED),
    ],
    ids=["input", "output", "cached", "key", "complete", "no-stage"],
)
async def test_a_boot_that_may_cost_money_or_is_no_first_call_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, members: dict[str, Any], stage: Stage.ValueType
) -> None:
    monkeypatch.setenv("SOME_KEY", "secret")
    server = Loading()
    async with Upstream(server) as upstream, adapter(upstream.base_url, **members) as served:
        await cancelled(served, upstream, generation(stage=stage))
        await upstream.all_closed()
        assert not server.loaded.is_set()


@pytest.mark.parametrize("stage", [Stage.STAGE_SELECT, Stage.STAGE_AGGREGATE])
async def test_a_judge_and_a_synthesizer_are_loaded_too(stage: Stage.ValueType) -> None:
    server = Loading()
    async with Upstream(server) as upstream, adapter(upstream.base_url) as served:
        await cancelled(served, upstream, generation(stage=stage), streamed=stage != Stage.STAGE_SELECT)
        assert upstream.open_connections == 1
        server.loaded.set()
        await upstream.all_closed()
    assert not server.given_up


async def test_a_boot_that_has_begun_ends_at_once() -> None:
    async with Upstream(behaviours.hang_mid_stream("Hello")) as upstream, adapter(upstream.base_url) as served:
        events = served.stream(boot(), LONG)
        await anext(events)
        await events.aclose()
        await upstream.all_closed()


async def test_a_boot_ends_at_once_where_the_model_has_answered_meanwhile() -> None:
    async with (
        Upstream(behaviours.hang, behaviours.reply("Hello")) as upstream,
        adapter(upstream.base_url) as served,
    ):
        late = asyncio.create_task(served.read(boot(), [], LONG))
        await upstream.arrived()
        await served.generate(generation())
        late.cancel()
        await asyncio.wait((late,))
        await upstream.connections[0].closed.wait()


async def test_a_boot_goes_on_no_longer_than_an_attempt_may_take(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    caplog.set_level(logging.INFO, "lightrouter.adapter.warmup")
    limits = {"request_timeout_s": 60, "retries": 0}
    async with Upstream(behaviours.hang) as upstream, adapter(upstream.base_url, limits=limits) as served:
        await cancelled(served, upstream, boot())
        await until(lambda: "goes on" in caplog.text)
        clock.advance(60)
        await upstream.all_closed()
    assert "is given up" in caplog.text


async def test_a_boot_that_goes_on_ends_with_its_engine() -> None:
    async with Upstream(behaviours.hang) as upstream:
        async with adapter(upstream.base_url) as served:
            await cancelled(served, upstream, boot())
            assert upstream.open_connections == 1
        await upstream.all_closed()


async def test_a_failure_of_the_load_is_said_and_the_next_boot_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lightrouter.adapter.warmup")
    fails = asyncio.Event()

    async def failing(exchange: Exchange) -> None:
        await fails.wait()
        await behaviours.status(500, "no memory for the model")(exchange)
        exchange.keep = False

    async with Upstream(failing) as upstream, adapter(upstream.base_url) as served:
        await cancelled(served, upstream, boot())
        # Until then the failure is the call's own, and not that of a load that goes on.
        await until(lambda: "goes on" in caplog.text)
        fails.set()
        upstream.then(behaviours.model("Hello"))
        await upstream.all_closed()
        assert (await asked(served, boot(), streamed=True)).text == "Hello"
        await no_tasks()
