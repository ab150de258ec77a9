"""A server in a process of its own: signals, the ready file, and garbage collection."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from watchfiles import awatch

from lightrouter.runtime.deadline import Deadline
from lightrouter.runtime.errors import ServiceError
from lightrouter.runtime.rpc.channels import Channels
from lightrouter.runtime.rpc.models import ModelClient
from lightrouter.runtime.rpc.server import Server, run
from lightrouter.runtime.settings import ServiceSettings
from lightrouter.v1.candidate_pb2 import ModelTarget
from tests.rpc.server_support import generation, health_stub

PROGRAM = """
import asyncio
import gc
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.rpc.server import Server, run
from lightrouter.runtime.settings import ServiceSettings, load
from lightrouter.v1 import adapter_pb2_grpc

class Waits(adapter_pb2_grpc.AdapterServiceServicer):
    async def Generate(self, request, context):
        print("entered", flush=True)
        await asyncio.Event().wait()

async def main(settings):
    server = Server(settings)
    server.add(names.ADAPTER_SERVICE, adapter_pb2_grpc.add_AdapterServiceServicer_to_server, Waits())
    await server.start()
    await server.serve_until_signal()

run(main, load(ServiceSettings))
"""


async def start_process(tmp_path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "--listen", f"unix:{tmp_path}/s", "--ready-file", f"{tmp_path}/ready"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def ready(tmp_path: Path) -> str:
    """Returns the address once the process has written its ready file."""
    file = tmp_path / "ready"
    async for _ in awatch(tmp_path, poll_delay_ms=10, yield_on_timeout=True, rust_timeout=50):
        if file.exists():
            return file.read_text().strip()
    raise AssertionError("the watch ended")


async def test_sigterm_stops_an_idle_process(tmp_path: Path) -> None:
    process = await start_process(tmp_path)
    assert await ready(tmp_path) == f"unix:{tmp_path}/s"
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_second_signal_stops_a_busy_process_at_once(tmp_path: Path) -> None:
    process = await start_process(tmp_path)
    address = await ready(tmp_path)
    channels = Channels()
    target = ModelTarget(candidate="a", address=address)
    call = asyncio.create_task(ModelClient(channels).generate(target, generation(), Deadline.after(100)))
    assert process.stdout is not None
    assert await process.stdout.readline() == b"entered\n"
    watch = health_stub(channels.get(address)).Watch(health_pb2.HealthCheckRequest(service=""))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    process.send_signal(signal.SIGTERM)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert not call.done()
    process.send_signal(signal.SIGTERM)
    with pytest.raises(ServiceError):
        await call
    assert await process.wait() == 0
    await channels.close()


def test_garbage_collection_skips_what_a_service_loaded(tmp_path: Path) -> None:
    loaded: list[list[int]] = []
    tracked: list[int] = []

    def count() -> int:
        """Returns how many of the loaded objects a collection would look at."""
        known = {id(each) for each in gc.get_objects()}
        return sum(id(each) in known for each in loaded)

    async def service(settings: ServiceSettings) -> None:
        loaded.extend([number] for number in range(1000))
        tracked.append(count())
        async with Server(settings) as server:
            await server.serve_until_signal(look)

    async def look() -> None:
        tracked.append(count())
        raise OSError("it has looked")

    before = gc.get_freeze_count()
    with pytest.raises(SystemExit):
        run(service, ServiceSettings(listen=f"unix:{tmp_path}/s"))
    assert tracked == [1000, 0]
    assert gc.get_freeze_count() <= before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("selector --ready-file no/ready", "no/ready cannot be written: No such file or directory"),
        ("all --pool pool.yaml --ready-file no/ready", "no/ready cannot be written: No such file or directory"),
        ("all --pool no", "no: cannot be read: No such file or directory"),
        ("adapter --pool pool.yaml --candidate b", "the pool has no candidate b; it has a"),
        ("aggregator --tls-cert-file no --tls-key-file no", "no: cannot be read: No such file or directory"),
        ("selector --nonsense", "unrecognized arguments: --nonsense"),
        (
            "router -k x --selector-address unix:s --aggregator-address unix:a",
            "setting k (--k, LIGHTROUTER_ROUTER_K): ",
        ),
        (
            "router --k 0 --selector-address unix:s --aggregator-address unix:a",
            "setting k (--k, LIGHTROUTER_ROUTER_K): ",
        ),
    ],
)
async def test_what_a_service_cannot_use_is_one_sentence_and_no_trace(tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "pool.yaml").write_text("candidates: [{name: a, base_url: 'http://127.0.0.1:9/v1', model: m}]\n")
    command = (sys.executable, "-m", "lightrouter.cli", "serve", *words.split(), "--log-level", "error")
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stderr=asyncio.subprocess.PIPE)
    _, stderr = await process.communicate()
    assert process.returncode == 2, stderr
    (line,) = [line for line in stderr.decode().splitlines() if not line.startswith("{")]
    assert line.replace(f"{tmp_path}/", "").startswith(f"lightrouter serve {words.split(maxsplit=1)[0]}: {said}")
