"""The router with its pool in a cluster: the whole process, before an API that comes and goes."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from lightrouter.router.__main__ import main, serve
from lightrouter.router.clients import AdapterHealth
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.pool.source import PoolSource
from lightrouter.router.pool.traffic import TrafficMonitor
from lightrouter.router.pool.transitions import StateTransitions
from lightrouter.router.settings import RouterSettings
from lightrouter.router.telemetry import instruments
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.setup import Telemetry
from lightrouter.v1.candidate_pb2 import (
    CANDIDATE_STATE_ADMITTED,
    CANDIDATE_STATE_EVICTED,
    CANDIDATE_STATE_PROBATION,
)
from lightrouter.v1.ledger_pb2 import STAGE_BOOT
from lightrouter.v1.router_pb2 import CompleteRequest, ListCandidatesRequest, ListCandidatesResponse
from lightrouter.v1.router_pb2_grpc import RouterServiceStub
from tests.measured import values
from tests.rpc.router_suite import RouterSuite
from tests.unit.router.builders import failure, prompt
from tests.upstreams.cluster import TIMEOUT_S, Cluster


class Process:
    """A router and a client of it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._router = RouterServiceStub(channel)
        self._health: Any = health_pb2_grpc.HealthStub(channel)

    async def complete(self) -> None:
        """Makes a call."""
        await self._router.Complete(CompleteRequest(prompt=prompt()), timeout=TIMEOUT_S)

    async def listed(self, wanted: Callable[[ListCandidatesResponse], bool]) -> ListCandidatesResponse:
        """Returns the pool once it is what is wanted."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                answer = await self._router.ListCandidates(ListCandidatesRequest(), wait_for_ready=True)
                if wanted(answer):
                    return answer
                await asyncio.sleep(0.01)

    async def names(self, *wanted: str) -> ListCandidatesResponse:
        """Waits until the pool has these candidates."""
        return await self.listed(lambda answer: [s.candidate.name for s in answer.candidates] == list(wanted))

    async def serves(self) -> bool:
        """Returns whether the router says that it serves as a whole, which a pod's probes ask."""
        answer = await self._health.Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def begins(self) -> None:
        """Waits until it does."""
        await self._says("", True)

    async def sees_changes(self, wanted: bool) -> None:
        """Waits until the health says whether changes of the pool are seen."""
        await self._says(names.POOL, wanted)

    async def _says(self, service: str, wanted: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if wanted else health_pb2.HealthCheckResponse.NOT_SERVING
        async for answer in self._health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S):
            if answer.status == status:
                return


@asynccontextmanager
async def running(settings: dict[str, Any]) -> AsyncIterator[Process]:
    with tempfile.TemporaryDirectory(prefix="router-") as folder:
        address = f"unix:{folder}/s"
        unused: dict[str, Any] = {"selector_address": f"unix:{folder}/x", "aggregator_address": f"unix:{folder}/y"}
        serving = asyncio.create_task(serve(RouterSettings(listen=address, **unused | settings)))
        async with grpc.aio.insecure_channel(address, (("grpc.default_authority", "localhost"),)) as channel:
            process = Process(channel)
            await process.listed(lambda _: True)
            yield process
            signal.raise_signal(signal.SIGTERM)
            await serving


@pytest.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with Cluster() as made:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{made.port}"}}],
            "users": [{"name": "me", "user": {"token": "mine"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield made


async def test_the_pool_follows_the_cluster_and_outlives_its_api(cluster: Cluster) -> None:
    await cluster.put("a", {"model": "m", "address": "dns:///elsewhere:1"})
    async with running({"pool_source": "kubernetes", "namespace": "team"}) as process:
        await process.names("a")
        await process.sees_changes(True)
        await cluster.put("b")
        await process.names("a", "b")
        await cluster.put("b", state="evicted")
        await process.listed(lambda answer: answer.candidates[1].candidate.state == CANDIDATE_STATE_EVICTED)
        await cluster.stop()
        await process.sees_changes(False)
        await process.names("a", "b")
        await cluster.put("c")
        await cluster.start(cluster.port)
        await process.names("a", "b", "c")
        await process.sees_changes(True)
        await cluster.until(lambda: cluster.ready("c")[0] == "True")
    assert cluster.tokens == {"Bearer mine"}


async def test_a_metric_says_whether_the_pool_is_watched(cluster: Cluster) -> None:
    unused = {"selector_address": "unix:/x", "aggregator_address": "unix:/y"}
    settings = RouterSettings.model_validate({"pool_source": "kubernetes", "namespace": "team", **unused})
    reader = InMemoryMetricReader()
    telemetry = Telemetry("test", None, reader=reader)
    channels = Channels()
    health = HealthMonitor(AdapterHealth(channels).watch)
    traffic = TrafficMonitor(settings.drift_rules, StateTransitions(telemetry.tracer, telemetry.meter))
    pool = PoolSource(settings, health, traffic, telemetry.meter)
    told: asyncio.Queue[bool] = asyncio.Queue()

    async def says(watched: bool) -> None:
        assert await asyncio.wait_for(told.get(), TIMEOUT_S) is watched
        assert values(reader, instruments.POOL_WATCHED) == {(): int(watched)}

    async with pool.connected():
        tasks = [asyncio.create_task(pool.report(told.put)), asyncio.create_task(pool.watch())]
        await says(False)
        await says(True)
        await cluster.stop()
        await says(False)
        await cluster.start(cluster.port)
        await says(True)
        for task in tasks:
            task.cancel()
    await health.close()
    await channels.close()
    telemetry.shutdown()


async def test_a_router_starts_while_the_api_is_away(cluster: Cluster) -> None:
    await cluster.stop()
    async with running({"pool_source": "kubernetes", "namespace": "team"}) as process:
        await process.sees_changes(False)
        await process.names()
        # Without a pool it could answer nobody.
        assert not await process.serves()
        await cluster.put("a", {"model": "m", "address": "unix:/nobody"})
        await cluster.start(cluster.port)
        await process.names("a")
        await process.begins()
        await cluster.stop()
        await process.sees_changes(False)
        assert await process.serves()


async def test_drift_is_said_in_the_status_of_the_candidate(cluster: Cluster) -> None:
    """A candidate begins to fail: it is on probation in the router, and its resource says why."""
    neighbours: list[dict[str, object]] = [{"name": name} for name in "abc"]
    async with RouterSuite(entries=neighbours) as suite:
        for name in "abc":
            await cluster.put(name, {"model": "m", "address": suite.address_of(name)})
        settings = {
            "pool_source": "kubernetes",
            "namespace": "team",
            "selector_address": suite.address_of("selector"),
            "aggregator_address": suite.address_of("aggregator"),
            "drift_run_length": 10,
            "probation_share": 0.0,
            "boot_tokens": 2,
        }
        async with running(settings) as process:
            await process.names("a", "b", "c")
            for _ in range(150):
                await process.complete()
            suite.models.models["c"].fails[STAGE_BOOT] = failure()
            async with asyncio.timeout(TIMEOUT_S):
                while cluster.condition("c", "Drifted")[0] != "True":
                    await process.complete()
            assert "calls failed" in cluster.condition("c", "Drifted")[2]
            assert cluster.ready("c")[0] == "True"
            assert cluster.condition("a", "Drifted") == ("", "", "")
            listed = await process.listed(lambda answer: bool(answer.candidates[2].traffic.drift))
            assert listed.candidates[2].candidate.state == CANDIDATE_STATE_PROBATION
            # The evaluator has the last word.
            await cluster.put(
                "c", state="admitted", score=0.5, evaluatedPrompts=9, lastEvaluated="2026-03-01T00:00:00Z"
            )
            await process.listed(lambda answer: answer.candidates[2].candidate.state == CANDIDATE_STATE_ADMITTED)
            await cluster.until(lambda: cluster.condition("c", "Drifted")[0] == "False")


@pytest.mark.parametrize("away", ["cluster", "namespace"])
def test_a_router_without_a_cluster_or_a_namespace_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], away: str
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/does/not/exist")
    flags = ["--pool-source", "kubernetes", "--selector-address", "unix:/s", "--aggregator-address", "unix:/a"]
    with pytest.raises(SystemExit) as stopped:
        main([*flags, *(("--namespace", "team") if away == "cluster" else ())])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert ("neither a service account nor a kubeconfig" if away == "cluster" else "--namespace is required") in said
