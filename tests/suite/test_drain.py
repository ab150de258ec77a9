"""Each service is stopped in each stage of a route: the route ends with a whole answer, and new calls are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from lightrouter.v1.chat_pb2 import FINISH_REASON_STOP
from lightrouter.v1.policy_pb2 import (
    AGGREGATOR_STRATEGY_SYNTHESIZE,
    HOLD_ALWAYS,
    HOLD_NEVER,
    Policy,
)
from tests.rpc.server_support import health_stub
from tests.suite.rig import entry, prompt, running
from tests.suite.test_hold import BOOT, OTHER, TEXT, written
from tests.upstreams import behaviours
from tests.upstreams.upstream import Behaviour, Exchange, Upstream

MERGED = "Both say that it is Paris."
# No drain here may need it.
GRACE_S = 3600.0
# The pool's candidates are `first`, which is asked for the draft and to merge, and `other`.
SERVICES = ("router", "selector", "aggregator", "first", "other")
# For each stage: what the route asks for, the calls to `first` that are answered at once, and those to come in it.
STAGES: dict[str, tuple[Policy, Sequence[str], Sequence[str]]] = {
    "boot": (Policy(k=1, boot_tokens=BOOT, hold=HOLD_NEVER), [], [TEXT]),
    "held": (Policy(k=1, boot_tokens=BOOT, hold=HOLD_ALWAYS), [], [TEXT]),
    "completion": (Policy(k=1, boot_tokens=BOOT, hold=HOLD_NEVER), [TEXT], [TEXT]),
    "merge": (Policy(k=2, boot_tokens=100, aggregator=AGGREGATOR_STRATEGY_SYNTHESIZE, margin=1), [TEXT], [MERGED]),
}


def gated(behaviour: Behaviour, gate: asyncio.Event) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await gate.wait()
        await behaviour(exchange)

    return behave


async def refuses(address: str) -> None:
    """Returns once the server at an address takes no new call."""
    while True:
        async with grpc.aio.insecure_channel(address, (("grpc.default_authority", "localhost"),)) as channel:
            try:
                await health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_that_is_stopped_in_a_stage_costs_no_answer(folder: Path, service: str, stage: str) -> None:
    policy, before, within = STAGES[stage]
    gate = asyncio.Event()
    waits = written(TEXT, BOOT + 3, gate) if stage == "held" else gated(behaviours.model(within[0]), gate)
    boots = behaviours.model(OTHER)
    async with (
        Upstream(*map(behaviours.model, before), waits, *map(behaviours.model, (*within, TEXT))) as first,
        # The route leaves neither the boot nor the checkpoint while the other one boots.
        Upstream(gated(boots, gate) if stage == "held" else boots, boots) as other,
        running(
            folder,
            entry("first", first.base_url, prior=0.9),
            entry("other", other.base_url, prior=0.1),
            router={"grace_seconds": GRACE_S, "quorum": 1.0, "selector": "prior", "aggregator": "best"},
            pool={"synthesizer": "first"},
        ) as suite,
    ):
        call = asyncio.ensure_future(suite.complete(prompt(policy)))
        await first.arrived(len(before) + 1)
        await other.arrived()
        server = suite.servers[service]
        drain = asyncio.ensure_future(server.drain())
        await refuses(server.address)
        if service == "router":
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await suite.complete(prompt())
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not call.done()
        gate.set()
        answer = await call
        await drain
    assert answer.finish_reason == FINISH_REASON_STOP
    # The stopped adapter would have to be called again for the rest.
    rest_is_lost = (service, stage) == ("first", "boot")
    assert answer.text == (OTHER if rest_is_lost else within[0])
    if service == "router":
        assert not answer.degraded
