"""A local model that takes longer to load than routes wait, and whose load ends with the request that began it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lightrouter.v1.error_reason_pb2 import ErrorReason
from lightrouter.v1.policy_pb2 import Policy
from tests.suite.rig import Suite, entry, prompt, running
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

POLICY = Policy(boot_tokens=4)


async def failures(suite: Suite) -> list[tuple[str, ErrorReason.ValueType]]:
    """Routes a prompt; returns who failed, and why."""
    answer = await suite.complete(prompt(POLICY))
    return [(line.candidate, line.failure.reason) for line in answer.ledger.entries if line.HasField("failure")]


async def test_a_cold_model_gets_warm_although_no_route_waits_for_it(folder: Path) -> None:
    loaded = asyncio.Event()
    given_up: list[int] = []

    async def loading(exchange: Exchange) -> None:
        waits = [asyncio.create_task(each.wait()) for each in (loaded, exchange.connection.closed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if loaded.is_set():
            await behaviours.model("One two three four five six seven.")(exchange)
        else:
            given_up.append(exchange.number)
            exchange.keep = False

    async def after_it(exchange: Exchange) -> None:
        await cold.arrived()
        await behaviours.model("Ten eleven twelve and thirteen.")(exchange)

    late = [("cold", ErrorReason.ERROR_REASON_STRAGGLER)]
    async with Upstream(loading) as cold, Upstream(after_it) as warm:
        free = {"input": 0, "output": 0}
        entries = [entry("warm", warm.base_url, prior=0.9), entry("cold", cold.base_url, prices=free)]
        async with running(folder, *entries, router={"selector": "prior", "boot_grace_seconds": 0.05}) as suite:
            assert await failures(suite) == late
            assert cold.open_connections == 1
            assert not given_up
            loaded.set()
            while await failures(suite):
                pass
