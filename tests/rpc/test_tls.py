"""TLS and mTLS over real channels: who is served, who is trusted, and rotation while calls run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lightrouter.router.clients import AdapterHealth
from lightrouter.router.pool.health import HealthMonitor
from lightrouter.router.pool.snapshot import PoolSnapshot
from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import Code, ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.security.tls import TlsError, TlsFiles
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.runtime.telemetry import names
from lightrouter.v1 import adapter_pb2_grpc
from lightrouter.v1.adapter_pb2 import GenerateRequest, GenerateResponse, Generation
from lightrouter.v1.candidate_pb2 import CANDIDATE_HEALTH_SERVING, Candidate, ModelTarget
from lightrouter.v1.chat_pb2 import ChatMessage, Role
from tests.authority import Authority


class Adapter(adapter_pb2_grpc.AdapterServiceServicer):
    """Answers at once, or when it is released."""

    Describe: Any = None
    StreamGenerate: Any = None

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def Generate(self, request: GenerateRequest, context: object) -> GenerateResponse:
        if request.generation.prefix == "wait":
            self.entered.set()
            await self.release.wait()
        return GenerateResponse(text="done")


class Rig:
    """A server with TLS and what clients of it need."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.authority = Authority(folder, "ours")
        self.stranger = Authority(folder, "other")
        certificate, key = self.authority.issue("server")
        self.adapter = Adapter()
        self.settings = ServiceSettings(
            listen="127.0.0.1:0", tls_cert_file=certificate, tls_key_file=key, reflection=False, **settings
        )
        self.stack = AsyncExitStack()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Rig]:
        self.server = Server(self.settings)
        register = adapter_pb2_grpc.add_AdapterServiceServicer_to_server
        self.server.add(names.ADAPTER_SERVICE, register, self.adapter)
        async with self.stack:
            self.address = await self.server.start()
            self.stack.push_async_exit(self.server)
            yield self

    def channels(self, authority: Path | None, pair: tuple[Path, Path] | None = None) -> Channels:
        certificate, key = pair or (None, None)
        files = TlsFiles(certificate, key, authority) if authority else None
        channels = Channels(tls=files)
        self.stack.push_async_callback(channels.close)
        return channels

    async def generate(self, channels: Channels, prefix: str = "", seconds: float = 20) -> str:
        message = ChatMessage(role=Role.ROLE_USER, content="hello")
        generation = Generation(messages=[message], prefix=prefix)
        target = ModelTarget(candidate="a", address=self.address)
        return (await ModelClient(channels).generate(target, generation, Deadline.after(seconds))).text

    async def refused(self, channels: Channels) -> None:
        with pytest.raises(ServiceError) as caught:
            await self.generate(channels)
        assert caught.value.code == Code.UNAVAILABLE


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with Rig(tmp_path).running() as made:
        yield made


@pytest.fixture
async def mutual(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path)
    rig.settings = rig.settings.model_copy(update={"tls_client_ca_file": rig.authority.file})
    async with rig.running() as made:
        yield made


async def test_a_caller_that_trusts_the_authority_is_served(rig: Rig) -> None:
    assert await rig.generate(rig.channels(rig.authority.file)) == "done"


async def test_a_caller_that_trusts_another_authority_does_not_speak(rig: Rig) -> None:
    await rig.refused(rig.channels(rig.stranger.file))


async def test_a_caller_without_tls_is_not_served(rig: Rig) -> None:
    await rig.refused(rig.channels(None))


async def test_a_certificate_for_another_name_is_not_taken(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.authority.issue("server", "elsewhere.example")
    async with rig.running():
        await rig.refused(rig.channels(rig.authority.file))


async def test_mutual_tls_serves_those_with_a_certificate_of_the_authority(mutual: Rig) -> None:
    pair = mutual.authority.issue("client")
    assert await mutual.generate(mutual.channels(mutual.authority.file, pair)) == "done"


async def test_mutual_tls_refuses_a_certificate_of_another_authority(mutual: Rig) -> None:
    await mutual.refused(mutual.channels(mutual.authority.file, mutual.stranger.issue("client")))


async def test_mutual_tls_refuses_those_without_a_certificate(mutual: Rig) -> None:
    await mutual.refused(mutual.channels(mutual.authority.file))


async def test_mutual_tls_serves_the_identities_that_are_named_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    named = {"tls_client_ca_file": rig.authority.file, "tls_allowed_identities": "router.*, spiffe://house/router"}
    rig.settings = rig.settings.model_copy(update=named)
    async with rig.running():
        ours = rig.channels(rig.authority.file, rig.authority.issue("client", "router.house"))
        assert await rig.generate(ours) == "done"
        callers = rig.channels(rig.authority.file, rig.authority.issue("caller", "caller.house"))
        with pytest.raises(ServiceError, match=r"caller\.house") as caught:
            await rig.generate(callers)
        assert caught.value.code == Code.PERMISSION_DENIED
        stub: Any = health_pb2_grpc.HealthStub(callers.get(rig.address))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest())
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_rotated_certificate_is_shown_to_new_connections(rig: Rig) -> None:
    running = asyncio.create_task(rig.generate(rig.channels(rig.authority.file), "wait"))
    await rig.adapter.entered.wait()
    rig.stranger.issue("server")
    assert await rig.generate(rig.channels(rig.stranger.file)) == "done"
    await rig.refused(rig.channels(rig.authority.file))
    rig.adapter.release.set()
    assert await running == "done"


async def test_rotated_authorities_hold_for_new_connections(mutual: Rig) -> None:
    pair = mutual.stranger.issue("client")
    await mutual.refused(mutual.channels(mutual.authority.file, pair))
    mutual.authority.file.write_bytes(mutual.stranger.file.read_bytes())
    channels = mutual.channels(mutual.authority.file, pair)
    mutual.stranger.issue("server")
    assert await mutual.generate(channels) == "done"


async def test_half_a_rotation_is_refused_and_the_last_good_pair_stays(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    assert rig.settings.tls_key_file
    good = rig.settings.tls_key_file.read_bytes()
    rig.settings.tls_key_file.write_text("half")
    for _ in range(2):
        assert await rig.generate(rig.channels(rig.authority.file)) == "done"
    assert caplog.text.count("the last good ones stay") == 1
    rig.settings.tls_key_file.write_bytes(good)
    assert await rig.generate(rig.channels(rig.authority.file)) == "done"


async def test_a_client_takes_a_rotated_certificate_for_new_calls_and_running_ones_end(mutual: Rig) -> None:
    pair = mutual.authority.issue("client")
    channels = mutual.channels(mutual.authority.file, pair)
    running = asyncio.create_task(mutual.generate(channels, "wait"))
    await mutual.adapter.entered.wait()
    first = channels.get(mutual.address)
    mutual.stranger.issue("client")
    await mutual.refused(channels)
    mutual.authority.issue("client")
    assert await mutual.generate(channels) == "done"
    assert channels.get(mutual.address) is not first
    mutual.adapter.release.set()
    assert await running == "done"


async def test_the_health_is_watched_on_over_a_connection_that_is_replaced(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightrouter.runtime.rpc.channels._RETIRED_SECONDS", 0.01)
    trusted = rig.authority.file.parent / "trusted.pem"
    trusted.write_bytes(rig.authority.file.read_bytes())
    channels = rig.channels(trusted)
    health = HealthMonitor(AdapterHealth(channels).watch, pause_seconds=0.01)
    health.follow(PoolSnapshot.from_candidates([Candidate(name="a", address=rig.address)]))
    said: asyncio.Queue[bool] = asyncio.Queue()

    async def tell(serving: bool) -> None:
        said.put_nowait(serving)

    reporting = asyncio.create_task(health.report(tell))
    try:
        assert [await said.get(), await said.get()] == [False, True]
        trusted.write_bytes(rig.authority.file.read_bytes() + rig.stranger.file.read_bytes())
        assert await rig.generate(channels) == "done"
        assert [await said.get(), await said.get()] == [False, True]
        assert health.of(rig.address) == CANDIDATE_HEALTH_SERVING
    finally:
        reporting.cancel()
        await health.close()


async def test_a_unix_socket_is_called_without_tls(rig: Rig, tmp_path: Path) -> None:
    async with Server(ServiceSettings(listen=f"unix:{tmp_path}/s")):
        channel = rig.channels(rig.authority.file).get(f"unix:{tmp_path}/s")
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_probes_reach_the_health_without_tls_until_the_very_end(tmp_path: Path) -> None:
    async with Rig(tmp_path, health_listen="127.0.0.1:0").running() as rig:
        address = rig.server.health_address
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            check = health_pb2.HealthCheckRequest(service=names.ADAPTER_SERVICE)
            assert (await stub.Check(check)).status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await adapter_pb2_grpc.AdapterServiceStub(channel).Generate(GenerateRequest())
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
            running = asyncio.create_task(rig.generate(rig.channels(rig.authority.file), "wait"))
            await rig.adapter.entered.wait()
            draining = asyncio.create_task(rig.server.drain())
            watch = stub.Watch(check)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert not draining.done()
            rig.adapter.release.set()
            assert await running == "done"
            await draining


async def test_calls_are_taken_during_the_delay_of_the_drain(tmp_path: Path) -> None:
    async with Rig(tmp_path, drain_delay_seconds=600, grace_seconds=600).running() as rig:
        channels = rig.channels(rig.authority.file)
        stub: Any = health_pb2_grpc.HealthStub(channels.get(rig.address))
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=names.ADAPTER_SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        draining = asyncio.create_task(rig.server.drain())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await watch.read() is grpc.aio.EOF
        assert await rig.generate(channels) == "done"
        assert not draining.done()
        await rig.server.drain()
        await draining


async def test_the_server_stops_after_the_delay(tmp_path: Path) -> None:
    async with Rig(tmp_path, drain_delay_seconds=0.01).running() as rig:
        await rig.server.drain()
        await rig.refused(rig.channels(rig.authority.file))


@pytest.mark.parametrize("broken", ["tls_cert_file", "tls_key_file", "tls_client_ca_file"])
def test_files_that_cannot_be_used_stop_the_start_by_their_name(tmp_path: Path, broken: str) -> None:
    rig = Rig(tmp_path)
    for content in (None, "no PEM"):
        file = tmp_path / "broken"
        if content:
            file.write_text(content)
        settings = rig.settings.model_copy(update={broken: file})
        with pytest.raises(TlsError, match=str(file)):
            Server(settings)


def test_files_that_do_not_change_are_not_read_again(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    files = TlsFiles(*authority.issue("one"), authority.file)
    first = files.current()
    assert files.current() is first
    authority.issue("one")
    second = files.current()
    assert second is not first
    assert files.current() is second


async def test_a_connection_lasts_while_the_files_do_not_change(mutual: Rig) -> None:
    channels = mutual.channels(mutual.authority.file, mutual.authority.issue("client"))
    first = channels.get(mutual.address)
    assert await mutual.generate(channels) == "done"
    assert channels.get(mutual.address) is first


def test_a_key_of_another_certificate_is_no_pair(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    with pytest.raises(TlsError, match="are no pair"):
        TlsFiles(certificate, key)
