"""What one process has of its own: adapters that come and go with the pool, adapters elsewhere, and the drain."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from lightrouter.adapter import assemble as adapter_assembly
from lightrouter.adapter.settings import AdapterSettings
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.candidate_pb2 import CANDIDATE_HEALTH_NOT_SERVING, CANDIDATE_HEALTH_SERVING
from lightrouter.v1.policy_pb2 import Policy
from lightrouter.v1.router_pb2 import ListCandidatesRequest
from tests.clock import Clock
from tests.suite.rig import Entry, Suite, entry, one_process, prompt
from tests.upstreams import behaviours
from tests.upstreams.upstream import Exchange, Upstream

TEXT = "The capital of France is Paris, on the Seine."
OTHER = "It is Paris."
CUT = {"boot_grace_seconds": 600.0, "hold": "never"}


def write_pool(suite: Suite, *entries: Entry) -> None:
    suite.pool.write_text(yaml.safe_dump({"candidates": [dict(each) for each in entries]}))


async def health(suite: Suite) -> dict[str, int]:
    listed = await suite.stub.ListCandidates(ListCandidatesRequest(), timeout=600)
    return {each.candidate.name: each.health for each in listed.candidates}


async def becomes(suite: Suite, expected: dict[str, int]) -> None:
    while await health(suite) != expected:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)


def only(name: str) -> Policy:
    return Policy(candidates=[name])


async def test_a_change_of_the_pool_adds_changes_and_removes_adapters(folder: Path) -> None:
    async with (
        Upstream(behaviours.model(TEXT)) as first,
        Upstream(behaviours.model(OTHER)) as second,
        one_process(folder, entry("a", first.base_url), entry("b", first.base_url), router=CUT) as suite,
    ):
        assert (await suite.complete(prompt(only("b")))).text == TEXT
        write_pool(suite, entry("b", second.base_url), entry("c", second.base_url))
        await becomes(suite, dict.fromkeys("bc", CANDIDATE_HEALTH_SERVING))
        assert (await suite.complete(prompt(only("b")))).text == OTHER
        assert (await suite.complete(prompt(only("c")))).text == OTHER
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await suite.complete(prompt(only("a")))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        await first.all_closed()


async def test_a_call_goes_on_while_its_candidate_leaves_the_pool(folder: Path) -> None:
    release = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await release.wait()
        await behaviours.model(TEXT)(exchange)

    async with (
        Upstream(late) as leaving,
        Upstream(behaviours.model(OTHER)) as staying,
        one_process(folder, entry("a", leaving.base_url), entry("b", staying.base_url), router=CUT) as suite,
    ):
        call = asyncio.ensure_future(suite.complete(prompt(only("a"))))
        await leaving.arrived()
        write_pool(suite, entry("b", staying.base_url))
        await becomes(suite, {"b": CANDIDATE_HEALTH_SERVING})
        release.set()
        assert (await call).text == TEXT
        await leaving.all_closed()


async def test_an_entry_with_an_address_is_called_there(folder: Path) -> None:
    async with Upstream(behaviours.model(TEXT)) as here, Upstream(behaviours.model(OTHER)) as there:
        pool = folder / "elsewhere.yaml"
        pool.write_text(yaml.safe_dump({"candidates": [dict(entry("far", there.base_url))]}))
        telemetry = Telemetry("far", None)
        address = f"unix:{folder}/far.sock"
        far = adapter_assembly.assemble(AdapterSettings(pool=pool, candidate="far", listen=address), telemetry)
        entries = (entry("near", here.base_url), entry("far", "http://127.0.0.1:9/v1", address=address))
        async with one_process(folder, *entries, router=CUT) as suite:
            await becomes(suite, {"near": CANDIDATE_HEALTH_SERVING, "far": CANDIDATE_HEALTH_NOT_SERVING})
            async with far.running():
                await becomes(suite, dict.fromkeys(("near", "far"), CANDIDATE_HEALTH_SERVING))
                assert (await suite.complete(prompt(only("far")))).text == OTHER
                assert (await suite.complete(prompt(only("near")))).text == TEXT


async def test_an_open_circuit_is_a_candidate_that_does_not_serve(folder: Path, clock: Clock) -> None:
    fragile = {"limits": {"retries": 0}, "circuit": {"failures": 1, "cooldown_s": 1200.0}}
    async with (
        Upstream(behaviours.status(500), behaviours.model(TEXT)) as upstream,
        one_process(folder, entry("a", upstream.base_url, **fragile), router=CUT) as suite,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await suite.complete(prompt())
        await becomes(suite, {"a": CANDIDATE_HEALTH_NOT_SERVING})
        # The first trial comes after a twentieth of the cooldown.
        clock.advance(60)
        await becomes(suite, {"a": CANDIDATE_HEALTH_SERVING})
        assert (await suite.complete(prompt())).text == TEXT


async def test_a_drain_says_so_and_lets_the_running_call_finish(folder: Path) -> None:
    release = asyncio.Event()

    async def late(exchange: Exchange) -> None:
        await release.wait()
        await behaviours.model(TEXT)(exchange)

    async with (
        Upstream(late) as upstream,
        one_process(folder, entry("a", upstream.base_url), router=CUT) as suite,
    ):
        channels = Channels()
        # The generated stubs have no types.
        watcher: Any = health_pb2_grpc.HealthStub(channels.get(f"unix:{folder}/router.sock"))
        watch = watcher.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        call = asyncio.ensure_future(suite.complete(prompt()))
        await upstream.arrived()
        drained = asyncio.create_task(suite.servers["router"].drain())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        release.set()
        assert (await call).text == TEXT
        await drained
        await channels.close()


async def test_the_metrics_of_all_candidates_are_in_one_meter(folder: Path) -> None:
    readers: dict[str, InMemoryMetricReader] = {}
    async with (
        Upstream(behaviours.model(TEXT)) as upstream,
        one_process(
            folder,
            *(entry(name, upstream.base_url) for name in "ab"),
            router={**CUT, "quorum": 1.0},
            readers=lambda name: readers.setdefault(name, InMemoryMetricReader()),
        ) as suite,
    ):
        await suite.complete(prompt())
        data = readers["lightrouter"].get_metrics_data()
        assert data
        found = {
            metric.name: [dict(point.attributes or {}) for point in metric.data.data_points]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
    assert list(readers) == ["lightrouter"]
    for name in ("gen_ai.client.operation.duration", "lightrouter.circuit.state"):
        assert {point["lightrouter.candidate"] for point in found[name]} == {"a", "b"}, name
    assert "lightrouter.route.duration" in found
