"""A service that no longer answers itself ends, whatever its health says."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lightrouter.runtime.rpc import selfcheck
from lightrouter.runtime.rpc.selfcheck import SelfCheck, SilentServiceError
from lightrouter.runtime.rpc.server import Server
from lightrouter.runtime.settings import ServiceSettings, command
from tests.authority import Authority
from tests.rpc.test_server_process import ready
from tests.rpc.wire import call, headers_of, send

# The loop that accepts calls is grpc.aio's own, which a path that is not UTF-8 ends.
PROGRAM = """
import asyncio, grpc
from lightrouter.runtime.rpc import selfcheck
from lightrouter.runtime.rpc import server
from lightrouter.runtime.settings import ServiceSettings, load

server.accepting_server = lambda interceptors, options: grpc.aio.server(interceptors=interceptors, options=options)
selfcheck._PAUSE_SECONDS, selfcheck._ROUND_SECONDS = 0.05, 0.1

async def main(settings):
    made = server.Server(settings)
    await made.start()
    print(made.health_address, flush=True)
    await made.serve_until_signal()

server.run(main, load(ServiceSettings))
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_PAUSE_SECONDS", 0.01)


async def test_a_service_whose_loop_has_died_ends_and_its_health_port_with_it(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"),
        *("--ready-file", f"{tmp_path}/ready", "--grace-seconds", "1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    health = (await process.stdout.readline()).decode().strip()
    assert health, (await process.communicate())[1].decode()
    address = await ready(tmp_path)
    async with grpc.aio.insecure_channel(health) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await send(address, call(headers_of(b"/\xff/X")))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 1
    last = said.decode().splitlines()[-1]
    assert last == f"{command(ServiceSettings)}: the service has ended: it no longer answers its own calls at {address}"


class Counted(SelfCheck):
    """Tells once it has been answered three times."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings)
        self.thrice = asyncio.Event()
        self._answered = 0

    async def _answers(self, address: str) -> bool:
        answers = await super()._answers(address)
        self._answered += answers
        if self._answered == 3:
            self.thrice.set()
        return answers


async def watched(settings: ServiceSettings) -> None:
    """Watches a server that serves for three calls of itself, and then no more."""
    async with Server(settings) as server, asyncio.timeout(60):
        check = Counted(settings)
        watch = asyncio.create_task(check.watch(server.address))
        await check.thrice.wait()
        await server.drain()
        with pytest.raises(SilentServiceError, match=re.escape(server.address)):
            await watch


async def test_a_service_is_watched_over_every_kind_of_listener(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, key = authority.issue("server", "*.house.example", "10.1.2.3")
    tls = {"tls_cert_file": certificate, "tls_key_file": key}
    for listen, more in (
        ("127.0.0.1:0", {}),
        ("0.0.0.0:0", {}),
        ("[::]:0", {}),
        ("localhost:0", {}),
        (f"unix:{tmp_path}/s", {}),
        ("127.0.0.1:0", tls),
        ("[::]:0", tls | {"tls_client_ca_file": authority.file}),
        ("127.0.0.1:0", tls | {"tls_client_ca_file": authority.file, "tls_allowed_identities": "nobody"}),
    ):
        await watched(ServiceSettings.model_validate({"listen": listen, **more}))


async def test_a_service_that_never_could_call_itself_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = Authority(tmp_path, "ours").issue("server")
    strangers = Authority(tmp_path, "callers").file
    settings = ServiceSettings(tls_cert_file=certificate, tls_key_file=key, tls_client_ca_file=strangers)
    async with Server(settings) as server:
        await SelfCheck(settings).watch(server.address)
    assert "cannot call itself" in caplog.text


async def test_an_event_loop_that_is_held_up_is_not_a_silent_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "_ROUND_SECONDS", 0.01)
    monkeypatch.setattr(selfcheck, "_FAILURES", 1)
    settings = ServiceSettings()
    async with Server(settings) as server:
        watch = asyncio.create_task(SelfCheck(settings).watch(server.address))
        for _ in range(8):
            await asyncio.sleep(0)
            time.sleep(0.3)  # noqa: ASYNC251 - longer than all rounds of a call together
            await asyncio.sleep(0.001)
            assert not watch.done()
        watch.cancel()
