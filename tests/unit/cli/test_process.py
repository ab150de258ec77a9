import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import psutil
import pytest

from lightrouter.cli.process import Backoff, Service, ServiceDiedError

TIMEOUT_S = 600.0
SERVICES = Path(__file__).parents[3] / "services"


class Supervised:
    """Services of one test and what was logged of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.services: list[Service] = []

    def start(self, *flags: str) -> Service:
        return self.start_with(lambda address: flags)

    def start_with(self, arguments: Callable[[str | None], Sequence[str]]) -> Service:
        ready_file = self.folder / f"{len(self.services)}.ready"
        service = Service(
            "fake",
            "fake_service",
            lambda address: ["--ready-file", str(ready_file), *arguments(address)],
            ready_file,
            self.lines.put_nowait,
            Backoff(first_s=0.01),
        )
        self.services.append(service)
        service.start()
        return service

    async def line(self, wanted: str) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            while wanted not in (line := await self.lines.get()):
                pass
            return line


@pytest.fixture
async def supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Supervised]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SERVICES), str(Path(__file__).parent)]))
    found = Supervised(tmp_path)
    yield found
    for service in found.services:
        service.kill()
        await service.stop(TIMEOUT_S)


async def ready(service: Service) -> tuple[str, int]:
    address, pid = (await asyncio.wait_for(service.ready(), TIMEOUT_S)).split()
    return address, int(pid)


async def test_a_service_is_ready_when_it_says_so_and_ends_when_told(supervised: Supervised) -> None:
    service = supervised.start("--address", "here:7")
    address, pid = await ready(service)
    assert address == "here:7"
    assert service.is_ready
    await service.stop(TIMEOUT_S)
    assert not psutil.pid_exists(pid)


async def test_the_output_of_a_service_is_logged_under_its_name(supervised: Supervised) -> None:
    supervised.start("--say", "hello")
    assert await supervised.line("hello") == "fake | hello"


async def test_a_service_that_dies_is_started_again_at_its_address(supervised: Supervised) -> None:
    given: list[str | None] = []

    def arguments(address: str | None) -> list[str]:
        given.append(address)
        return ["--say", f"start {len(given)}"]

    service = supervised.start_with(arguments)
    first, pid = await ready(service)
    os.kill(pid, signal.SIGKILL)
    assert "was ended by SIGKILL; restarts in 0.01 s" in await supervised.line("ended")
    await supervised.line("start 2")
    assert given == [None, f"{first} {pid}"]


async def test_a_service_that_never_gets_ready_says_why(supervised: Supervised) -> None:
    service = supervised.start("--say", "port 1 is taken", "--exit", "3")
    with pytest.raises(ServiceDiedError, match="fake ended with status 3 before it was ready: port 1 is taken"):
        await ready(service)


async def test_a_service_that_does_not_end_is_killed(supervised: Supervised) -> None:
    service = supervised.start("--deaf")
    _, pid = await ready(service)
    await service.stop(0.01)
    assert not psutil.pid_exists(pid)
    await supervised.line("did not end within 0.01 s; killed")


async def test_a_service_that_was_stopped_stays_stopped(supervised: Supervised) -> None:
    before = set(psutil.Process().children())
    service = supervised.start("--exit", "1")
    await supervised.line("restarts in")
    await service.stop(TIMEOUT_S)
    assert set(psutil.Process().children()) <= before


@pytest.mark.parametrize("deafness", [[], ["--deaf"]], ids=["heeds SIGTERM", "does not"])
def test_a_child_does_not_outlive_a_parent_that_was_killed(tmp_path: Path, deafness: list[str]) -> None:
    path = os.pathsep.join([str(SERVICES), str(Path(__file__).parent)])
    ready_file = tmp_path / "ready"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(ready_file), *deafness],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(TIMEOUT_S)


PARENT = """
import subprocess, sys, time
command = [sys.executable, "-m", "lightrouter.cli.child", "fake_service", "--ready-file", *sys.argv[1:]]
child = subprocess.Popen(command, stdin=subprocess.PIPE)
import pathlib
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print(child.pid, flush=True)
child.wait()
"""


def test_waits_double_up_to_the_most_and_start_over_after_a_long_life() -> None:
    backoff = Backoff(first_s=1, most_s=4, reset_s=10)
    waits = [0.0]
    for lived_s in (0, 0, 0, 0, 11, 0):
        waits.append(backoff.next(waits[-1], lived_s))
    assert waits[1:] == [1, 2, 4, 4, 1, 2]
